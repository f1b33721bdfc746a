/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch KVM: one vCPU executes one instruction
 *
 * A planted word (debug.c) stands where the instruction goes next, the one on
 * the instruction itself is taken away, and only this vCPU runs.  There are two
 * uses: a step that the client asks for, and a vCPU that comes to a planted
 * word which is not meant for it, the same page at another address; of that one
 * the client sees nothing.
 *
 * Of a client's step, page faults and TLB refills of the instruction are passed
 * through.  Where the next one is in a page that is not there yet, no word can
 * stand, and where the page is marked as not accessed, none may be reached: the
 * step ends with the fault of fetching it, which is then undone.  A vCPU of
 * which the client sees nothing goes no further than to the handler, which may
 * need the others; it comes back to the planted word.  ll to sc is one step,
 * since the exit in between would clear the reservation for ever.  Interrupts
 * are held off where asked for (gdb-hold-irqs.c).
 *
 * Not told apart: another thread of the same process that comes to the same
 * address while the stepped one waits for its page.  Not seen: that a TLB still
 * has the page of the next instruction which no table has any more; and a store
 * by other means than those of general registers over the next instruction.
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "exec/memory.h"
#include "hw/core/cpu.h"
#include "system/cpus.h"
#include "system/hw_accel.h"
#include "system/kvm.h"
#include "system/runstate.h"
#include "cpu.h"
#include "internals.h"
#include "../insn-flow.h"
#include "debug.h"
#include "debug-place.h"
#include "trace.h"

#define REG_RA                  1
#define ECODE_SYS               0xb
#define ECODE_BRK               0xc
#define INSN_BREAK              0x002a0000
/* gdb follows as many from an ll for its sc. */
#define ATOMIC_MAX              16
#define ENDS_MAX                (ATOMIC_MAX + 1 + ARRAY_SIZE(raised_ecodes))

/*
 * Of the exceptions that the fetch of an instruction can raise: PIF, PNX, PPI,
 * ADEF.
 */
static const unsigned int fetch_ecodes[] = { 0x3, 0x6, 0x7, 0x8 };
/*
 * Of all that an instruction can raise, but for a TLB refill: the above, PIL,
 * PIS, PME, PNR, ALE, BCE, SYS, BRK, INE, IPE, FPD, SXD, ASXD, FPE, WPE, BTD.
 */
static const unsigned int raised_ecodes[] = {
    0x3, 0x6, 0x7, 0x8, 0x1, 0x2, 0x4, 0x5, 0x9, 0xa, 0xb, 0xc, 0xd, 0xe, 0xf,
    0x10, 0x11, 0x12, 0x13, 0x14,
};

typedef struct End {
    vaddr addr;
    /* A word is there, and no fault before it; or there is no memory yet. */
    bool sure;
} End;

static struct {
    CPUState *cs;               /* that steps; NULL: none does */
    bool quiet;                 /* the client sees nothing of it */
    vaddr pc;                   /* of the instruction */
    uint64_t crmd;              /* with which the next one is fetched */
    End end[ENDS_MAX];
    int n_ends;
    /* Of handlers, while an end is missing */
    vaddr entry[ARRAY_SIZE(fetch_ecodes)];
    int n_entries;
    bool returns;               /* a handler is to come back to @pc */
    vaddr past;                 /* behind a word that is passed on the way */
    uint64_t era, prmd, badv, badi, estat;      /* before the step */
    GPtrArray *others;          /* to go on after a quiet step */
} step;

static uint64_t ertn_target(CPULoongArchState *env)
{
    if (FIELD_EX64(env->CSR_TLBRERA, CSR_TLBRERA, ISTLBR)) {
        return env->CSR_TLBRERA & ~3ULL;
    }
    if (FIELD_EX64(env->CSR_MERRCTL, CSR_MERRCTL, ISMERR)) {
        return env->CSR_MERRERA;
    }
    return env->CSR_ERA;
}

static End *find_end(vaddr addr)
{
    int i;

    for (i = 0; i < step.n_ends; i++) {
        if (step.end[i].addr == addr) {
            return &step.end[i];
        }
    }
    return NULL;
}

static bool plant(vaddr addr)
{
    return kvm_debug_insert(step.cs, addr, KVM_DEBUG_STEP) == 0;
}

static bool plant_end(vaddr addr)
{
    return plant(addr) && kvm_debug_access(step.cs, step.crmd, addr, false) ==
                          LOONGARCH_DEBUG_ACCESS_GOOD;
}

static void add_end(vaddr addr)
{
    if (!find_end(addr)) {
        assert(step.n_ends < ENDS_MAX);
        step.end[step.n_ends++] = (End) { addr, plant_end(addr) };
    }
}

