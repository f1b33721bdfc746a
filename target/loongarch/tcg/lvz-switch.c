/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch virtualization extension (LVZ): the two worlds
 *
 * Exchanges the host's CSRs with the guest's when a guest is entered (ertn
 * with GSTAT.PVM, or TLBRPRMD.PGM after a refill) and left (an exception that
 * the host takes), and decides which interrupt goes to which of them.
 *
 * Nothing is flushed here: host and guest have softmmu indexes of their own.
 * What the CSRs mean is in lvz-csr.c, translation in lvz-mmu.c.
 *
 * Sources: the LVZ descriptors of Linux arch/loongarch/include/asm/loongarch.h
 * and their use in arch/loongarch/kvm/switch.S.
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "internals.h"
#include "exec/tb-flush.h"
#include "trace.h"
#include "tcg/lvz.h"

/* Number of GID bits: the widest that GSTAT.GID can hold. */
#define LVZ_GIDBITS     8

static void swap_csr(uint64_t *a, uint64_t *b)
{
    uint64_t tmp = *a;

    *a = *b;
    *b = tmp;
}

void loongarch_lvz_exchange_banks(CPULoongArchState *env)
{
    LoongArchCSRBank *other = &env->lvz.other;
    int i;

#define EXCHANGE(name) swap_csr(&env->CSR_##name, &other->CSR_##name);
    LVZ_FOREACH_BANKED_CSR(EXCHANGE)
#undef EXCHANGE
    for (i = 0; i < LVZ_BANKED_SAVE; i++) {
        swap_csr(&env->CSR_SAVE[i], &other->CSR_SAVE[i]);
    }
    for (i = 0; i < LVZ_BANKED_DMW; i++) {
        swap_csr(&env->CSR_DMW[i], &other->CSR_DMW[i]);
    }
}

void loongarch_lvz_select_jmp_cache(CPULoongArchState *env)
{
    bool guest = loongarch_guest_mode(env);
    bool second = guest ? env->lvz.parked.second_part
                        : env->parked.second_part;
    unsigned int first_idx = guest ? MMU_GUEST_IDX_BASE : 0;

    /* Host and guest kernels have the same addresses. */
    tcg_select_jmp_cache(env_cpu(env), 2 * guest + second,
                         MAKE_64BIT_MASK(first_idx, MMU_DA_IDX + 1));
}

void loongarch_lvz_select_world(CPULoongArchState *env)
{
    loongarch_lvz_restore_tlb(env);
    loongarch_lvz_select_jmp_cache(env);
}

/* BQL held. */
static void enter_world(CPULoongArchState *env, bool guest)
{
    LoongArchLVZ *lvz = &env->lvz;

    g_assert(loongarch_guest_mode(env) != guest);
    loongarch_lvz_timer_sync(env);
    /* One reservation for both worlds: nobody may inherit the other's. */
    env->lladdr = 1;
    loongarch_lvz_exchange_banks(env);
    lvz->CSR_GSTAT = FIELD_DP64(lvz->CSR_GSTAT, CSR_GSTAT, VM, guest);
    loongarch_lvz_select_world(env);
    loongarch_lvz_update_irq(env);
}

static unsigned int current_gid(CPULoongArchState *env)
{
    return FIELD_EX64(env->lvz.CSR_GSTAT, CSR_GSTAT, GID);
}

/* The host's CSRs are back, its ERA is not written yet. */
static void trace_exit(CPULoongArchState *env)
{
    CPUState *cs = env_cpu(env);
    int excp = cs->exception_index;
    bool refill = FIELD_EX64(env->CSR_TLBRERA, CSR_TLBRERA, ISTLBR);
    uint64_t gpa = 0;

    if (!trace_event_get_state_backends(TRACE_LVZ_EXIT)) {
        return;
    }
    if (refill) {
        gpa = env->CSR_TLBRBADV;
    } else if (excp >= EXCCODE_PIL && excp <= EXCCODE_PPI) {
        gpa = env->CSR_BADV;
    }
    trace_lvz_exit(cs->cpu_index, current_gid(env), EXCODE_MCODE(excp),
                   refill ? "refill" : loongarch_exception_name(excp),
                   env->pc, excp == EXCCODE_INT ? 0 : env->badi, gpa);
}

/*
 * gdb steps a guest's instruction with the guest's CRMD.IE held clear, and the
 * instruction is the host's to do something about.  That can take any time, so
 * the hold ends here; over a mere refill it lasts.
 */
static void end_gdb_hold(CPULoongArchState *env)
{
    if (env->gdb_holds_irqs &&
        !FIELD_EX64(env->lvz.other.CSR_TLBRERA, CSR_TLBRERA, ISTLBR)) {
        env->gdb_holds_irqs = false;
        env->CSR_CRMD = FIELD_DP64(env->CSR_CRMD, CSR_CRMD, IE, 1);
    }
}

