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
 * Page faults and TLB refills of the instruction are passed through.  Where the
 * next one is in a page that is not there yet, no word can stand: the step ends
 * with the fault of fetching it, which is then undone.  ll to sc is one step,
 * since the exit in between would clear the reservation for ever.  Interrupts
 * are held off where asked for (gdb-hold-irqs.c).
 *
 * Not told apart: another thread of the same process that comes to the same
 * address while the stepped one waits for its page.
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "hw/core/cpu.h"
#include "system/cpus.h"
#include "system/hw_accel.h"
#include "system/kvm.h"
#include "system/runstate.h"
#include "cpu.h"
#include "internals.h"
#include "../insn-flow.h"
#include "debug.h"

#define REG_RA                  1
#define ECODE_SYS               0xb
#define ECODE_BRK               0xc
#define INSN_BREAK              0x002a0000
/* gdb follows as many from an ll for its sc. */
#define ATOMIC_MAX              16
#define ENDS_MAX                (ATOMIC_MAX + 1)

/* Of the exceptions that the fetch of an instruction can raise. */
static const unsigned int fetch_ecodes[] = { 0x3, 0x6, 0x7, 0x8 };

typedef struct End {
    vaddr addr;
    bool planted;               /* or there is no memory yet */
} End;

static struct {
    CPUState *cs;               /* that steps; NULL: none does */
    bool quiet;                 /* the client sees nothing of it */
    vaddr pc;                   /* of the instruction */
    End end[ENDS_MAX];
    int n_ends;
    /* Of handlers, while an end is missing */
    vaddr entry[ARRAY_SIZE(fetch_ecodes)];
    int n_entries;
    bool returns;               /* a handler is to come back to @pc */
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

static void add_end(vaddr addr)
{
    if (!find_end(addr)) {
        assert(step.n_ends < ENDS_MAX);
        step.end[step.n_ends++] = (End) { addr, plant(addr) };
    }
}

static void remove_entries(void)
{
    while (step.n_entries) {
        kvm_debug_remove(step.entry[--step.n_entries], KVM_DEBUG_STEP);
    }
}

/* Try again for the ends that are missing, and meet the fault of one. */
static void add_entries(void)
{
    CPULoongArchState *env = cpu_env(step.cs);
    bool missing = false;
    int i;

    for (i = 0; i < step.n_ends; i++) {
        step.end[i].planted |= plant(step.end[i].addr);
        missing |= !step.end[i].planted;
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

static void add_ends(uint32_t insn)
{
    CPULoongArchState *env = cpu_env(step.cs);
    LoongArchFlow flow = {
        .gpr = env->gpr,
        .scr = { env->lbt.scr0, env->lbt.scr1 },
        .ertn = ertn_target(env),
        .syscall = kvm_debug_vector(env, ECODE_SYS),
        .brk = kvm_debug_vector(env, ECODE_BRK),
    };
    vaddr next;
    int i;

    if (loongarch_insn_is_ll(insn) && add_atomic_ends(env->pc, env->gpr)) {
        kvm_debug_expose(step.cs, env->pc);
        return;
    }
    for (i = 0; i < ARRAY_SIZE(env->cf); i++) {
        flow.fcc |= (env->cf[i] & 1) << i;
    }
    next = loongarch_insn_next(insn, env->pc, &flow);
    if (next == env->pc) {
        /* It need not run for that.  Only bl and jirl do more than stay. */
        unsigned int link = insn >> 26 == 0x15 ? REG_RA :
                            insn >> 26 == 0x13 ? insn & 31 : 0;

        if (link) {
            env->gpr[link] = env->pc + 4;
        }
    } else {
        kvm_debug_expose(step.cs, env->pc);
    }
    add_end(next);
}

static void begin(CPUState *cs, bool quiet, bool hold)
{
    CPULoongArchState *env = cpu_env(cs);
    uint32_t insn;
    int i;

    cpu_synchronize_state(cs);
    step.cs = cs;
    step.quiet = quiet;
    step.pc = env->pc;
    step.n_ends = 0;
    if (kvm_debug_fetch(cs, env->pc, &insn)) {
        add_ends(insn);
        add_entries();
    } else {
        /* It will fault: go no further than the handler. */
        for (i = 0; i < ARRAY_SIZE(fetch_ecodes); i++) {
            add_end(kvm_debug_vector(env, fetch_ecodes[i]));
        }
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
}

static void end(void)
{
    remove_entries();
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

        cpu_resume(cs);
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
    guint i;

    if (!kvm_debug_running()) {
        return;         /* it will come here again */
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
    begin(cs, true, true);
    if (step.n_ends) {
        cpu_resume(cs);
        qemu_clock_enable(QEMU_CLOCK_VIRTUAL, true);
    } else {
        end();
        loongarch_cpu_gdb_hold_interrupts(cs, false);
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

/* As if the next instruction had not been fetched yet. */
static void undo_fetch_fault(CPULoongArchState *env)
{
    uint64_t mode = R_CSR_CRMD_PLV_MASK | R_CSR_CRMD_IE_MASK;
    uint64_t code = R_CSR_ESTAT_ECODE_MASK | R_CSR_ESTAT_ESUBCODE_MASK;

    env->pc = env->CSR_ERA;
    env->CSR_CRMD = (env->CSR_CRMD & ~mode) | (env->CSR_PRMD & mode);
    env->CSR_CRMD = FIELD_DP64(env->CSR_CRMD, CSR_CRMD, WE,
                               FIELD_EX64(env->CSR_PRMD, CSR_PRMD, PWE));
    env->CSR_ERA = step.era;
    env->CSR_PRMD = step.prmd;
    env->CSR_BADV = step.badv;
    env->CSR_BADI = step.badi;
    env->CSR_ESTAT = (env->CSR_ESTAT & ~code) | (step.estat & code);
}

/*
 * The vCPU has come to a word that is not where the step ends, while an end is
 * missing.  Return: is it over with that?
 */
static bool pass_handler(CPULoongArchState *env)
{
    End *end = find_end(env->CSR_ERA);

    if (step.returns) {
        /* Back from its own fault. */
        kvm_debug_remove(step.pc, KVM_DEBUG_STEP);
        step.returns = false;
        kvm_debug_expose(step.cs, step.pc);
        add_entries();
        return false;
    }
    remove_entries();
    if (end && !end->planted) {
        undo_fetch_fault(env);
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
    if (!find_end(env->pc) && !pass_handler(env)) {
        *ret = 0;
        return true;
    }
    *ret = step.quiet ? hand_over(cs, end_quiet) : EXCP_DEBUG;
    return true;
}

int kvm_debug_step_past(CPUState *cs)
{
    if (step.cs == cs) {
        /* In a handler on the way: the others stand still as it is. */
        kvm_debug_expose(cs, cpu_env(cs)->pc);
        return 0;
    }
    return hand_over(cs, begin_quiet);
}