static void remove_entries(void)
{
    while (step.n_entries) {
        kvm_debug_remove(step.entry[--step.n_entries], KVM_DEBUG_STEP);
    }
}

/* Try again for the ends that are not sure, and meet the fault of one. */
static void add_entries(void)
{
    CPULoongArchState *env = cpu_env(step.cs);
    bool missing = false;
    int i;

    for (i = 0; i < step.n_ends; i++) {
        step.end[i].sure |= plant_end(step.end[i].addr);
        missing |= !step.end[i].sure;
    }
    for (i = 0; missing && i < ARRAY_SIZE(fetch_ecodes); i++) {
        vaddr addr = kvm_debug_vector(env, fetch_ecodes[i]);

        if (!find_end(addr) && plant(addr)) {
            step.entry[step.n_entries++] = addr;
        }
    }
}

/* From ll to behind its sc, and wherever a branch leaves in between. */
static bool add_atomic_ends(vaddr pc, const uint64_t *gpr)
{
    vaddr target[ATOMIC_MAX], last = pc;
    uint64_t next[2];
    uint32_t insn;
    int i, n = 0;

    for (i = 1; ; i++) {
        last += 4;
        if (i >= ATOMIC_MAX || !kvm_debug_fetch(step.cs, last, &insn)) {
            return false;
        }
        switch (loongarch_insn_successors(insn, last, gpr, next)) {
        case 0:
            return false;
        case 2:
            target[n++] = next[1];
            break;
        }
        if (loongarch_insn_is_sc(insn)) {
            break;
        }
    }
    add_end(last + 4);
    for (i = 0; i < n; i++) {
        if (target[i] < pc || target[i] > last) {
            add_end(target[i]);
        }
    }
    return true;
}

/*
 * A store to where the step ends would take our word away.  It is done here
 * instead, if it does not fault.
 */
static bool store_over(uint32_t insn, vaddr next)
{
    CPULoongArchState *env = cpu_env(step.cs);
    KvmDebugPlace place, end;
    LoongArchStore store;

    RCU_READ_LOCK_GUARD();
    if (!loongarch_insn_store(insn, env->gpr, &store) ||
        store.addr & (store.size - 1) ||
        kvm_debug_access(step.cs, env->CSR_CRMD, store.addr, true) !=
        LOONGARCH_DEBUG_ACCESS_GOOD ||
        kvm_debug_find(step.cs, store.addr, &place) ||
        kvm_debug_find(step.cs, next, &end) ||
        place.mr != end.mr || !memory_region_is_ram(place.mr) ||
        place.mr->readonly || place.offset >= end.offset + sizeof(*end.word) ||
        place.offset + store.size <= end.offset) {
        return false;
    }
    kvm_debug_expose(step.cs, next);
    kvm_debug_store(&place, store.size, store.value);
    kvm_debug_cover();
    env->pc = next;
    return true;
}

static vaddr next_of(CPULoongArchState *env, uint32_t insn)
{
    LoongArchFlow flow = {
        .gpr = env->gpr,
        .scr = { env->lbt.scr0, env->lbt.scr1 },
        .ertn = ertn_target(env),
        .syscall = kvm_debug_vector(env, ECODE_SYS),
        .brk = kvm_debug_vector(env, ECODE_BRK),
    };
    int i;

    for (i = 0; i < ARRAY_SIZE(env->cf); i++) {
        flow.fcc |= (env->cf[i] & 1) << i;
    }
    return loongarch_insn_next(insn, env->pc, &flow);
}

static void add_ends(uint32_t insn)
{
    CPULoongArchState *env = cpu_env(step.cs);
    vaddr next;

    if (loongarch_insn_is_ll(insn) && add_atomic_ends(env->pc, env->gpr)) {
        kvm_debug_expose(step.cs, env->pc);
        return;
    }
    next = next_of(env, insn);
    if (next == env->pc) {
        /* It need not run for that.  Only bl and jirl do more than stay. */
        unsigned int link = insn >> 26 == 0x15 ? REG_RA :
                            insn >> 26 == 0x13 ? insn & 31 : 0;

        if (link) {
            env->gpr[link] = env->pc + 4;
        }
    } else if (!store_over(insn, next)) {
        kvm_debug_expose(step.cs, env->pc);
    }
    add_end(next);
}