void loongarch_lvz_begin_exception(CPULoongArchState *env)
{
    CPUState *cs = env_cpu(env);
    LoongArchLVZ *lvz = &env->lvz;
    bool leave = cs->exception_index & EXCP_LVZ_EXIT;

    if (!loongarch_has_lvz(env)) {
        return;
    }

    cs->exception_index &= ~EXCP_LVZ_EXIT;
    if (leave) {
        end_gdb_hold(env);
        enter_world(env, false);
        trace_exit(env);
    } else if (loongarch_guest_mode(env)) {
        /* The guest's own exception: the host's CSRs know nothing of it. */
        if (cs->exception_index == EXCCODE_INT) {
            trace_lvz_guest_interrupt(cs->cpu_index, current_gid(env),
                                      env->pc, env->CSR_ESTAT & env->CSR_ECFG &
                                               R_CSR_ESTAT_IS_MASK);
        }
        return;
    }

    /*
     * The host takes it: note the mode that it came from, as the bits' names
     * say.  PVM set after an exit is what makes Linux clear it by hand; one
     * emulation cleared it itself.  Only the refill has its own bit, which the
     * manual describes (volume 1, TLBRPRMD) without a name.
     */
    if (FIELD_EX64(env->CSR_TLBRERA, CSR_TLBRERA, ISTLBR)) {
        env->CSR_TLBRPRMD = FIELD_DP64(env->CSR_TLBRPRMD, CSR_TLBRPRMD,
                                       PGM, leave);
    } else {
        lvz->CSR_GSTAT = FIELD_DP64(lvz->CSR_GSTAT, CSR_GSTAT, PVM, leave);
    }
}

void loongarch_lvz_end_ertn(CPULoongArchState *env, bool refill)
{
    uint64_t pc;
    bool enter;

    if (!loongarch_has_lvz(env) || loongarch_guest_mode(env)) {
        return;
    }

    /*
     * Neither bit is changed.  Whether ertn clears PVM is not known; a
     * hypervisor that writes it before every ertn works either way.
     */
    if (refill) {
        enter = FIELD_EX64(env->CSR_TLBRPRMD, CSR_TLBRPRMD, PGM);
        pc = env->CSR_TLBRERA;
    } else {
        enter = FIELD_EX64(env->lvz.CSR_GSTAT, CSR_GSTAT, PVM);
        pc = env->CSR_ERA;
    }
    if (enter) {
        BQL_LOCK_GUARD();
        enter_world(env, true);
        /* Cut to 32 bits by the guest's VA32 mode only, not by the host's. */
        set_pc(env, pc);
        trace_lvz_enter(env_cpu(env)->cpu_index, current_gid(env), env->pc,
                        refill ? "refill" : "ertn");
    }
}

uint32_t loongarch_lvz_unit_disabled(CPULoongArchState *env, uint32_t excp)
{
    bool enabled;

    switch (excp) {
    case EXCCODE_FPD:
        enabled = FIELD_EX64(env->CSR_EUEN, CSR_EUEN, FPE);
        break;
    case EXCCODE_SXD:
        enabled = FIELD_EX64(env->CSR_EUEN, CSR_EUEN, SXE);
        break;
    case EXCCODE_ASXD:
        enabled = FIELD_EX64(env->CSR_EUEN, CSR_EUEN, ASXE);
        break;
    default:
        return excp;
    }
    return loongarch_guest_mode(env) && enabled ? excp | EXCP_LVZ_EXIT : excp;
}

/*
 * Interrupts
 */

static bool pending(uint64_t estat, uint64_t ecfg)
{
    return FIELD_EX64(estat, CSR_ESTAT, IS) & FIELD_EX64(ecfg, CSR_ECFG, LIE);
}

static bool host_pending(CPULoongArchState *env)
{
    return pending(*loongarch_host_csr(env, ESTAT),
                   *loongarch_host_csr(env, ECFG));
}

int loongarch_lvz_deliverable(CPULoongArchState *env)
{
    if (FIELD_EX64(env->CSR_DBG, CSR_DBG, DST)) {
        return -1;
    }
    /* The debugger of this machine steps a guest, see gdb-hold-irqs.c. */
    if (env->gdb_holds_irqs && loongarch_guest_mode(env)) {
        return -1;
    }
    /*
     * The host goes first, which no public text says but a hypervisor has to
     * rely on: neither GCRMD.IE nor GECFG can hold it off.
     */
    if (FIELD_EX64(*loongarch_host_csr(env, CRMD), CSR_CRMD, IE) &&
        host_pending(env)) {
        return loongarch_guest_mode(env) ? EXCCODE_INT | EXCP_LVZ_EXIT
                                         : EXCCODE_INT;
    }
    if (loongarch_guest_mode(env) &&
        FIELD_EX64(env->CSR_CRMD, CSR_CRMD, IE) &&
        pending(env->CSR_ESTAT, env->CSR_ECFG)) {
        return EXCCODE_INT;
    }
    return -1;
}

bool loongarch_lvz_has_work(CPUState *cs)
{
    CPULoongArchState *env = cpu_env(cs);

    if (!(cs->interrupt_request & CPU_INTERRUPT_HARD)) {
        return false;
    }
    return host_pending(env) || (loongarch_guest_mode(env) &&
                                 pending(env->CSR_ESTAT, env->CSR_ECFG));
}

