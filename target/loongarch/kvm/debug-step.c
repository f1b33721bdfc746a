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
 * Page faults and TLB refills are passed through.  ll to sc is one step, since
 * the exit in between would clear the reservation for ever.  Interrupts are
 * held off where asked for (gdb-hold-irqs.c).
 *
 * Not told apart: another context of the guest that comes to the same address
 * while the stepped one waits for its page.
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
/* gdb follows as many from an ll for its sc. */
#define ATOMIC_MAX              16
#define ENDS_MAX                (ATOMIC_MAX + 1)

static struct {
    CPUState *cs;               /* that steps; NULL: none does */
    bool quiet;                 /* the client sees nothing of it */
    vaddr end[ENDS_MAX];
    int n_ends;
    GPtrArray *others;          /* to go on after a quiet step */
} step;

static uint64_t vector(CPULoongArchState *env, unsigned int ecode)
{
    unsigned int vs = FIELD_EX64(env->CSR_ECFG, CSR_ECFG, VS);

    return env->CSR_EENTRY + (vs ? ecode * (4ULL << vs) : 0);
}

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

static void add_end(vaddr addr)
{
    int i;

    for (i = 0; i < step.n_ends; i++) {
        if (step.end[i] == addr) {
            return;
        }
    }
    if (step.n_ends < ENDS_MAX &&
        kvm_debug_insert(step.cs, addr, KVM_DEBUG_STEP) == 0) {
        step.end[step.n_ends++] = addr;
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
        .ertn = ertn_target(env),
        .syscall = vector(env, ECODE_SYS),
        .brk = vector(env, ECODE_BRK),
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

    cpu_synchronize_state(cs);
    step.cs = cs;
    step.quiet = quiet;
    step.n_ends = 0;
    if (kvm_debug_fetch(cs, env->pc, &insn)) {
        add_ends(insn);
        if (hold) {
            loongarch_gdb_hold_for(env, insn);
        }
    } else {
        /* It will fault: go no further than the handler. */
        add_end(vector(env, 0x3));
        add_end(vector(env, 0x6));
        add_end(vector(env, 0x7));
        add_end(vector(env, 0x8));
    }
}

static void end(void)
{
    while (step.n_ends) {
        kvm_debug_remove(step.end[--step.n_ends], KVM_DEBUG_STEP);
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

bool kvm_debug_step_hit(CPUState *cs, bool step_end, bool client, int *ret)
{
    if (!step_end || step.cs != cs || (step.quiet && client)) {
        return false;
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
