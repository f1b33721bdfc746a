/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch virtualization extension (LVZ): CSRs
 *
 * The guest's CSRs (GCSRs), as the host reads and writes them by gcsrrd,
 * gcsrwr and gcsrxchg and as a guest does by its own csr* instructions, and
 * the six CSRs that LVZ adds to the host.  A guest's access to an ordinary
 * CSR never comes here: see lvz_guest_csr_kind() for which ones do.
 *
 * What a number means without LVZ is in csr.c and csr_helper.c.
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "internals.h"
#include "exec/helper-proto.h"
#include "exec/exec-all.h"
#include "csr.h"
#include "trace.h"
#include "tcg/lvz.h"

/* Bits of CSR.MISC that are implemented: VA32L1-3 and DRDTL1-3. */
#define MISC_MASK       0xee
#define LLBCTL_MASK     R_CSR_LLBCTL_KLO_MASK
/* IS[1:0], TI and IPI are latched; IS[9:2] is derived from GINTC. */
#define GESTAT_LATCHED  (MAKE_64BIT_MASK(0, 2) | BIT_ULL(IRQ_TIMER) | \
                         BIT_ULL(IRQ_IPI))
/* No message or performance interrupt is emulated. */
#define GESTAT_MASK     (GESTAT_LATCHED | R_CSR_ESTAT_ECODE_MASK | \
                         R_CSR_ESTAT_ESUBCODE_MASK)

/*
 * Where a banked CSR stands in both places; offset 0 in the bank is CRMD's,
 * so "not banked" is an offset of 0 in CPULoongArchState, where gpr[0] is.
 */
typedef struct BankedCSR {
    uint16_t env;
    uint16_t bank;
} BankedCSR;

