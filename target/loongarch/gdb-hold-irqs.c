/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch: a vCPU that a debugger steps takes no interrupt
 *
 * gdb has no use for a stub's single step on LoongArch.  To get past a
 * breakpoint it lifts all of them, plants one behind the instruction and lets
 * that one vCPU continue, while the others stand.  An interrupt in that moment
 * runs a whole handler with the other vCPUs frozen wherever they happened to
 * be; if one of them holds a lock that the handler waits for, nothing moves any
 * more.  So CRMD.IE is cleared for the length of that one instruction.
 *
 * Only such a step is meant: a breakpoint is set where the instruction goes
 * next.  A vCPU that is to run alone for longer (scheduler-locking) keeps its
 * interrupts.  Instructions of an ll/sc sequence are not recognized as stepped.
 *
 * What the instruction itself sees or changes of the bit is put right after it:
 * accesses to CRMD, ertn, and the exceptions of syscall and break.
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "internals.h"
#include "insn-flow.h"
#include "exec/cpu-common.h"
#include "hw/core/cpu.h"
#include "system/hw_accel.h"
#include "system/kvm.h"

#define INSN_NOP        0x03400000u
/* From an ll to behind its sc, at most, as in debug-step.c. */
#define ATOMIC_SPAN     (16 * 4)

static bool has_breakpoint(CPUState *cs, uint64_t addr)
{
    CPUBreakpoint *bp;

    if (kvm_enabled()) {
#ifdef CONFIG_KVM
        return kvm_find_sw_breakpoint(cs, addr);
#endif
    }
    QTAILQ_FOREACH(bp, &cs->breakpoints, entry) {
        if (bp->pc == addr) {
            return true;
        }
    }
    return false;
}

static bool is_stepped(CPUState *cs, uint32_t *word)
{
    CPULoongArchState *env = cpu_env(cs);
    uint64_t next[2];
    uint32_t insn;
    int i, n;

    if (cpu_memory_rw_debug(cs, env->pc, &insn, sizeof(insn), false) < 0) {
        return false;
    }
    insn = le32_to_cpu(insn);
    *word = insn;
    n = loongarch_insn_successors(insn, env->pc, env->gpr, next);
    for (i = 0; i < n; i++) {
        if (has_breakpoint(cs, next[i])) {
            return true;
        }
    }
    return false;
}

/* Set the interrupt enable that an ertn takes over. */
static void set_previous_ie(CPULoongArchState *env, bool refill, bool ie)
{
    if (refill) {
        env->CSR_TLBRPRMD = FIELD_DP64(env->CSR_TLBRPRMD, CSR_TLBRPRMD,
                                       PIE, ie);
    } else {
        env->CSR_PRMD = FIELD_DP64(env->CSR_PRMD, CSR_PRMD, PIE, ie);
    }
}

static bool previous_ie(CPULoongArchState *env)
{
    if (FIELD_EX64(env->CSR_TLBRERA, CSR_TLBRERA, ISTLBR)) {
        return FIELD_EX64(env->CSR_TLBRPRMD, CSR_TLBRPRMD, PIE);
    }
    return FIELD_EX64(env->CSR_PRMD, CSR_PRMD, PIE);
}

/*
 * csrrd, csrwr or csrxchg of CRMD: it is not to set IE either, or the interrupt
 * comes right behind it.  Return: false if there is nothing to hold.
 */
static bool hold_crmd_access(CPULoongArchState *env, uint32_t insn)
{
    unsigned int rd = insn & 31, rj = insn >> 5 & 31;
    bool old = FIELD_EX64(env->CSR_CRMD, CSR_CRMD, IE), new = old;

    if (rj == 1 || (rj > 1 && env->gpr[rj] & R_CSR_CRMD_IE_MASK)) {
        new = FIELD_EX64(env->gpr[rd], CSR_CRMD, IE);
    }
    env->gdb_held_old_ie = old;
    env->gdb_held_new_ie = new;
    env->gdb_held_rd = env->gpr[rd];
    env->gpr[rd] &= ~(uint64_t)R_CSR_CRMD_IE_MASK;
    return old || new;
}

void loongarch_gdb_hold_for(CPULoongArchState *env, uint32_t insn)
{
    LoongArchFlow flow = {
        .gpr = env->gpr,
        .scr = { env->lbt.scr0, env->lbt.scr1 },
    };

    env->gdb_held_next[0] = loongarch_insn_next(insn, env->pc, &flow);
    env->gdb_held_next[1] = env->gdb_held_next[0];
    loongarch_insn_successors(insn, env->pc, env->gpr, env->gdb_held_next);
    if (FIELD_EX64(env->CSR_CRMD, CSR_CRMD, PLV) &&
        !loongarch_insn_is_trap(insn) && !loongarch_insn_is_ll(insn)) {
        insn = INSN_NOP;        /* it has no access to what concerns us */
    }
    if (loongarch_insn_is_idle(insn)) {
        return;                 /* it waits for one */
    }
    if (loongarch_insn_is_ertn(insn)) {
        env->gdb_held_old_ie = FIELD_EX64(env->CSR_CRMD, CSR_CRMD, IE);
        env->gdb_held_new_ie = previous_ie(env);
        if (!env->gdb_held_old_ie && !env->gdb_held_new_ie) {
            return;
        }
        env->gdb_held_tlbr = FIELD_EX64(env->CSR_TLBRERA, CSR_TLBRERA, ISTLBR);
        set_previous_ie(env, env->gdb_held_tlbr, false);
    } else if (loongarch_insn_accesses_csr(insn, LOONGARCH_CSR_CRMD)) {
        if (!hold_crmd_access(env, insn)) {
            return;
        }
    } else if (!FIELD_EX64(env->CSR_CRMD, CSR_CRMD, IE)) {
        return;
    }
    env->CSR_CRMD = FIELD_DP64(env->CSR_CRMD, CSR_CRMD, IE, 0);
    env->gdb_holds_irqs = true;
    env->gdb_held_pc = env->pc;
    env->gdb_held_insn = insn;
    env->gdb_held_era = env->CSR_ERA;
    env->gdb_held_prmd = env->CSR_PRMD;
}

