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
 * that reads or saves a stopped guest needs to know of them.  How that is done
 * is in debug-plant.c.
 *
 * An exit with no breakpoint behind it belongs to the guest, and gets what KVM
 * gives without a debugger.  What is peculiar to user space is in debug-user.c.
 *
 * Not here: watchpoints, which KVM gives no means for; conditions, which are
 * the client's.
 */

#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "hw/core/cpu.h"
#include "qapi/error.h"
#include "system/cpus.h"
#include "system/hw_accel.h"
#include "system/kvm.h"
#include "system/runstate.h"
#include "cpu.h"
#include "debug.h"
#include "debug-inst.h"
#include "debug-plant.h"
#include "internals.h"
#include "trace.h"

#define REG_A0                  4
#define INSN_SIZE               4
#define INVALID_HYPERCALL       UINT64_MAX
/* How often to look for code that has come, in ms, and for pages. */
#define VERIFY_INTERVAL         1
#define VERIFY_MAPPED_EVERY     64

static struct {
    const char *trouble;        /* why guests cannot be debugged */
    uint32_t inst;              /* what to plant, as it is in memory */
    bool active;                /* vCPUs are to leave for it */
    bool running;
    bool ready;                 /* the handlers are registered */
    bool traps;                 /* exception entries are caught */
    bool traps_missing;         /* but not of all vCPUs */
    unsigned int hw;            /* how many plants are KVM_DEBUG_HW */
    QEMUTimer *verify;
    unsigned int verify_round;
} debug;

bool kvm_debug_running(void)
{
    return debug.running;
}

bool kvm_debug_active(void)
{
    return debug.active;
}

/* Through some vCPU: addresses of the kernel are the same for all of them. */
static int locate_anywhere(CPUState *cs, KvmDebugPlant *bp)
{
    CPUState *other;
    int ret = kvm_debug_plant_locate(cs, bp);

    if (ret == -EFAULT) {
        CPU_FOREACH(other) {
            if (other != cs && !kvm_debug_plant_locate(other, bp)) {
                return 0;
            }
        }
    }
    return ret;
}

/*
 * Without translation a low address is a physical one: what a user means by it
 * for later may be somebody else's memory now.  It holds only for as long as a
 * vCPU is in that mode.
 */
static bool is_out_of_place(KvmDebugPlant *bp)
{
    CPUState *cs;

    if (!bp->direct) {
        return false;
    }
    CPU_FOREACH(cs) {
        if (kvm_debug_is_direct(cs)) {
            return false;
        }
    }
    return true;
}

/*
 * What unprivileged code can execute must not end its program.  After this
 * there are more plants: not while walking over them.
 */
static void catch_traps(void)
{
    debug.traps = true;
    debug.traps_missing = !kvm_debug_catch_traps();
}

static void plant_all(void)
{
    bool user = false;
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, kvm_debug_plants());
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        KvmDebugPlant *bp = value;

        if (!bp->place.mr && bp->who & KVM_DEBUG_HW && first_cpu) {
            locate_anywhere(first_cpu, bp);
        }
        if (!is_out_of_place(bp)) {
            kvm_debug_plant(bp);
        }
        user |= bp->user;
    }
    if (user) {
        catch_traps();
    }
}

/*
 * A vCPU that has executed one of our words and not come out yet is taken back
 * before the word goes.  The vCPUs stand still.
 */
static void release_traps(void)
{
    CPUState *cs;

    if (!debug.traps) {
        return;
    }
    CPU_FOREACH(cs) {
        cpu_synchronize_state(cs);
        kvm_debug_undo_trap(cs);
    }
    kvm_debug_plants_remove(KVM_DEBUG_TRAP);
    debug.traps = false;
}

static void verify_later(void)
{
    int64_t ms = debug.hw ? VERIFY_INTERVAL
                          : VERIFY_INTERVAL * VERIFY_MAPPED_EVERY;

    timer_mod_anticipate(debug.verify,
                         qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + ms);
}

/*
 * Code can come after its breakpoint: firmware loads a kernel, a kernel a
 * module, and a page of a program comes anew.  Memory that is known is looked
 * at often, which costs nothing; page tables are looked at more seldom, since
 * that can need a vCPU's registers.
 */