/* CRMD when the next instruction is fetched: what a fetch depends on. */
static uint64_t next_crmd(CPULoongArchState *env, uint32_t insn)
{
    uint64_t crmd = env->CSR_CRMD;

    if (loongarch_insn_is_trap(insn)) {
        return crmd & ~(uint64_t)R_CSR_CRMD_PLV_MASK;
    }
    if (!loongarch_insn_is_ertn(insn)) {
        return crmd;
    }
    if (FIELD_EX64(env->CSR_TLBRERA, CSR_TLBRERA, ISTLBR)) {
        crmd = FIELD_DP64(crmd, CSR_CRMD, DA, 0);
        crmd = FIELD_DP64(crmd, CSR_CRMD, PG, 1);
        return FIELD_DP64(crmd, CSR_CRMD, PLV,
                          FIELD_EX64(env->CSR_TLBRPRMD, CSR_TLBRPRMD, PPLV));
    }
    return FIELD_DP64(crmd, CSR_CRMD, PLV,
                      FIELD_EX64(env->CSR_PRMD, CSR_PRMD, PPLV));
}

static void add_vectors(const unsigned int *ecodes, unsigned int n)
{
    while (n) {
        add_end(kvm_debug_vector(cpu_env(step.cs), ecodes[--n]));
    }
}

/* Is there an instruction to step?  If not, its fetch faults for good. */
static bool can_begin(CPULoongArchState *env, uint32_t *insn)
{
    return kvm_debug_fetch(step.cs, env->pc, insn) &&
           kvm_debug_access(step.cs, env->CSR_CRMD, env->pc, false) !=
           LOONGARCH_DEBUG_ACCESS_FAULTS;
}

static void begin(CPUState *cs, bool quiet, bool hold)
{
    CPULoongArchState *env = cpu_env(cs);
    uint32_t insn;

    cpu_synchronize_state(cs);
    step.cs = cs;
    step.quiet = quiet;
    step.pc = env->pc;
    step.n_ends = 0;
    step.crmd = env->CSR_CRMD;
    if (can_begin(env, &insn)) {
        step.crmd = next_crmd(env, insn);
        add_ends(insn);
        if (quiet) {
            add_vectors(raised_ecodes, ARRAY_SIZE(raised_ecodes));
        } else {
            add_entries();
        }
    } else {
        /* It will fault: go no further than the handler. */
        add_vectors(fetch_ecodes, ARRAY_SIZE(fetch_ecodes));
        insn = INSN_BREAK;
    }
    if (hold) {
        loongarch_gdb_hold_for(env, insn);
    }
    step.era = env->CSR_ERA;
    step.prmd = env->CSR_PRMD;
    step.badv = env->CSR_BADV;
    step.badi = env->CSR_BADI;
    step.estat = env->CSR_ESTAT;
    trace_kvm_debug_step_begin(cs->cpu_index, step.pc, quiet, step.n_ends);
}

static void remove_past(void)
{
    if (step.past && !find_end(step.past)) {
        kvm_debug_remove(step.past, KVM_DEBUG_STEP);
    }
    step.past = 0;
}

static void end(void)
{
    trace_kvm_debug_step_end(step.cs->cpu_index);
    remove_entries();
    remove_past();
    if (step.returns) {
        kvm_debug_remove(step.pc, KVM_DEBUG_STEP);
        step.returns = false;
    }
    while (step.n_ends) {
        kvm_debug_remove(step.end[--step.n_ends].addr, KVM_DEBUG_STEP);
    }
    step.cs = NULL;
    kvm_debug_cover();
}

void kvm_debug_step_cancel(void)
{
    if (step.cs) {
        step.cs->singlestep_enabled = 0;
        end();
    }
}

void kvm_debug_step_update(CPUState *cs)
{
    if (cs->singlestep_enabled && !step.cs && kvm_debug_running()) {
        begin(cs, false, cs->singlestep_enabled & SSTEP_NOIRQ);
    } else if (!cs->singlestep_enabled && step.cs == cs && !step.quiet) {
        end();
    }
}

static void resume_others(void)
{
    guint i;

    for (i = 0; i < step.others->len; i++) {
        CPUState *cs = g_ptr_array_index(step.others, i);

        /* One that was about to be removed when all were stopped is no more. */
        if (!cs->unplug) {
            cpu_resume(cs);
        }
        object_unref(OBJECT(cs));
    }
    g_ptr_array_set_size(step.others, 0);
    qemu_clock_enable(QEMU_CLOCK_VIRTUAL, true);
}