/* Does the vCPU stand on the instruction, or where it can go next? */
static bool is_in_context(CPULoongArchState *env)
{
    uint64_t behind = env->pc - env->gdb_held_pc;

    return behind == 0 || env->pc == env->gdb_held_next[0] ||
           env->pc == env->gdb_held_next[1] ||
           (loongarch_insn_is_ll(env->gdb_held_insn) && behind <= ATOMIC_SPAN);
}

/* Has the instruction raised an exception?  That has taken the bit along. */
static bool has_raised(CPULoongArchState *env)
{
    uint32_t insn = env->gdb_held_insn;

    return (env->CSR_ERA != env->gdb_held_era ||
            env->CSR_PRMD != env->gdb_held_prmd) &&
           !loongarch_insn_accesses_csr(insn, LOONGARCH_CSR_ERA) &&
           !loongarch_insn_accesses_csr(insn, LOONGARCH_CSR_PRMD);
}

/* ertn has taken over our cleared bit, and left it where it was. */
static void release_ertn(CPULoongArchState *env)
{
    bool ie = env->pc == env->gdb_held_pc ? env->gdb_held_old_ie
                                          : env->gdb_held_new_ie;

    env->CSR_CRMD = FIELD_DP64(env->CSR_CRMD, CSR_CRMD, IE, ie);
    set_previous_ie(env, env->gdb_held_tlbr, env->gdb_held_new_ie);
}

/* csrrd, csrwr or csrxchg of CRMD: what would it have read and left behind? */
static void release_crmd_access(CPULoongArchState *env)
{
    unsigned int rd = env->gdb_held_insn & 31;
    bool ie = env->gdb_held_new_ie;

    if (env->pc == env->gdb_held_pc) {
        ie = env->gdb_held_old_ie;
        env->gpr[rd] = env->gdb_held_rd;
    } else if (rd) {
        env->gpr[rd] = FIELD_DP64(env->gpr[rd], CSR_CRMD, IE,
                                  env->gdb_held_old_ie);
    }
    env->CSR_CRMD = FIELD_DP64(env->CSR_CRMD, CSR_CRMD, IE, ie);
}

/* It was stopped inside a handler of its fault: mend what that returns with. */
static void release_in_handler(CPULoongArchState *env)
{
    if (FIELD_EX64(env->CSR_TLBRERA, CSR_TLBRERA, ISTLBR) &&
        (env->CSR_TLBRERA & ~3ULL) == env->gdb_held_pc) {
        env->CSR_TLBRPRMD = FIELD_DP64(env->CSR_TLBRPRMD, CSR_TLBRPRMD,
                                       PIE, 1);
    } else if (has_raised(env) || env->CSR_ERA == env->gdb_held_pc) {
        env->CSR_PRMD = FIELD_DP64(env->CSR_PRMD, CSR_PRMD, PIE, 1);
    }
}

/* The vCPU has stopped, and IE is to be what it would have been. */
static void release(CPULoongArchState *env)
{
    uint32_t insn = env->gdb_held_insn;

    if (loongarch_insn_is_ertn(insn)) {
        release_ertn(env);
    } else if (loongarch_insn_is_trap(insn) && env->pc != env->gdb_held_pc) {
        env->CSR_PRMD = FIELD_DP64(env->CSR_PRMD, CSR_PRMD, PIE, 1);
    } else if (!is_in_context(env)) {
        release_in_handler(env);
    } else if (loongarch_insn_accesses_csr(insn, LOONGARCH_CSR_CRMD)) {
        release_crmd_access(env);
    } else {
        if (has_raised(env)) {
            env->CSR_PRMD = FIELD_DP64(env->CSR_PRMD, CSR_PRMD, PIE, 1);
        }
        env->CSR_CRMD = FIELD_DP64(env->CSR_CRMD, CSR_CRMD, IE, 1);
    }
}

void loongarch_cpu_gdb_hold_interrupts(CPUState *cs, bool hold)
{
    CPULoongArchState *env = cpu_env(cs);
    uint32_t insn;

    if (!hold) {
        if (env->gdb_holds_irqs) {
            cpu_synchronize_state(cs);
            env->gdb_holds_irqs = false;
            release(env);
        }
        return;
    }

    cpu_synchronize_state(cs);
    if (is_stepped(cs, &insn)) {
        loongarch_gdb_hold_for(env, insn);
    }
}