static bool is_due(const KvmDebugPlant *bp, bool map)
{
    if (map) {
        return bp->who & KVM_DEBUG_HW ||
               (bp->who & KVM_DEBUG_CLIENT && bp->space.pgdl);
    }
    return bp->who & KVM_DEBUG_HW && bp->place.mr && !bp->space.pgdl &&
           !bp->space.pgdh && qatomic_read(bp->place.word) != debug.inst;
}

static void verify_one(KvmDebugPlant *bp)
{
    if (bp->who & KVM_DEBUG_HW && !bp->place.mr) {
        locate_anywhere(first_cpu, bp);
        if (bp->user) {
            catch_traps();
        }
    }
    if (bp->place.mr &&
        (bp->space.pgdl || qatomic_read(bp->place.word) != debug.inst)) {
        kvm_debug_plant(bp);
    }
}

/*
 * To take a vCPU's registers lets go of the BQL, and there can be other plants
 * then.  So those that are due are found first, and looked up again one by one.
 */
static void verify(void *opaque)
{
    bool map = !debug.hw || debug.verify_round++ % VERIFY_MAPPED_EVERY == 0;
    g_autoptr(GArray) due = g_array_new(false, false, sizeof(vaddr[2]));
    bool user = false;
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, kvm_debug_plants());
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        KvmDebugPlant *bp = value;
        vaddr key[2] = { bp->addr, bp->who };

        if (is_due(bp, map)) {
            g_array_append_val(due, key);
        }
        user |= bp->user;
    }
    for (guint i = 0; i < due->len; i++) {
        vaddr *key = &g_array_index(due, vaddr, 2 * i);
        KvmDebugPlant *bp = kvm_debug_plant_lookup(key[0], key[1]);

        if (bp) {
            verify_one(bp);
        }
    }
    if (map && (debug.traps ? debug.traps_missing : user)) {
        catch_traps();
    }
    verify_later();
}

static void verify_start_or_stop(void)
{
    if (debug.running && (debug.hw || debug.traps)) {
        verify_later();
    } else if (timer_pending(debug.verify)) {
        timer_del(debug.verify);
    }
}

static void vm_state_change(void *opaque, bool running, RunState state)
{
    debug.running = running;
    if (running) {
        plant_all();
    } else {
        release_traps();
        kvm_debug_step_cancel();
        kvm_debug_plants_lift();
    }
    verify_start_or_stop();
}

/*
 * A reset of a running machine does not stop it in the sense of the handler
 * above.  What has been loaded anew is planted anew; the vCPUs stand still.
 * No process and no module has outlived it; but where a snapshot is loaded, the
 * memory with all of them comes next.
 */