void loongarch_lvz_update_irq(CPULoongArchState *env)
{
    CPUState *cs = env_cpu(env);
    uint64_t is = *loongarch_host_csr(env, ESTAT);

    if (loongarch_guest_mode(env)) {
        is |= env->CSR_ESTAT;
    }
    if (FIELD_EX64(is, CSR_ESTAT, IS)) {
        cpu_interrupt(cs, CPU_INTERRUPT_HARD);
    } else {
        cpu_reset_interrupt(cs, CPU_INTERRUPT_HARD);
    }
}

void loongarch_lvz_update_guest_hwi(CPULoongArchState *env)
{
    uint64_t *gestat = loongarch_guest_csr(env, ESTAT);
    uint64_t lines = extract64(*loongarch_host_csr(env, ESTAT), 2, 8);
    uint64_t gintc = env->lvz.CSR_GINTC;

    *gestat = deposit64(*gestat, 2, 8,
                        FIELD_EX64(gintc, CSR_GINTC, VIP) |
                        (FIELD_EX64(gintc, CSR_GINTC, PIP) & lines));
}

void loongarch_lvz_set_irq(LoongArchCPU *cpu, int irq, int level)
{
    CPULoongArchState *env = &cpu->env;
    uint64_t *estat = loongarch_host_csr(env, ESTAT);

    *estat = deposit64(*estat, irq, 1, level != 0);
    loongarch_lvz_update_guest_hwi(env);
    loongarch_lvz_update_irq(env);
}

/*
 * Life of a CPU
 */

void loongarch_lvz_init(LoongArchCPU *cpu)
{
    CPULoongArchState *env = &cpu->env;
    LoongArchLVZ *lvz = &env->lvz;

    lvz->guest_tlb = g_new0(LoongArchTLB, LOONGARCH_TLB_MAX);
    lvz->gpa_tlb = g_new0(LoongArchTLB, LOONGARCH_TLB_MAX);
    timer_init_ns(&cpu->guest_timer, QEMU_CLOCK_VIRTUAL,
                  loongarch_lvz_timer_cb, cpu);
}

void loongarch_lvz_finalize(LoongArchCPU *cpu)
{
    LoongArchLVZ *lvz = &cpu->env.lvz;

    if (lvz->guest_tlb) {
        timer_del(&cpu->guest_timer);
        g_clear_pointer(&lvz->guest_tlb, g_free);
        g_clear_pointer(&lvz->gpa_tlb, g_free);
    }
}

void loongarch_lvz_reset(LoongArchCPU *cpu)
{
    CPULoongArchState *env = &cpu->env;
    LoongArchLVZ *lvz = &env->lvz;

    if (loongarch_guest_mode(env)) {
        loongarch_lvz_exchange_banks(env);
    }
    timer_del(&cpu->guest_timer);
    memset(&lvz->other, 0, sizeof(lvz->other));
    memset(&lvz->timer, 0, sizeof(lvz->timer));
    lvz->CSR_GTLBC = 0;
    lvz->CSR_TRGP = 0;
    lvz->CSR_GSTAT = FIELD_DP64(0, CSR_GSTAT, GIDBITS, LVZ_GIDBITS);
    /*
     * MATC: GUEST and ROOT. GCI: ALL, HIT and SECURE. No trap is optional.
     * The values of hardware are not public: Linux wants ROOT and SECURE, and
     * TCG can do the others as well.
     */
    lvz->CSR_GCFG = FIELD_DP64(0, CSR_GCFG, MATP, 0x3);
    lvz->CSR_GCFG = FIELD_DP64(lvz->CSR_GCFG, CSR_GCFG, GCIP, 0x7);
    lvz->CSR_GINTC = 0;
    lvz->CSR_GCNTC = 0;
    loongarch_lvz_select_world(env);
    if (lvz->guest_tlb) {
        memset(lvz->guest_tlb, 0, sizeof(LoongArchTLB) * LOONGARCH_TLB_MAX);
        memset(lvz->gpa_tlb, 0, sizeof(LoongArchTLB) * LOONGARCH_TLB_MAX);
        loongarch_lvz_flush_gpa(env, "reset");
    }
}

void loongarch_lvz_reset_guest_bank(LoongArchCPU *cpu)
{
    CPULoongArchState *env = &cpu->env;
    LoongArchCSRBank *guest = &env->lvz.other;

    guest->CSR_CRMD = FIELD_DP64(0, CSR_CRMD, DA, 1);
    guest->CSR_ASID = env->CSR_ASID & R_CSR_ASID_ASIDBITS_MASK;
    guest->CSR_PRCFG1 = env->CSR_PRCFG1;
    guest->CSR_PRCFG2 = env->CSR_PRCFG2;
    guest->CSR_PRCFG3 = env->CSR_PRCFG3;
    guest->CSR_STLBPS = env->CSR_STLBPS;
    guest->CSR_PWCL = env->CSR_PWCL;
}
