/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch KVM: breakpoints in a guest's memory
 *
 * KVM for LoongArch has neither hardware breakpoints nor a single step.  It has
 * one instruction, named by KVM_REG_LOONGARCH_DEBUG_INST, that leaves the guest
 * with KVM_EXIT_DEBUG while the vCPU has KVM_GUESTDBG_ENABLE, pc still on it.
 * Software and hardware breakpoints and the end of a step (debug-step.c) are
 * all such words, planted here.
 *
 * A word is planted only while the vCPUs run: when the VM starts all of them
 * are, and when it stops all are lifted, before anyone can look.  So nothing
 * that reads or saves a stopped guest needs to know of them.  A word that the
 * guest has changed meanwhile is the guest's; it is kept, and saved afresh the
 * next time.
 *
 * An exit with no breakpoint behind it belongs to the guest, and gets what KVM
 * gives without a debugger.
 *
 * Not here: watchpoints, which KVM gives no means for; conditions, which are
 * the client's.
 */

#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "exec/target_page.h"
#include "hw/core/cpu.h"
#include "qapi/error.h"
#include "system/hw_accel.h"
#include "system/kvm.h"
#include "system/kvm_int.h"
#include "system/runstate.h"
#include "cpu.h"
#include "debug.h"
#include "debug-inst.h"
#include "internals.h"
#include "trace.h"

#define REG_A0                  4
#define INVALID_HYPERCALL       UINT64_MAX
/* Hardware breakpoints: how often to look for code that has come, in ms. */
#define VERIFY_INTERVAL         1
#define VERIFY_MAPPED_EVERY     64

typedef struct Breakpoint {
    uint64_t addr;
    unsigned int who;           /* a set of KVM_DEBUG_* */
    bool direct;                /* set without address translation */
    MemoryRegion *mr;           /* where it is, with a reference; or NULL */
    hwaddr offset;
    uint32_t *word;             /* the same in our memory */
    uint32_t saved;             /* the guest's own, while planted */
    bool planted;
} Breakpoint;

static struct {
    const char *trouble;        /* why guests cannot be debugged */
    uint32_t inst;              /* what to plant, as it is in memory */
    bool active;                /* vCPUs are to leave for it */
    bool running;
    bool ready;                 /* the handlers are registered */
    GHashTable *table;          /* of Breakpoint, by address */
    unsigned int hw;            /* how many of them are KVM_DEBUG_HW */
    GArray *exposed;            /* words that stay lifted for now */
    QEMUTimer *verify;
    unsigned int verify_round;
} debug;

bool kvm_debug_running(void)
{
    return debug.running;
}

static bool is_direct(CPUState *cs)
{
    CPULoongArchState *env = cpu_env(cs);

    cpu_synchronize_state(cs);
    return FIELD_EX64(env->CSR_CRMD, CSR_CRMD, DA) &&
           !FIELD_EX64(env->CSR_CRMD, CSR_CRMD, PG) &&
           !FIELD_EX64(env->CSR_TLBRERA, CSR_TLBRERA, ISTLBR);
}

/* Find the memory behind a virtual address; the caller is in an RCU section. */
static int find_word(CPUState *cs, vaddr addr, MemoryRegion **mr,
                     hwaddr *offset)
{
    hwaddr phys, len = sizeof(uint32_t);

    cpu_synchronize_state(cs);
    phys = cpu_get_phys_page_debug(cs, addr & TARGET_PAGE_MASK);
    if (phys == -1) {
        return -EFAULT;
    }
    *mr = address_space_translate(cs->as, phys | (addr & ~TARGET_PAGE_MASK),
                                  offset, &len, true, MEMTXATTRS_UNSPECIFIED);
    if (!(memory_region_is_ram(*mr) || memory_region_is_romd(*mr)) ||
        memory_region_is_ram_device(*mr)) {
        return -ENXIO;
    }
    return len < sizeof(uint32_t) ? -EFAULT : 0;
}

static uint32_t *word_at(MemoryRegion *mr, hwaddr offset)
{
    return memory_region_get_ram_ptr(mr) + offset;
}

static bool is_exposed(const uint32_t *word)
{
    guint i;

    for (i = 0; debug.exposed && i < debug.exposed->len; i++) {
        if (g_array_index(debug.exposed, uint32_t *, i) == word) {
            return true;
        }
    }
    return false;
}