void kvm_debug_after_reset(void)
{
    if (!debug.ready || runstate_check(RUN_STATE_RESTORE_VM)) {
        return;
    }
    kvm_debug_plants_forget_spaces();
    if (debug.running) {
        release_traps();
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
    kvm_debug_plants_init(debug.inst);
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
    if (debug.traps) {
        /* Hot-plugged: its kernel makes entries for it, some time. */
        debug.traps_missing = true;
        verify_start_or_stop();
    }
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

static int check_place(CPUState *cs, KvmDebugPlant *bp)
{
    int ret = bp->who & KVM_DEBUG_CLIENT ? locate_anywhere(cs, bp)
                                         : kvm_debug_plant_locate(cs, bp);

    if (ret || bp->who & KVM_DEBUG_PHYSICAL) {
        return ret;
    }
    bp->direct = kvm_debug_is_direct(cs) &&
                 bp->addr < 1ULL << TARGET_VIRT_ADDR_SPACE_BITS;
    /* No instruction is zero: nothing is there yet, or it is no code. */
    if (bp->direct && bp->who == KVM_DEBUG_SW &&
        !qatomic_read(bp->place.word)) {
        return -EFAULT;
    }
    return 0;
}

static void plant_new(KvmDebugPlant *bp)
{
    if (debug.running) {
        /* First: the exception is caught before a vCPU executes the word. */
        if (bp->user && bp->who != KVM_DEBUG_TRAP) {
            catch_traps();
        }
        kvm_debug_plant(bp);
    }
}

/* Sets @made to a plant for an address that has none, if it can. */
static int make_plant(CPUState *cs, vaddr addr, unsigned int who,
                      KvmDebugPlant **made)
{
    KvmDebugPlant *bp = kvm_debug_plant_again(addr, who, false);
    int ret = 0;

    if (!bp) {
        bp = kvm_debug_plant_new(addr, who);
        ret = check_place(cs, bp);
    }
    if (ret == -EFAULT) {
        KvmDebugPlant *former = kvm_debug_plant_again(addr, who, true);

        if (former) {
            kvm_debug_plant_free(bp);
            bp = former;
        }
        if (former || who == KVM_DEBUG_HW) {
            ret = 0;
        }
    }
    if (ret) {
        kvm_debug_plant_free(bp);
        return ret;
    }
    kvm_debug_plant_add(bp);
    plant_new(bp);
    *made = bp;
    return 0;
}

static int insert(CPUState *cs, vaddr addr, unsigned int who)
{
    KvmDebugPlant *bp;
    int ret = 0;

    if (addr & 3) {
        return -EINVAL;
    }
    if (debug.trouble) {
        return -ENOSYS;
    }
    make_ready();
    bp = kvm_debug_plant_lookup(addr, who);
    if (!bp) {
        ret = make_plant(cs, addr, who, &bp);
    } else if (who == KVM_DEBUG_SW && !bp->place.mr) {
        ret = locate_anywhere(cs, bp);
        if (!ret) {
            plant_new(bp);
        }
    } else if ((bp->who & who) == who) {
        return 0;
    }
    if (ret) {
        return ret;
    }
    debug.hw += !!(who & KVM_DEBUG_HW);
    bp->who |= who;
    debug.active = true;
    verify_start_or_stop();
    return 0;
}

int kvm_debug_insert(CPUState *cs, vaddr addr, unsigned int who)
{
    int ret = insert(cs, addr, who);

    trace_kvm_debug_insert(cs->cpu_index, addr, who, ret);
    return ret;
}

void kvm_debug_remove(vaddr addr, unsigned int who)
{
    KvmDebugPlant *bp = kvm_debug_plant_lookup(addr, who);

    if (!bp || (bp->who & who) != who) {
        return;
    }
    trace_kvm_debug_remove(addr, who);
    debug.hw -= !!(who & KVM_DEBUG_HW);
    if (bp->who == who) {
        kvm_debug_plant_remove(bp);
    } else {
        bp->who &= ~(who & KVM_DEBUG_CLIENT);
    }
    verify_start_or_stop();
}

void kvm_debug_cover(void)
{
    if (kvm_debug_unexpose() && debug.running) {
        plant_all();
    }
}

/* What KVM gives for a hypercall that it does not know. */
static void refuse_hypercall(CPULoongArchState *env)
{
    env->gpr[REG_A0] = INVALID_HYPERCALL;
    env->pc += 4;
}

bool kvm_debug_is_ours(CPUState *cs)
{
    CPULoongArchState *env = cpu_env(cs);
    KvmDebugPlace place;

    RCU_READ_LOCK_GUARD();
    if (kvm_debug_find(cs, env->pc, &place)) {
        return (uint32_t)env->CSR_BADI == le32_to_cpu(debug.inst) &&
               kvm_debug_planted_somewhere(cs, env->pc);
    }
    if (qatomic_read(place.word) != debug.inst) {
        /* It has been another one. */
        return (uint32_t)env->CSR_BADI == le32_to_cpu(debug.inst);
    }
    return kvm_debug_planted(cs, env->pc, &place) ||
           qatomic_read(place.word) != debug.inst;
}

/* Of a client or of a step: is this vCPU meant, at this place? */
static bool is_meant(CPUState *cs, KvmDebugPlant *bp,
                     const KvmDebugPlace *place)
{
    if (!bp) {
        return false;
    }
    if (place && !bp->place.mr && bp->who & KVM_DEBUG_HW) {
        kvm_debug_plant_locate(cs, bp);
    }
    return kvm_debug_is_in(cs, &bp->space) &&
           (!place || bp->place.word == place->word);
}

/* A word of ours, for another address or on an exception's entry. */
static int pass(CPUState *cs, KvmDebugPlant *bp)
{
    if (bp->who == KVM_DEBUG_TRAP && kvm_debug_pass_trap(cs)) {
        return 0;
    }
    return kvm_debug_step_past(cs);
}

static int decided(CPUState *cs, vaddr pc, const char *whose, int ret)
{
    trace_kvm_debug_exit(cs->cpu_index, pc, whose, ret);
    return ret;
}

int kvm_loongarch_debug_exit(CPUState *cs)
{
    CPULoongArchState *env = cpu_env(cs);
    KvmDebugPlace place;
    KvmDebugPlant *here = NULL;
    bool found, client, step_end;
    vaddr pc;
    int ret;

    BQL_LOCK_GUARD();
    RCU_READ_LOCK_GUARD();
    kvm_cpu_synchronize_state(cs);
    kvm_debug_undo_trap(cs);
    pc = env->pc;
    found = !kvm_debug_find(cs, pc, &place);
    if (found) {
        here = kvm_debug_planted(cs, pc, &place);
        if (qatomic_read(place.word) != debug.inst) {
            /* Execute what is there now. */
            return decided(cs, pc, "lifted since", 0);
        }
    }
    client = is_meant(cs, kvm_debug_plant_lookup(pc, KVM_DEBUG_CLIENT),
                      found ? &place : NULL) ||
             (found && kvm_debug_is_physical(&place));
    step_end = is_meant(cs, kvm_debug_plant_lookup(pc, KVM_DEBUG_STEP),
                        found ? &place : NULL);
    if (kvm_debug_step_hit(cs, step_end, client, &ret)) {
        return decided(cs, pc, "step", ret);
    }
    if (client) {
        return decided(cs, pc, "client", EXCP_DEBUG);
    }
    if (here) {
        return decided(cs, pc, "to pass", pass(cs, here));
    }
    if (!found && kvm_debug_planted_somewhere(cs, pc)) {
        return decided(cs, pc, "unmapped", kvm_debug_step_wait(cs));
    }
    refuse_hypercall(env);
    return decided(cs, pc, "guest", 0);
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
    if (bp->len != INSN_SIZE) {
        return -EINVAL;
    }
    return kvm_debug_insert(cs, bp->pc, KVM_DEBUG_SW);
}

int kvm_arch_remove_sw_breakpoint(CPUState *cs, struct kvm_sw_breakpoint *bp)
{
    kvm_debug_remove(bp->pc, KVM_DEBUG_SW);
    return 0;
}

/*
 * Who wants a breakpoint of this type?  Those that are not in the list of
 * software breakpoints come as hardware ones.
 */
static int check_type(vaddr len, int type, unsigned int *who)
{
    switch (type) {
    case GDB_BREAKPOINT_HW:
        *who = KVM_DEBUG_HW;
        break;
    case GDB_BREAKPOINT_SW | GDB_BREAKPOINT_PHYSICAL:
        *who = KVM_DEBUG_SW | KVM_DEBUG_PHYSICAL;
        break;
    case GDB_BREAKPOINT_HW | GDB_BREAKPOINT_PHYSICAL:
        *who = KVM_DEBUG_HW | KVM_DEBUG_PHYSICAL;
        break;
    default:
        return -ENOSYS;
    }
    return len == INSN_SIZE ? 0 : -EINVAL;
}

int kvm_arch_insert_hw_breakpoint(vaddr addr, vaddr len, int type)
{
    unsigned int who;
    int ret = check_type(len, type, &who);

    return ret ? ret : kvm_debug_insert(first_cpu, addr, who);
}

int kvm_arch_remove_hw_breakpoint(vaddr addr, vaddr len, int type)
{
    unsigned int who;
    int ret = check_type(len, type, &who);

    if (!ret) {
        kvm_debug_remove(addr, who);
    }
    return ret;
}

void kvm_arch_remove_all_hw_breakpoints(void)
{
    bool pause = debug.ready && debug.running;
    CPUState *cs;

    if (pause) {
        /* Some may stand still for a step, whose end goes as well. */
        pause_all_vcpus();
    }
    release_traps();
    if (debug.ready) {
        kvm_debug_step_cancel();
        kvm_debug_plants_remove_all();
        debug.hw = 0;
        verify_start_or_stop();
    }
    debug.active = false;
    if (pause) {
        CPU_FOREACH(cs) {
            loongarch_cpu_gdb_hold_interrupts(cs, false);
        }
        resume_all_vcpus();
    }
}
