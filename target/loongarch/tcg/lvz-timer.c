/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch virtualization extension (LVZ): the guest's timer
 *
 * GCSR TCFG, TVAL and TICLR.  The count runs on while the host runs and never
 * interrupts the host: it only sets GESTAT.TI.  A hypervisor reads TCFG, TVAL
 * and ESTAT one after the other and concludes from their combination whether
 * the guest has had its tick, so an expiry takes effect for all of them at
 * once, when the first of them is read (loongarch_lvz_timer_sync()); the
 * QEMUTimer is there only for a guest that reads none of them.
 *
 * The host's own timer is constant_timer.c.
 *
 * Source for what a hypervisor expects: Linux arch/loongarch/kvm/timer.c,
 * kvm_restore_timer() and kvm_save_timer().
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "cpu.h"
#include "internals.h"
#include "trace.h"
#include "tcg/lvz.h"

/* PRCFG1.TimerBits of la464 is 47: the count has 48 bits. */
#define TVAL_MASK       MAKE_64BIT_MASK(0, 48)
#define TICK_NS         10      /* 100 MHz, as constant_timer.c */

static uint64_t now(CPULoongArchState *env)
{
    return cpu_loongarch_get_constant_timer_counter(env_archcpu(env));
}

static uint64_t initial_count(uint64_t tcfg)
{
    return FIELD_EX64(tcfg, CSR_TCFG, INIT_VAL) << R_CSR_TCFG_INIT_VAL_SHIFT;
}

static bool counting(CPULoongArchState *env)
{
    return FIELD_EX64(*loongarch_guest_csr(env, TCFG), CSR_TCFG, EN) &&
           !env->lvz.timer.fired;
}

/*
 * Have the callback come at the deadline.  Not while TI is still set: another
 * expiry would change nothing that anyone can see, and a guest with a very
 * short period must not keep the main loop busy.
 */
static void arm(CPULoongArchState *env)
{
    LoongArchCPU *cpu = env_archcpu(env);
    uint64_t ti = *loongarch_guest_csr(env, ESTAT) & BIT_ULL(IRQ_TIMER);

    if (counting(env) && !ti) {
        timer_mod(&cpu->guest_timer,
                  MIN(env->lvz.timer.deadline, INT64_MAX / TICK_NS) * TICK_NS);
    } else {
        timer_del(&cpu->guest_timer);
    }
}

/*
 * TCFG.EN of a one-shot timer stays set: the manual does not have it cleared,
 * and Linux takes either.
 */
static void expire(CPULoongArchState *env, uint64_t at)
{
    uint64_t tcfg = *loongarch_guest_csr(env, TCFG);

    trace_lvz_timer_expire(env_cpu(env)->cpu_index, at,
                           at - env->lvz.timer.deadline,
                           FIELD_EX64(tcfg, CSR_TCFG, PERIODIC)
                           ? "periodic" : "one-shot");
    *loongarch_guest_csr(env, ESTAT) |= BIT_ULL(IRQ_TIMER);
    loongarch_lvz_update_irq(env);
    /*
     * Only then may the deadline tell that it has passed: it is looked at
     * without the BQL, in loongarch_lvz_timer_read_counter().
     */
    smp_wmb();
    if (FIELD_EX64(tcfg, CSR_TCFG, PERIODIC)) {
        uint64_t period = MAX(initial_count(tcfg), 1);
        uint64_t late = at - env->lvz.timer.deadline;

        env->lvz.timer.deadline += period * (late / period + 1);
    } else {
        env->lvz.timer.fired = true;
    }
}

static void sync_at(CPULoongArchState *env, uint64_t at)
{
    if (counting(env) && at >= env->lvz.timer.deadline) {
        expire(env, at);
        arm(env);
    }
}

void loongarch_lvz_timer_sync(CPULoongArchState *env)
{
    sync_at(env, now(env));
}

uint64_t loongarch_lvz_timer_read_counter(CPULoongArchState *env)
{
    uint64_t at = cpu_loongarch_read_counter(env_archcpu(env));

    if (counting(env) && at >= env->lvz.timer.deadline) {
        BQL_LOCK_GUARD();
        sync_at(env, at);
    }
    /* The interrupt is looked for after the deadline: see expire(). */
    smp_rmb();
    return at;
}

void loongarch_lvz_timer_cb(void *opaque)
{
    LoongArchCPU *cpu = opaque;

    loongarch_lvz_timer_sync(&cpu->env);
    arm(&cpu->env);
}

void loongarch_lvz_timer_load(CPULoongArchState *env)
{
    arm(env);
}

uint64_t loongarch_lvz_timer_read_tval(CPULoongArchState *env)
{
    uint64_t at = now(env);

    sync_at(env, at);
    if (env->lvz.timer.fired) {
        return TVAL_MASK;
    }
    if (counting(env)) {
        return env->lvz.timer.deadline - at;
    }
    return *loongarch_guest_csr(env, TVAL);
}

uint64_t loongarch_lvz_timer_peek_tval(CPULoongArchState *env)
{
    uint64_t at = now(env);

    if (env->lvz.timer.fired) {
        return TVAL_MASK;
    }
    if (counting(env)) {
        return at < env->lvz.timer.deadline ? env->lvz.timer.deadline - at : 0;
    }
    return *loongarch_guest_csr(env, TVAL);
}

void loongarch_lvz_timer_write_tval(CPULoongArchState *env, uint64_t val)
{
    uint64_t tcfg = *loongarch_guest_csr(env, TCFG);

    val &= TVAL_MASK;
    loongarch_lvz_timer_sync(env);
    if (FIELD_EX64(tcfg, CSR_TCFG, EN)) {
        /* Zero means: expire now (kvm_restore_timer() waits for TI). */
        env->lvz.timer.fired = false;
        env->lvz.timer.deadline = now(env) + val;
        if (val == 0) {
            expire(env, env->lvz.timer.deadline);
        }
    } else {
        *loongarch_guest_csr(env, TVAL) = val;
    }
    arm(env);
}

void loongarch_lvz_timer_write_tcfg(CPULoongArchState *env, uint64_t val)
{
    /* A count that is stopped stands where it was. */
    *loongarch_guest_csr(env, TVAL) = loongarch_lvz_timer_read_tval(env);
    *loongarch_guest_csr(env, TCFG) = val & TVAL_MASK;
    env->lvz.timer.fired = false;
    env->lvz.timer.deadline = now(env) + initial_count(val);
    arm(env);
}

void loongarch_lvz_timer_ack(CPULoongArchState *env)
{
    loongarch_lvz_timer_sync(env);
    *loongarch_guest_csr(env, ESTAT) &= ~BIT_ULL(IRQ_TIMER);
    loongarch_lvz_update_irq(env);
    arm(env);
}