/*
 * Change a guest's word unless the guest does so first.
 *
 * Through our own mapping, as a DMA would: on a LoongArch host the instruction
 * caches are kept coherent by hardware, and the vCPU enters the guest by an
 * ertn, which fetches anew.
 */
static bool replace(Breakpoint *bp, uint32_t from, uint32_t to)
{
    if (qatomic_cmpxchg(bp->word, from, to) != from) {
        return false;
    }
    memory_region_set_dirty(bp->mr, bp->offset, sizeof(to));
    return true;
}

static void plant(Breakpoint *bp)
{
    uint32_t now;

    if (!bp->mr || is_exposed(bp->word)) {
        return;
    }
    do {
        now = qatomic_read(bp->word);
        if (now == debug.inst) {
            /* By us, for another address maybe; or the guest has its own. */
            return;
        }
        bp->saved = now;
    } while (!replace(bp, now, debug.inst));
    bp->planted = true;
}

static void lift(Breakpoint *bp)
{
    if (bp->planted) {
        replace(bp, debug.inst, bp->saved);
        bp->planted = false;
    }
}

static int locate(CPUState *cs, Breakpoint *bp)
{
    MemoryRegion *mr;
    hwaddr offset;
    int ret;

    RCU_READ_LOCK_GUARD();
    ret = find_word(cs, bp->addr, &mr, &offset);
    if (!ret) {
        memory_region_ref(mr);
        bp->mr = mr;
        bp->offset = offset;
        bp->word = word_at(mr, offset);
    }
    return ret;
}

/* Through some vCPU: addresses of the kernel are the same for all of them. */
static int locate_anywhere(CPUState *cs, Breakpoint *bp)
{
    CPUState *other;
    int ret = locate(cs, bp);

    if (ret == -EFAULT) {
        CPU_FOREACH(other) {
            if (other != cs && !locate(other, bp)) {
                return 0;
            }
        }
    }
    return ret;
}

static void breakpoint_free(gpointer data)
{
    Breakpoint *bp = data;

    lift(bp);
    if (bp->mr) {
        memory_region_unref(bp->mr);
    }
    g_free(bp);
}

/*
 * Without translation a low address is a physical one: what a user means by it
 * for later may be somebody else's memory now.  It holds only for as long as a
 * vCPU is in that mode.
 */
static bool is_out_of_place(Breakpoint *bp)
{
    CPUState *cs;

    if (!bp->direct) {
        return false;
    }
    CPU_FOREACH(cs) {
        if (is_direct(cs)) {
            return false;
        }
    }
    return true;
}

static void plant_all(void)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, debug.table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Breakpoint *bp = value;

        if (!bp->mr && first_cpu) {
            locate_anywhere(first_cpu, bp);
        }
        if (!is_out_of_place(bp)) {
            plant(bp);
        }
    }
}

static void lift_all(void)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, debug.table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        lift(value);
    }
}

/*
 * Code can come after its breakpoint: firmware loads a kernel, a kernel a
 * module.  Memory that is known is looked at often, which costs nothing;
 * translating needs a vCPU's registers and is done more seldom.
 */
static void verify(void *opaque)
{
    bool map = debug.verify_round++ % VERIFY_MAPPED_EVERY == 0;
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, debug.table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Breakpoint *bp = value;

        if (!(bp->who & KVM_DEBUG_HW)) {
            continue;
        }
        if (!bp->mr && map) {
            locate_anywhere(first_cpu, bp);
        }
        if (bp->mr && qatomic_read(bp->word) != debug.inst) {
            plant(bp);
        }
    }
    timer_mod(debug.verify,
              qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + VERIFY_INTERVAL);
}

static void verify_start_or_stop(void)
{
    if (debug.running && debug.hw) {
        if (!timer_pending(debug.verify)) {
            timer_mod(debug.verify, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) +
                                    VERIFY_INTERVAL);
        }
    } else {
        timer_del(debug.verify);
    }
}

static void vm_state_change(void *opaque, bool running, RunState state)
{
    debug.running = running;
    if (running) {
        plant_all();
    } else {
        kvm_debug_step_cancel();
        lift_all();
    }
    verify_start_or_stop();
}

/*
 * A reset of a running machine does not stop it in the sense of the handler
 * above.  What has been loaded anew is planted anew; the vCPUs stand still.
 */
