/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch KVM: breakpoints in a guest's user space
 *
 * Executed by unprivileged code, a planted word may leave the guest as it does
 * elsewhere.  Or it is a privileged instruction, and the guest gets an
 * exception for it, whose handler would end the program.  So while there is a
 * word that unprivileged code can execute, another one stands on the entry of
 * that exception, for each vCPU on its own.  When a vCPU comes there because of
 * ours, the exception is taken back and the vCPU stands where it was raised.
 * Any other exception is the guest's and goes its way.
 *
 * Not here: the entries of other exceptions, and a handler that has begun.
 */

#include "qemu/osdep.h"
#include "hw/core/cpu.h"
#include "system/hw_accel.h"
#include "cpu.h"
#include "../exception-entry.h"
#include "../insn-flow.h"
#include "debug.h"

#define ECODE_IPE               0xe     /* instruction privilege error */
#define UNPRIVILEGED            0xe     /* DMW.PLV1 to DMW.PLV3 */
#define DMW_VSEG_SHIFT          60
/* As many as KVM has. */
#define SAVES                   8

uint64_t kvm_debug_vector(CPULoongArchState *env, unsigned int ecode)
{
    return loongarch_exception_entry(env->CSR_EENTRY, env->CSR_ECFG, ecode);
}

bool kvm_debug_is_open(CPUState *cs, vaddr addr)
{
    CPULoongArchState *env = cpu_env(cs);
    int i;

    if (FIELD_EX64(env->CSR_CRMD, CSR_CRMD, PLV)) {
        return true;
    }
    for (i = 0; i < ARRAY_SIZE(env->CSR_DMW); i++) {
        if (env->CSR_DMW[i] & UNPRIVILEGED &&
            env->CSR_DMW[i] >> DMW_VSEG_SHIFT == addr >> DMW_VSEG_SHIFT) {
            return true;
        }
    }
    return false;
}

/*
 * Until a kernel comes up on it, a vCPU has no translation, and EENTRY holds
 * anything.  The handler of a TLB refill has no translation either.
 */
static bool has_kernel(const CPULoongArchState *env)
{
    return env->CSR_EENTRY &&
           (FIELD_EX64(env->CSR_CRMD, CSR_CRMD, PG) ||
            FIELD_EX64(env->CSR_TLBRERA, CSR_TLBRERA, ISTLBR));
}

bool kvm_debug_at_trap(CPUState *cs)
{
    CPULoongArchState *env = cpu_env(cs);

    return has_kernel(env) && env->pc == kvm_debug_vector(env, ECODE_IPE);
}

bool kvm_debug_catch_traps(void)
{
    bool all = true;
    CPUState *cs;

    CPU_FOREACH(cs) {
        CPULoongArchState *env = cpu_env(cs);

        cpu_synchronize_state(cs);
        if (!has_kernel(env) ||
            kvm_debug_insert(cs, kvm_debug_vector(env, ECODE_IPE),
                             KVM_DEBUG_TRAP)) {
            all = false;
        }
    }
    return all;
}

bool kvm_debug_undo_exception(CPULoongArchState *env, unsigned int ecode)
{
    LoongArchEntered cpu = {
        .pc = env->pc,
        .crmd = env->CSR_CRMD,
        .prmd = env->CSR_PRMD,
        .estat = env->CSR_ESTAT,
        .era = env->CSR_ERA,
        .eentry = env->CSR_EENTRY,
        .ecfg = env->CSR_ECFG,
        .tlbrera = env->CSR_TLBRERA,
    };

    if (!loongarch_exception_undo(&cpu, ecode)) {
        return false;
    }
    env->pc = cpu.pc;
    env->CSR_CRMD = cpu.crmd;
    return true;
}

bool kvm_debug_undo_trap(CPUState *cs)
{
    CPULoongArchState *env = cpu_env(cs);
    uint64_t pc = env->pc, crmd = env->CSR_CRMD;

    /* What is at the address is for the mode to say that it came from. */
    if (!FIELD_EX64(env->CSR_PRMD, CSR_PRMD, PPLV) ||
        !kvm_debug_undo_exception(env, ECODE_IPE)) {
        return false;
    }
    if (kvm_debug_is_ours(cs)) {
        return true;
    }
    env->pc = pc;
    env->CSR_CRMD = crmd;
    return false;
}

bool kvm_debug_pass_trap(CPUState *cs)
{
    CPULoongArchState *env = cpu_env(cs);
    unsigned int csr, rd, n;
    uint64_t value;
    uint32_t insn;

    if (!kvm_debug_fetch(cs, env->pc, &insn) ||
        !loongarch_insn_is_csrwr(insn, &csr, &rd)) {
        return false;
    }
    n = csr - LOONGARCH_CSR_SAVE(0);
    if (n >= SAVES) {
        return false;
    }
    value = env->CSR_SAVE[n];
    env->CSR_SAVE[n] = env->gpr[rd];
    if (rd) {
        env->gpr[rd] = value;
    }
    env->pc += 4;
    return true;
}