/* In the main thread, so that the VM cannot stop or start meanwhile. */
static void begin_quiet(void *opaque)
{
    g_autoptr(Object) ref = opaque;
    CPUState *cs = CPU(ref), *other;
    uint32_t insn;
    guint i;

    if (!kvm_debug_running() || !kvm_debug_active()) {
        return;         /* it will come here again, or the client has gone */
    }
    if (!step.others) {
        step.others = g_ptr_array_new();
    }
    if (step.cs) {
        /* Its turn comes when it executes the word again. */
        object_ref(ref);
        g_ptr_array_add(step.others, cs);
        return;
    }
    for (i = 0; i < step.others->len; i++) {
        object_unref(g_ptr_array_index(step.others, i));
    }
    g_ptr_array_set_size(step.others, 0);
    CPU_FOREACH(other) {
        if (other == cs || !(other->stop || other->stopped)) {
            object_ref(OBJECT(other));
            g_ptr_array_add(step.others, other);
        }
    }
    pause_all_vcpus();
    cpu_synchronize_state(cs);
    /* The guest can have taken the page away: it will come here again. */
    if (kvm_debug_fetch(cs, cpu_env(cs)->pc, &insn)) {
        begin(cs, true, true);
    }
    if (step.n_ends) {
        cpu_resume(cs);
        qemu_clock_enable(QEMU_CLOCK_VIRTUAL, true);
    } else {
        resume_others();
    }
}

static void end_quiet(void *opaque)
{
    g_autoptr(Object) ref = opaque;
    CPUState *cs = CPU(ref);

    if (step.cs != cs || !step.quiet) {
        return;
    }
    pause_all_vcpus();
    end();
    loongarch_cpu_gdb_hold_interrupts(cs, false);
    resume_others();
}

/* The vCPU waits for what the main thread does with it. */
static int hand_over(CPUState *cs, QEMUBHFunc *what)
{
    cs->stop = true;
    aio_bh_schedule_oneshot(qemu_get_aio_context(), what,
                            object_ref(OBJECT(cs)));
    return EXCP_INTERRUPT;
}

/*
 * As if the next instruction had not been fetched yet.  Return: false if it is
 * another exception.
 */
static bool undo_fetch_fault(CPULoongArchState *env)
{
    uint64_t code = R_CSR_ESTAT_ECODE_MASK | R_CSR_ESTAT_ESUBCODE_MASK;
    unsigned int ecode = FIELD_EX64(env->CSR_ESTAT, CSR_ESTAT, ECODE);
    int i;

    /* An interrupt comes here too if all have one vector, and comes again. */
    for (i = 0; ecode && fetch_ecodes[i] != ecode; i++) {
        if (i + 1 == ARRAY_SIZE(fetch_ecodes)) {
            return false;
        }
    }
    if (!kvm_debug_undo_exception(env, ecode)) {
        return false;
    }
    env->CSR_ERA = step.era;
    env->CSR_PRMD = step.prmd;
    env->CSR_BADV = step.badv;
    env->CSR_BADI = step.badi;
    env->CSR_ESTAT = (env->CSR_ESTAT & ~code) | (step.estat & code);
    return true;
}

/*
 * The vCPU has come to a word that is not where the step ends, while an end is
 * missing.  Return: is it over with that?
 */
static bool pass_handler(CPULoongArchState *env)
{
    if (step.returns) {
        /* Back from its own fault. */
        kvm_debug_remove(step.pc, KVM_DEBUG_STEP);
        step.returns = false;
        kvm_debug_expose(step.cs, step.pc);
        add_entries();
        return false;
    }
    remove_entries();
    if (find_end(env->CSR_ERA) && undo_fetch_fault(env)) {
        return true;
    }
    kvm_debug_cover();
    step.returns = plant(step.pc);
    return false;
}

bool kvm_debug_step_hit(CPUState *cs, bool step_end, bool client, int *ret)
{
    CPULoongArchState *env = cpu_env(cs);
    bool returned = step.returns && env->pc == step.pc;

    if (!step_end || step.cs != cs || (client && (step.quiet ||
        (!returned && !find_end(env->pc))))) {
        return false;
    }
    if (step.past && env->pc == step.past && !find_end(env->pc)) {
        /* The word that it has passed goes back. */
        remove_past();
        kvm_debug_cover();
        if (!step.returns) {
            kvm_debug_expose(cs, step.pc);
        }
        *ret = 0;
        return true;
    }
    if (!find_end(env->pc) && !pass_handler(env)) {
        *ret = 0;
        return true;
    }
    *ret = step.quiet ? hand_over(cs, end_quiet) : EXCP_DEBUG;
    return true;
}

int kvm_debug_step_past(CPUState *cs)
{
    CPULoongArchState *env = cpu_env(cs);
    uint32_t insn;

    if (step.cs == cs) {
        /* In a handler on the way: the others stand still as it is. */
        if (kvm_debug_fetch(cs, env->pc, &insn)) {
            remove_past();
            step.past = next_of(env, insn);
            plant(step.past);
        }
        kvm_debug_expose(cs, env->pc);
        return 0;
    }
    return hand_over(cs, begin_quiet);
}

int kvm_debug_step_wait(CPUState *cs)
{
    return step.cs == cs && !step.quiet ? EXCP_DEBUG : 0;
}
