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
#include "system/runstate.h"

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
static void set_previous_ie(CPULoongArchState *env, bool ie)
{
    if (FIELD_EX64(env->CSR_TLBRERA, CSR_TLBRERA, ISTLBR)) {
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

void loongarch_gdb_hold_for(CPULoongArchState *env, uint32_t insn)
{
    if (loongarch_insn_is_idle(insn)) {
        return;                 /* it waits for one */
    }
    if (loongarch_insn_is_ertn(insn)) {
        if (!previous_ie(env)) {
            return;
        }
        env->gdb_held_tlbr = FIELD_EX64(env->CSR_TLBRERA, CSR_TLBRERA, ISTLBR);
        set_previous_ie(env, false);
    } else {
        if (!FIELD_EX64(env->CSR_CRMD, CSR_CRMD, IE)) {
            return;
        }
        env->CSR_CRMD = FIELD_DP64(env->CSR_CRMD, CSR_CRMD, IE, 0);
    }
    env->gdb_holds_irqs = true;
    env->gdb_held_pc = env->pc;
    env->gdb_held_insn = insn;
    env->gdb_held_mask = env->gpr[insn >> 5 & 31];
}

/* ertn has taken over our cleared bit, and left it where it was. */
static void release_ertn(CPULoongArchState *env)
{
    if (env->pc != env->gdb_held_pc) {
        env->CSR_CRMD = FIELD_DP64(env->CSR_CRMD, CSR_CRMD, IE, 1);
    }
    if (env->gdb_held_tlbr) {
        env->CSR_TLBRPRMD = FIELD_DP64(env->CSR_TLBRPRMD, CSR_TLBRPRMD,
                                       PIE, 1);
    } else {
        env->CSR_PRMD = FIELD_DP64(env->CSR_PRMD, CSR_PRMD, PIE, 1);
    }
}

/* csrrd, csrwr or csrxchg of CRMD has been executed: it saw IE clear. */
static void release_crmd_access(CPULoongArchState *env)
{
    unsigned int rd = env->gdb_held_insn & 31;
    unsigned int rj = env->gdb_held_insn >> 5 & 31;
    bool written = rj == 1 || (rj > 1 && env->gdb_held_mask & R_CSR_CRMD_IE_MASK);

    if (rd) {
        env->gpr[rd] |= R_CSR_CRMD_IE_MASK;
    }
    if (!written) {
        env->CSR_CRMD = FIELD_DP64(env->CSR_CRMD, CSR_CRMD, IE, 1);
    }
}

/*
 * The vCPU has stopped.  Normally it stands behind the instruction, or still on
 * it, and IE is to be what it was.  When it was stopped inside a handler of its
 * fault, what the handler returns with has to be put right instead.
 */
static void release(CPULoongArchState *env)
{
    uint64_t held = env->gdb_held_pc;
    uint32_t insn = env->gdb_held_insn;

    if (loongarch_insn_is_ertn(insn)) {
        release_ertn(env);
        return;
    }
    if (loongarch_insn_accesses_csr(insn, LOONGARCH_CSR_CRMD) &&
        env->pc == held + 4) {
        release_crmd_access(env);
        return;
    }
    if (loongarch_insn_is_trap(insn) && env->pc != held) {
        env->CSR_PRMD = FIELD_DP64(env->CSR_PRMD, CSR_PRMD, PIE, 1);
        return;
    }
    if (!runstate_check(RUN_STATE_DEBUG) && env->pc != held &&
        !FIELD_EX64(env->CSR_CRMD, CSR_CRMD, IE)) {
        if (FIELD_EX64(env->CSR_TLBRERA, CSR_TLBRERA, ISTLBR) &&
            (env->CSR_TLBRERA & ~3ULL) == held) {
            env->CSR_TLBRPRMD = FIELD_DP64(env->CSR_TLBRPRMD, CSR_TLBRPRMD,
                                           PIE, 1);
            return;
        }
        if (env->CSR_ERA == held && env->pc != held + 4) {
            env->CSR_PRMD = FIELD_DP64(env->CSR_PRMD, CSR_PRMD, PIE, 1);
            return;
        }
    }
    env->CSR_CRMD = FIELD_DP64(env->CSR_CRMD, CSR_CRMD, IE, 1);
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