void kvm_debug_after_reset(void)
{
    if (debug.running) {
        kvm_debug_step_cancel();
        plant_all();
    }
}

static void make_ready(void)
{
    if (debug.ready) {
        return;
    }
    debug.ready = true;
    debug.running = runstate_is_running();
    debug.table = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL,
                                        breakpoint_free);
    debug.exposed = g_array_new(false, false, sizeof(uint32_t *));
    debug.verify = timer_new_ms(QEMU_CLOCK_REALTIME, verify, NULL);
    /* Last when the VM starts, first when it stops. */
    qemu_add_vm_change_state_handler_prio(vm_state_change, NULL, INT_MAX);
}

void kvm_loongarch_debug_init_vcpu(CPUState *cs)
{
    uint64_t word = 0;
    int err = kvm_get_one_reg(cs, KVM_REG_LOONGARCH_DEBUG_INST, &word);

    debug.trouble = loongarch_debug_inst_trouble(err, word);
    debug.inst = debug.trouble ? 0 : cpu_to_le32(word);
}

bool loongarch_cpu_gdb_steps_alone(CPUState *cs)
{
    return kvm_enabled();
}

bool loongarch_cpu_gdb_start(CPUState *cs, Error **errp)
{
    if (kvm_enabled() && debug.trouble) {
        error_setg(errp, "gdbstub: %s", debug.trouble);
        return false;
    }
    return true;
}

static Breakpoint *lookup(vaddr addr)
{
    uint64_t key = addr;

    return debug.table ? g_hash_table_lookup(debug.table, &key) : NULL;
}

static int check_place(CPUState *cs, Breakpoint *bp)
{
    int ret = locate_anywhere(cs, bp);

    if (ret == -EFAULT && bp->who == KVM_DEBUG_HW) {
        return 0;
    }
    if (ret) {
        return ret;
    }
    bp->direct = is_direct(cs) &&
                 bp->addr < 1ULL << TARGET_VIRT_ADDR_SPACE_BITS;
    /* No instruction is zero: nothing is there yet, or it is no code. */
    if (bp->direct && bp->who == KVM_DEBUG_SW && !qatomic_read(bp->word)) {
        return -EFAULT;
    }
    return 0;
}

int kvm_debug_insert(CPUState *cs, vaddr addr, unsigned int who)
{
    Breakpoint *bp;
    int ret;

    if (addr & 3) {
        return -EINVAL;
    }
    if (debug.trouble) {
        return -ENOSYS;
    }
    make_ready();
    bp = lookup(addr);
    if (!bp) {
        bp = g_new0(Breakpoint, 1);
        bp->addr = addr;
        bp->who = who;
        ret = check_place(cs, bp);
        if (ret) {
            breakpoint_free(bp);
            return ret;
        }
        g_hash_table_insert(debug.table, &bp->addr, bp);
        if (debug.running) {
            plant(bp);
        }
    } else if (who == KVM_DEBUG_SW && !bp->mr) {
        ret = locate_anywhere(cs, bp);
        if (ret) {
            return ret;
        }
    } else if (bp->who & who) {
        return 0;
    }
    debug.hw += who == KVM_DEBUG_HW;
    bp->who |= who;
    debug.active = true;
    verify_start_or_stop();
    return 0;
}

void kvm_debug_remove(vaddr addr, unsigned int who)
{
    Breakpoint *bp = lookup(addr);

    if (!bp || !(bp->who & who)) {
        return;
    }
    debug.hw -= who == KVM_DEBUG_HW;
    bp->who &= ~who;
    if (!bp->who) {
        g_hash_table_remove(debug.table, &bp->addr);
    }
    verify_start_or_stop();
}

/* The breakpoint whose word is planted here, under whatever address. */
static Breakpoint *planted_at(const uint32_t *word)
{
    GHashTableIter iter;
    gpointer value;

    if (!debug.table) {
        return NULL;
    }
    g_hash_table_iter_init(&iter, debug.table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Breakpoint *bp = value;

        if (bp->planted && bp->word == word) {
            return bp;
        }
    }
    return NULL;
}