static const BankedCSR banked_csr[] = {
#define BANKED(name)                                                    \
    [LOONGARCH_CSR_##name] = { offsetof(CPULoongArchState, CSR_##name), \
                               offsetof(LoongArchCSRBank, CSR_##name) },
    LVZ_FOREACH_BANKED_CSR(BANKED)
#undef BANKED
#define BANKED_N(name, n)                                                     \
    [LOONGARCH_CSR_##name(n)] = { offsetof(CPULoongArchState, CSR_##name[n]), \
                                  offsetof(LoongArchCSRBank, CSR_##name[n]) }
    BANKED_N(SAVE, 0), BANKED_N(SAVE, 1), BANKED_N(SAVE, 2), BANKED_N(SAVE, 3),
    BANKED_N(SAVE, 4), BANKED_N(SAVE, 5), BANKED_N(SAVE, 6), BANKED_N(SAVE, 7),
    BANKED_N(DMW, 0), BANKED_N(DMW, 1), BANKED_N(DMW, 2), BANKED_N(DMW, 3),
#undef BANKED_N
};

static uint64_t *guest_csr(CPULoongArchState *env, unsigned int csr)
{
    const BankedCSR *where;

    if (csr >= ARRAY_SIZE(banked_csr) || !banked_csr[csr].env) {
        return NULL;
    }
    where = &banked_csr[csr];
    return loongarch_guest_mode(env)
           ? (void *)env + where->env
           : (void *)&env->lvz.other + where->bank;
}

LVZGuestCSRKind lvz_guest_csr_kind(unsigned int csr)
{
    switch (csr) {
    case LOONGARCH_CSR_PGD:
        return LVZ_GCSR_PLAIN;          /* computed from banked ones */
    case LOONGARCH_CSR_CPUID:
    case LOONGARCH_CSR_TVAL:
        return LVZ_GCSR_SPECIAL_READONLY;
    case LOONGARCH_CSR_MISC:
    case LOONGARCH_CSR_ASID:
    case LOONGARCH_CSR_STLBPS:
    case LOONGARCH_CSR_RVACFG:
    case LOONGARCH_CSR_DMW(0) ... LOONGARCH_CSR_DMW(3):
        return LVZ_GCSR_SPECIAL_WRITE;
    case LOONGARCH_CSR_ESTAT:
    case LOONGARCH_CSR_TCFG:
    case LOONGARCH_CSR_TICLR:
    case LOONGARCH_CSR_LLBCTL:
        return LVZ_GCSR_SPECIAL;
    default:
        /*
         * What is in neither bank traps, too.  Hardware may let such a number
         * read as 0 where GCFG.TORU is clear; Linux answers the exit with 0,
         * so that a guest cannot tell.
         */
        return csr < ARRAY_SIZE(banked_csr) && banked_csr[csr].env
               ? LVZ_GCSR_PLAIN : LVZ_GCSR_TRAP;
    }
}

static uint64_t read_guest_estat(CPULoongArchState *env)
{
    BQL_LOCK_GUARD();
    loongarch_lvz_timer_sync(env);
    return *loongarch_guest_csr(env, ESTAT);
}

static uint64_t read_guest_tval(CPULoongArchState *env)
{
    BQL_LOCK_GUARD();
    return loongarch_lvz_timer_read_tval(env);
}

static uint64_t read_guest_tcfg(CPULoongArchState *env)
{
    BQL_LOCK_GUARD();
    loongarch_lvz_timer_sync(env);
    return *loongarch_guest_csr(env, TCFG);
}

/* As helper_csrrd_pgd(): no source has it otherwise for a guest. */
static uint64_t read_guest_pgd(CPULoongArchState *env)
{
    uint64_t badv = FIELD_EX64(*loongarch_guest_csr(env, TLBRERA),
                               CSR_TLBRERA, ISTLBR)
                    ? *loongarch_guest_csr(env, TLBRBADV)
                    : *loongarch_guest_csr(env, BADV);

    return badv >> 63 ? *loongarch_guest_csr(env, PGDH)
                      : *loongarch_guest_csr(env, PGDL);
}

bool loongarch_lvz_peek_csr(CPULoongArchState *env, unsigned int csr,
                            bool guest, uint64_t *val)
{
    const CSRInfo *info = get_csr(csr);
    const uint64_t *p = guest_csr(env, csr);

    if (!info || (info->flags & CSRFL_UNUSED)) {
        return false;
    }
    if (guest && csr == LOONGARCH_CSR_TVAL) {
        *val = loongarch_lvz_timer_peek_tval(env);
        return true;
    }
    if (p && guest != loongarch_guest_mode(env)) {
        /* The bank that waits is the other's. */
        p = (void *)&env->lvz.other + banked_csr[csr].bank;
    } else if (p || !guest) {
        p = (void *)env + info->offset;
    }
    if (!p) {
        return false;
    }
    *val = *p;
    return true;
}

/*
 * The guest's LLbit is the one reservation that the CPU has, and every way
 * into or out of a guest gives it up: in the host it is always clear.
 */
static uint64_t read_guest_llbctl(CPULoongArchState *env)
{
    bool llbit = loongarch_guest_mode(env) && env->lladdr != 1;

    return FIELD_DP64(*loongarch_guest_csr(env, LLBCTL), CSR_LLBCTL,
                      ROLLB, llbit);
}

static uint64_t read_gcsr(CPULoongArchState *env, unsigned int csr)
{
    uint64_t *p;

    switch (csr) {
    case LOONGARCH_CSR_ESTAT:
        return read_guest_estat(env);
    case LOONGARCH_CSR_TVAL:
        return read_guest_tval(env);
    case LOONGARCH_CSR_TCFG:
        return read_guest_tcfg(env);
    case LOONGARCH_CSR_TICLR:
        return 0;
    case LOONGARCH_CSR_PGD:
        return read_guest_pgd(env);
    case LOONGARCH_CSR_LLBCTL:
        return read_guest_llbctl(env);
    default:
        /* No such number: as csrrd has it for an undefined CSR. */
        p = guest_csr(env, csr);
        return p ? *p : 0;
    }
}

/*
 * @mask is what the instruction changes, so that a bit raised by another
 * thread meanwhile is not lost.
 */
static void write_guest_estat(CPULoongArchState *env, uint64_t val,
                              uint64_t mask)
{
    uint64_t *estat = loongarch_guest_csr(env, ESTAT);

    mask &= loongarch_guest_mode(env) ? MAKE_64BIT_MASK(0, 2) : GESTAT_MASK;

    BQL_LOCK_GUARD();
    loongarch_lvz_timer_sync(env);
    *estat = (*estat & ~mask) | (val & mask);
    if (!loongarch_guest_mode(env)) {
        trace_lvz_gestat_write(env_cpu(env)->cpu_index, val & mask, mask,
                               *estat);
    }
    /* The timer's callback rests while TI is set. */
    if (mask & BIT_ULL(IRQ_TIMER) & ~val) {
        loongarch_lvz_timer_ack(env);
    }
    loongarch_lvz_update_irq(env);
}

static void write_guest_timer(CPULoongArchState *env, unsigned int csr,
                              uint64_t val)
{
    BQL_LOCK_GUARD();
    switch (csr) {
    case LOONGARCH_CSR_TCFG:
        loongarch_lvz_timer_write_tcfg(env, val);
        break;
    case LOONGARCH_CSR_TVAL:
        loongarch_lvz_timer_write_tval(env, val);
        break;
    case LOONGARCH_CSR_TICLR:
        if (val & 1) {
            loongarch_lvz_timer_ack(env);
        }
        break;
    }
}

static void write_guest_llbctl(CPULoongArchState *env, uint64_t val)
{
    if (FIELD_EX64(val, CSR_LLBCTL, WCLLB)) {
        env->lladdr = 1;
    }
    *loongarch_guest_csr(env, LLBCTL) = val & LLBCTL_MASK;
}

/* CSRs that a cached translation depends on. */
static void write_guest_mmu_csr(CPULoongArchState *env, unsigned int csr,
                                uint64_t val)
{
    uint64_t *p = guest_csr(env, csr);
    uint64_t old = *p;

    switch (csr) {
    case LOONGARCH_CSR_ASID:
        *p = FIELD_DP64(old, CSR_ASID, ASID, val);
        break;
    case LOONGARCH_CSR_MISC:
        *p = val & MISC_MASK;
        break;
    case LOONGARCH_CSR_STLBPS:
        val &= R_CSR_STLBPS_PS_MASK;
        /* Zero is what a hypervisor gives a new vCPU: no entry can match. */
        if (val && !check_ps(env, val)) {
            break;
        }
        *p = val;
        if (*p != old) {
            /* STLB entries carry no page size: the old ones mean nothing. */
            memset(env->lvz.guest_tlb, 0,
                   sizeof(LoongArchTLB) * LOONGARCH_STLB);
        }
        break;
    default:
        *p = val;
        break;
    }
    if (*p == old) {
        return;
    }
    if (csr == LOONGARCH_CSR_ASID && loongarch_guest_mode(env)) {
        /* At every process switch of a guest: spare its own kernel. */
        loongarch_asid_changed(env, FIELD_EX64(old, CSR_ASID, ASID));
    } else {
        loongarch_lvz_flush_guest(env, get_csr(csr)->name);
    }
}

/* Change the bits of @mask in a GCSR to those of @val. */
static void write_gcsr(CPULoongArchState *env, unsigned int csr,
                       uint64_t val, uint64_t mask)
{
    uint64_t *p = guest_csr(env, csr);

    if (csr == LOONGARCH_CSR_ESTAT) {
        write_guest_estat(env, val, mask);
        return;
    }
    if (~mask) {
        val = (val & mask) | (read_gcsr(env, csr) & ~mask);
    }

    switch (csr) {
    case LOONGARCH_CSR_TCFG:
    case LOONGARCH_CSR_TVAL:
    case LOONGARCH_CSR_TICLR:
        write_guest_timer(env, csr, val);
        break;
    case LOONGARCH_CSR_LLBCTL:
        write_guest_llbctl(env, val);
        break;
    case LOONGARCH_CSR_ASID:
    case LOONGARCH_CSR_MISC:
    case LOONGARCH_CSR_STLBPS:
    case LOONGARCH_CSR_RVACFG:
    case LOONGARCH_CSR_DMW(0) ... LOONGARCH_CSR_DMW(3):
        write_guest_mmu_csr(env, csr, val);
        break;
    case LOONGARCH_CSR_PRCFG1:
    case LOONGARCH_CSR_PRCFG2:
    case LOONGARCH_CSR_PRCFG3:
        /* Read-only to both: they describe this very CPU. */
        break;
    default:
        if (p) {
            *p = val;
        }
        break;
    }
}

target_ulong helper_gcsrrd(CPULoongArchState *env, uint32_t csr)
{
    return read_gcsr(env, csr);
}

target_ulong helper_gcsrxchg(CPULoongArchState *env, target_ulong val,
                             target_ulong mask, uint32_t csr)
{
    uint64_t old = read_gcsr(env, csr);

    write_gcsr(env, csr, val, mask);
    return old;
}

/*
 * Optional traps of a guest's instructions
 */

/*
 * GTLBC.TOTI, "trap on TLB invalidation": that it is GSPR is inferred from the
 * other traps; Linux keeps it clear.
 */
void helper_lvz_check_toti(CPULoongArchState *env)
{
    if (FIELD_EX64(env->lvz.CSR_GTLBC, CSR_GTLBC, TOTI)) {
        do_raise_exception(env, EXCCODE_GSPR | EXCP_LVZ_EXIT, GETPC());
    }
}

/*
 * GCFG.GCI: 0 traps every cacop, 1 lets hit-invalidates through, 2 also
 * index-invalidates (Linux comment at kvm_arch_enable_virtualization_cpu()).
 */
void helper_lvz_check_cacop(CPULoongArchState *env, uint32_t code)
{
    enum { STORE_TAG, INDEX_INVALIDATE, HIT_INVALIDATE };
    uint32_t op = extract32(code, 3, 2);
    uint32_t gci = FIELD_EX64(env->lvz.CSR_GCFG, CSR_GCFG, GCI);

    if ((op == HIT_INVALIDATE && gci >= 1) ||
        (op == INDEX_INVALIDATE && gci >= 2)) {
        return;
    }
    do_raise_exception(env, EXCCODE_GSPR | EXCP_LVZ_EXIT, GETPC());
}

/*
 * The host's LVZ CSRs
 */

target_ulong helper_csrwr_gtlbc(CPULoongArchState *env, target_ulong val)
{
    uint64_t old = env->lvz.CSR_GTLBC;

    /* TGID concerns TLB instructions only: no translation changes. */
    env->lvz.CSR_GTLBC = val & (R_CSR_GTLBC_GMTLBSZ_MASK |
                                R_CSR_GTLBC_USETGID_MASK |
                                R_CSR_GTLBC_TOTI_MASK |
                                R_CSR_GTLBC_TGID_MASK);
    return old;
}

target_ulong helper_csrwr_gstat(CPULoongArchState *env, target_ulong val)
{
    const uint64_t mask = R_CSR_GSTAT_PVM_MASK | R_CSR_GSTAT_GID_MASK;
    uint64_t old = env->lvz.CSR_GSTAT;
    uint64_t new = (old & ~mask) | (val & mask);

    env->lvz.CSR_GSTAT = new;
    if ((old ^ new) & R_CSR_GSTAT_GID_MASK) {
        loongarch_lvz_flush_gpa(env, "GSTAT.GID");
    }
    return old;
}

target_ulong helper_csrwr_gcfg(CPULoongArchState *env, target_ulong val)
{
    /*
     * Of the optional traps none exists, so their capability bits read as 0
     * and they cannot be set: which exception they raise is not public, and
     * Linux leaves them clear.  MATC has no effect in TCG.
     */
    const uint64_t mask = R_CSR_GCFG_MATC_MASK | R_CSR_GCFG_GCI_MASK;
    uint64_t old = env->lvz.CSR_GCFG;

    env->lvz.CSR_GCFG = (old & ~mask) | (val & mask);
    return old;
}

target_ulong helper_csrwr_gintc(CPULoongArchState *env, target_ulong val)
{
    uint64_t old = env->lvz.CSR_GINTC;

    BQL_LOCK_GUARD();
    /*
     * HC is stored and nothing more: public sources give it three meanings
     * that exclude each other, and no hypervisor that is known sets it.
     */
    env->lvz.CSR_GINTC = val & (R_CSR_GINTC_VIP_MASK | R_CSR_GINTC_PIP_MASK |
                                R_CSR_GINTC_HC_MASK);
    loongarch_lvz_update_guest_hwi(env);
    if (env->lvz.CSR_GINTC != old) {
        trace_lvz_gintc(env_cpu(env)->cpu_index, old, env->lvz.CSR_GINTC);
    }
    return old;
}

target_ulong helper_csrwr_trgp(CPULoongArchState *env, target_ulong val)
{
    uint64_t old = env->lvz.CSR_TRGP;

    /*
     * Stored and nothing more: by its name tlbrd leaves here whose entry it
     * has read, but how is not public, and Linux does not look.
     */
    env->lvz.CSR_TRGP = val & (R_CSR_TRGP_GTLB_MASK | R_CSR_TRGP_RID_MASK);
    return old;
}