bool kvm_debug_fetch(CPUState *cs, vaddr addr, uint32_t *insn)
{
    MemoryRegion *mr;
    hwaddr offset;
    Breakpoint *bp;

    RCU_READ_LOCK_GUARD();
    if (addr & 3 || find_word(cs, addr, &mr, &offset)) {
        return false;
    }
    *insn = qatomic_read(word_at(mr, offset));
    if (*insn == debug.inst) {
        bp = planted_at(word_at(mr, offset));
        if (bp) {
            *insn = bp->saved;
        }
    }
    *insn = le32_to_cpu(*insn);
    return true;
}

void kvm_debug_expose(CPUState *cs, vaddr addr)
{
    MemoryRegion *mr;
    hwaddr offset;
    Breakpoint *bp;
    uint32_t *word;

    RCU_READ_LOCK_GUARD();
    if (find_word(cs, addr, &mr, &offset)) {
        return;
    }
    word = word_at(mr, offset);
    bp = planted_at(word);
    if (bp) {
        g_array_append_val(debug.exposed, word);
        lift(bp);
    }
}

void kvm_debug_cover(void)
{
    if (debug.exposed && debug.exposed->len) {
        g_array_set_size(debug.exposed, 0);
        if (debug.running) {
            plant_all();
        }
    }
}

/* What KVM gives for a hypercall that it does not know. */
static void refuse_hypercall(CPULoongArchState *env)
{
    env->gpr[REG_A0] = INVALID_HYPERCALL;
    env->pc += 4;
}

int kvm_loongarch_debug_exit(CPUState *cs)
{
    CPULoongArchState *env = cpu_env(cs);
    MemoryRegion *mr = NULL;
    hwaddr offset;
    Breakpoint *bp, *here = NULL;
    uint32_t *word = NULL;
    int ret;

    BQL_LOCK_GUARD();
    RCU_READ_LOCK_GUARD();
    kvm_cpu_synchronize_state(cs);
    bp = lookup(env->pc);
    if (!find_word(cs, env->pc, &mr, &offset)) {
        word = word_at(mr, offset);
        if (qatomic_read(word) != debug.inst) {
            /* Gone since: execute what is there now. */
            return 0;
        }
        if (bp && !bp->mr) {
            locate(cs, bp);
        }
        if (bp && bp->mr && bp->word != word) {
            bp = NULL;          /* the same address in another process */
        }
        here = planted_at(word);
    }

    if (bp) {
        if (kvm_debug_step_hit(cs, bp->who & KVM_DEBUG_STEP,
                               bp->who & ~KVM_DEBUG_STEP, &ret)) {
            return ret;
        }
        return EXCP_DEBUG;
    }
    if (here) {
        return kvm_debug_step_past(cs);
    }
    refuse_hypercall(env);
    return 0;
}

void kvm_arch_update_guest_debug(CPUState *cs, struct kvm_guest_debug *dbg)
{
    if (!debug.trouble) {
        make_ready();
        kvm_debug_step_update(cs);
    }
    /* KVM accepts its single step and does nothing; ours is made of words. */
    dbg->control = 0;
    /*
     * Once on, it stays until the client has gone: gdb takes all breakpoints
     * away at each stop, and a vCPU need not be told each time.
     */
    if (debug.active) {
        dbg->control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP;
    }
}

int kvm_arch_insert_sw_breakpoint(CPUState *cs, struct kvm_sw_breakpoint *bp)
{
    return kvm_debug_insert(cs, bp->pc, KVM_DEBUG_SW);
}

int kvm_arch_remove_sw_breakpoint(CPUState *cs, struct kvm_sw_breakpoint *bp)
{
    kvm_debug_remove(bp->pc, KVM_DEBUG_SW);
    return 0;
}

int kvm_arch_insert_hw_breakpoint(vaddr addr, vaddr len, int type)
{
    if (type != GDB_BREAKPOINT_HW) {
        return -ENOSYS;
    }
    return kvm_debug_insert(first_cpu, addr, KVM_DEBUG_HW);
}

int kvm_arch_remove_hw_breakpoint(vaddr addr, vaddr len, int type)
{
    if (type != GDB_BREAKPOINT_HW) {
        return -ENOSYS;
    }
    kvm_debug_remove(addr, KVM_DEBUG_HW);
    return 0;
}

void kvm_arch_remove_all_hw_breakpoints(void)
{
    if (debug.table) {
        kvm_debug_step_cancel();
        g_hash_table_remove_all(debug.table);
        debug.hw = 0;
        verify_start_or_stop();
    }
    debug.active = false;
}
