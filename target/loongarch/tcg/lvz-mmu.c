/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch virtualization extension (LVZ): the second translation stage
 *
 * A guest's address goes through the guest's own translation (the code of
 * cpu_helper.c on the guest's CSRs and guest_tlb), which gives a guest
 * physical address (GPA), and then through the GPA-to-HPA entries that the
 * host has filled with GTLBC.TGID set (gpa_tlb).  The softmmu holds the
 * product of both in indexes that only guests use, so neither entering nor
 * leaving a guest flushes anything.  What does is a change of GSTAT.GID, of the
 * guest's CSRs that its translation depends on (lvz-csr.c), and the TLB
 * instructions of both worlds that take an entry away.
 *
 * Every entry is tagged with its guest's GID and an entry of another guest is
 * never hit.  ASIDs are not compared in the second stage: the refill handler
 * fills entries under whatever ASID the host happens to have.
 *
 * There is no hardware page walker: a miss is the host's to refill.
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "internals.h"
#include "exec/exec-all.h"
#include "exec/cputlb.h"
#include "exec/helper-proto.h"
#include "exec/page-protection.h"
#include "trace.h"
#include "tcg/lvz.h"

static uint8_t entry_ps(const LoongArchTLB *array, const LoongArchTLB *entry,
                        uint8_t stlb_ps)
{
    return entry - array < LOONGARCH_STLB
           ? stlb_ps : FIELD_EX64(entry->tlb_misc, TLB_MISC, PS);
}

/* loongarch_lvz_translate_gpa() without a memory: changes nothing. */
static int search_gpa(CPULoongArchState *env, hwaddr gpa,
                      MMUAccessType access_type, hwaddr *hpa, int *prot)
{
    LoongArchTLB *array = env->lvz.gpa_tlb;
    uint8_t stlb_ps = FIELD_EX64(*loongarch_host_csr(env, STLBPS),
                                 CSR_STLBPS, PS);
    uint8_t gid = FIELD_EX64(env->lvz.CSR_GSTAT, CSR_GSTAT, GID);
    uint64_t entry, ppn;
    uint8_t ps;
    int index;

    /* Bit 47 of a GPA is no sign: there is no address that could be bad. */
    if (!loongarch_tlb_search_in(array, gid, LOONGARCH_ANY_ASID, stlb_ps,
                                 gpa, &index)) {
        return TLBRET_NOMATCH;
    }
    ps = entry_ps(array, &array[index], stlb_ps);
    entry = extract64(gpa, ps, 1) ? array[index].tlb_entry1
                                  : array[index].tlb_entry0;
    if (!FIELD_EX64(entry, TLBENTRY, V)) {
        return TLBRET_INVALID;
    }
    /* The privilege level is the guest's own affair: no check of PLV. */
    if (access_type == MMU_INST_FETCH && FIELD_EX64(entry, TLBENTRY_64, NX)) {
        return TLBRET_XI;
    }
    if (access_type == MMU_DATA_LOAD && FIELD_EX64(entry, TLBENTRY_64, NR)) {
        return TLBRET_RI;
    }
    if (access_type == MMU_DATA_STORE && !FIELD_EX64(entry, TLBENTRY, D)) {
        return TLBRET_DIRTY;
    }

    ppn = FIELD_EX64(entry, TLBENTRY_64, PPN) << R_TLBENTRY_64_PPN_SHIFT;
    *hpa = (ppn & ~MAKE_64BIT_MASK(0, ps)) | (gpa & MAKE_64BIT_MASK(0, ps));
    *prot = FIELD_EX64(entry, TLBENTRY_64, NR) ? 0 : PAGE_READ;
    if (FIELD_EX64(entry, TLBENTRY, D)) {
        *prot |= PAGE_WRITE;
    }
    if (!FIELD_EX64(entry, TLBENTRY_64, NX)) {
        *prot |= PAGE_EXEC;
    }
    return TLBRET_MATCH;
}

static bool permits(int prot, MMUAccessType access_type)
{
    switch (access_type) {
    case MMU_DATA_STORE:
        return prot & PAGE_WRITE;
    case MMU_INST_FETCH:
        return prot & PAGE_EXEC;
    default:
        return prot & PAGE_READ;
    }
}

int loongarch_lvz_translate_gpa(CPULoongArchState *env, hwaddr gpa,
                                MMUAccessType access_type,
                                hwaddr *hpa, int *prot)
{
    hwaddr page = gpa & TARGET_PAGE_MASK;
    LoongArchGPAPage *known =
        &env->lvz.gpa_page[(gpa >> TARGET_PAGE_BITS) % LVZ_GPA_PAGES];
    int ret;

    /* What is not permitted is looked up: it may be now. */
    if (known->gpa != page || !permits(known->prot, access_type)) {
        ret = search_gpa(env, page, access_type, &known->hpa, &known->prot);
        if (ret != TLBRET_MATCH) {
            known->gpa = GPA_PAGE_NONE;
            return ret;
        }
        known->gpa = page;
    }
    *hpa = known->hpa | (gpa & ~TARGET_PAGE_MASK);
    *prot = known->prot;
    return TLBRET_MATCH;
}

static uint32_t gpa_fault_code(MMUAccessType access_type, int tlb_error)
{
    switch (tlb_error) {
    case TLBRET_DIRTY:
        return EXCCODE_PME;
    case TLBRET_XI:
        return EXCCODE_PNX;
    case TLBRET_RI:
        return EXCCODE_PNR;
    default:
        switch (access_type) {
        case MMU_DATA_STORE:
            return EXCCODE_PIS;
        case MMU_INST_FETCH:
            return EXCCODE_PIF;
        default:
            return EXCCODE_PIL;
        }
    }
}

static const char *gpa_fault_name(MMUAccessType access_type, int tlb_error)
{
    return tlb_error == TLBRET_NOMATCH
           ? "refill"
           : loongarch_exception_name(gpa_fault_code(access_type, tlb_error));
}

void loongarch_lvz_raise_gpa_fault(CPULoongArchState *env, hwaddr gpa,
                                   MMUAccessType access_type, int tlb_error,
                                   uintptr_t retaddr)
{
    CPUState *cs = env_cpu(env);
    LoongArchCSRBank *host = &env->lvz.other;

    if (tlb_error == TLBRET_NOMATCH) {
        host->CSR_TLBRERA = FIELD_DP64(host->CSR_TLBRERA, CSR_TLBRERA,
                                       ISTLBR, 1);
        host->CSR_TLBRBADV = gpa;
        host->CSR_TLBREHI = FIELD_DP64(host->CSR_TLBREHI, CSR_TLBREHI_64,
                                       VPPN, extract64(gpa, 13, 35));
    } else {
        /* TLBEHI as for a fault of the host's own: nobody says otherwise. */
        host->CSR_BADV = gpa;
        host->CSR_TLBEHI = gpa & (TARGET_PAGE_MASK << 1);
    }
    trace_lvz_gpa_fault(cs->cpu_index,
                        FIELD_EX64(env->lvz.CSR_GSTAT, CSR_GSTAT, GID), gpa,
                        access_type == MMU_INST_FETCH ? "fetch" :
                        access_type == MMU_DATA_STORE ? "store" : "load",
                        gpa_fault_name(access_type, tlb_error));
    cs->exception_index = gpa_fault_code(access_type, tlb_error) |
                          EXCP_LVZ_EXIT;
    cpu_loop_exit_restore(cs, retaddr);
}

hwaddr loongarch_lvz_walk_gpa(CPULoongArchState *env, hwaddr addr,
                              uintptr_t retaddr)
{
    hwaddr hpa;
    int prot, ret;

    if (!loongarch_guest_mode(env)) {
        return addr;
    }
    ret = loongarch_lvz_translate_gpa(env, addr, MMU_DATA_LOAD, &hpa, &prot);
    if (ret != TLBRET_MATCH) {
        loongarch_lvz_raise_gpa_fault(env, addr, MMU_DATA_LOAD, ret, retaddr);
    }
    return hpa;
}

/*
 * The host's own table for the guest, of the format that its PWCL and PWCH
 * describe.  Reads and changes nothing: the CPU may be running.
 */
static hwaddr walk_host_table(CPULoongArchState *env, hwaddr gpa)
{
    LoongArchCSRBank *host = &env->lvz.other;
    const struct {
        uint8_t base, width;
    } dir[] = {
        { FIELD_EX64(host->CSR_PWCL, CSR_PWCL, PTBASE),
          FIELD_EX64(host->CSR_PWCL, CSR_PWCL, PTWIDTH) },
        { FIELD_EX64(host->CSR_PWCL, CSR_PWCL, DIR1_BASE),
          FIELD_EX64(host->CSR_PWCL, CSR_PWCL, DIR1_WIDTH) },
        { FIELD_EX64(host->CSR_PWCL, CSR_PWCL, DIR2_BASE),
          FIELD_EX64(host->CSR_PWCL, CSR_PWCL, DIR2_WIDTH) },
        { FIELD_EX64(host->CSR_PWCH, CSR_PWCH, DIR3_BASE),
          FIELD_EX64(host->CSR_PWCH, CSR_PWCH, DIR3_WIDTH) },
        { FIELD_EX64(host->CSR_PWCH, CSR_PWCH, DIR4_BASE),
          FIELD_EX64(host->CSR_PWCH, CSR_PWCH, DIR4_WIDTH) },
    };
    uint64_t entry = host->CSR_PGDL;
    uint64_t offset;
    int level;

    for (level = ARRAY_SIZE(dir) - 1; level >= 0; level--) {
        uint64_t index;

        if (dir[level].width == 0) {
            continue;
        }
        index = (gpa >> dir[level].base) &
                MAKE_64BIT_MASK(0, dir[level].width);
        entry = ldq_phys(env_cpu(env)->as,
                         (entry & TARGET_PHYS_MASK) | index << 3);
        if (level && FIELD_EX64(entry, TLBENTRY, HUGE)) {
            break;
        }
    }
    if (!FIELD_EX64(entry, TLBENTRY, V)) {
        return -1;
    }
    offset = MAKE_64BIT_MASK(0, dir[MAX(level, 0)].base);
    return (entry & R_TLBENTRY_64_PPN_MASK & ~offset) | (gpa & offset);
}

hwaddr loongarch_lvz_debug_gpa(CPULoongArchState *env, hwaddr gpa)
{
    hwaddr hpa;
    int prot;

    if (!loongarch_guest_mode(env)) {
        return gpa;
    }
    if (search_gpa(env, gpa, MMU_DATA_LOAD, &hpa, &prot) == TLBRET_MATCH) {
        return hpa;
    }
    return walk_host_table(env, gpa);
}

void loongarch_lvz_flush_guest(CPULoongArchState *env, const char *why)
{
    CPUState *cs = env_cpu(env);

    trace_lvz_flush(cs->cpu_index,
                    FIELD_EX64(env->lvz.CSR_GSTAT, CSR_GSTAT, GID), why);
    tlb_flush_by_mmuidx(cs, LVZ_GUEST_IDXMAP);
}

void loongarch_lvz_flush_gpa(CPULoongArchState *env, const char *why)
{
    for (int i = 0; i < LVZ_GPA_PAGES; i++) {
        env->lvz.gpa_page[i].gpa = GPA_PAGE_NONE;
    }
    loongarch_lvz_flush_guest(env, why);
}

void loongarch_lvz_flush_range(CPULoongArchState *env, vaddr addr, vaddr len,
                               uint16_t idxmap)
{
    CPUState *cs = env_cpu(env);

    if (loongarch_lvz_gpa_tlb_selected(env)) {
        loongarch_lvz_flush_gpa(env, "TLB instruction with TGID");
        return;
    }
    if (loongarch_has_lvz(env) && env->tlb == env->lvz.guest_tlb) {
        trace_lvz_flush(cs->cpu_index, env->tlb_gid, "guest's TLB or ASID");
        idxmap <<= MMU_GUEST_IDX_BASE;
    }
    tlb_flush_range_by_mmuidx(cs, addr, len, idxmap, TARGET_LONG_BITS);
}

/*
 * TLB instructions
 */

void loongarch_lvz_select_tlb(CPULoongArchState *env)
{
    uint64_t gtlbc = env->lvz.CSR_GTLBC;
    uint8_t tgid = FIELD_EX64(gtlbc, CSR_GTLBC, TGID);

    /*
     * TGID is for TLB instructions alone: what the host itself translates is
     * always of GID 0, or it could not set TGID before it enters a guest.
     * Without USETGID there is no target but the host; one emulation took
     * GSTAT.GID then, with PVM set, which nothing public supports.
     */
    /* A guest's own entries: the guest runs, or helper_gtlb() has chosen. */
    if (loongarch_guest_mode(env) || env->tlb == env->lvz.guest_tlb) {
        return;
    }
    if (tgid && FIELD_EX64(gtlbc, CSR_GTLBC, USETGID)) {
        env->tlb = env->lvz.gpa_tlb;
        env->tlb_gid = tgid;
    }
}

void loongarch_lvz_restore_tlb(CPULoongArchState *env)
{
    if (loongarch_guest_mode(env)) {
        env->tlb = env->lvz.guest_tlb;
        env->tlb_gid = FIELD_EX64(env->lvz.CSR_GSTAT, CSR_GSTAT, GID);
    } else {
        env->tlb = env->root_tlb;
        env->tlb_gid = 0;
    }
}

void helper_lvz_probe_store(CPULoongArchState *env, target_ulong addr)
{
    probe_write(env, addr, 1, cpu_mmu_index(env_cpu(env), false), GETPC());
}

/* The host's gtlb* instructions: tlb* on the guest's CSRs and entries. */
void helper_gtlb(CPULoongArchState *env, uint32_t op)
{
    BQL_LOCK_GUARD();

    loongarch_lvz_exchange_banks(env);
    env->tlb = env->lvz.guest_tlb;
    env->tlb_gid = FIELD_EX64(env->lvz.CSR_GTLBC, CSR_GTLBC, TGID);
    switch (op) {
    case LVZ_GTLBCLR:
        helper_tlbclr(env);
        break;
    case LVZ_GTLBFLUSH:
        helper_tlbflush(env);
        break;
    case LVZ_GTLBSRCH:
        helper_tlbsrch(env);
        break;
    case LVZ_GTLBRD:
        helper_tlbrd(env);
        break;
    case LVZ_GTLBWR:
        helper_tlbwr(env);
        break;
    case LVZ_GTLBFILL:
        helper_tlbfill(env);
        break;
    default:
        g_assert_not_reached();
    }
    loongarch_lvz_restore_tlb(env);
    loongarch_lvz_exchange_banks(env);
    loongarch_lvz_flush_guest(env, "gtlb instruction");
}

typedef struct InvtlbMatch {
    int gid;            /* -1: any */
    int g;              /* wanted value of G; -1: any */
    int asid;           /* -1: any */
    bool g_or_asid;     /* a global entry matches whatever its ASID */
    bool by_addr;
    uint64_t addr;
} InvtlbMatch;

static bool entry_matches(const InvtlbMatch *m, const LoongArchTLB *entry,
                          uint8_t ps)
{
    int g = FIELD_EX64(entry->tlb_entry0, TLBENTRY, G);
    int asid = FIELD_EX64(entry->tlb_misc, TLB_MISC, ASID);
    uint64_t base = FIELD_EX64(entry->tlb_misc, TLB_MISC, VPPN)
                    << R_TLB_MISC_VPPN_SHIFT;

    if (m->gid >= 0 &&
        m->gid != FIELD_EX64(entry->tlb_misc, TLB_MISC, GID)) {
        return false;
    }
    if (m->g >= 0 && m->g != g) {
        return false;
    }
    if (m->asid >= 0 && m->asid != asid && !(m->g_or_asid && g)) {
        return false;
    }
    /* An entry covers a pair of pages. */
    return !m->by_addr ||
           !(((base ^ m->addr) & TARGET_VIRT_MASK) >> (ps + 1));
}

static void invalidate_matching(LoongArchTLB *array, const InvtlbMatch *m,
                                uint8_t stlb_ps)
{
    uint64_t set = extract64(m->addr, stlb_ps + 1, 8);
    int i;

    for (i = 0; i < LOONGARCH_TLB_MAX; i++) {
        /* An address can only be in its own line of the STLB. */
        if (m->by_addr && i < LOONGARCH_STLB && i % 256 != set) {
            continue;
        }
        if (entry_matches(m, &array[i], entry_ps(array, &array[i], stlb_ps))) {
            array[i].tlb_misc = FIELD_DP64(array[i].tlb_misc, TLB_MISC, E, 0);
        }
    }
}

/*
 * invtlb operations 0 and 0x9 to 0x16, executed by the host.  @op is one of
 * those that trans_invtlb() lets through.  The softmmu is indexed by the
 * guest's virtual address, so even an operation on one GPA drops all of the
 * guests' softmmu entries.
 */
void helper_invtlb_guest(CPULoongArchState *env, uint32_t op,
                         target_ulong info, target_ulong addr)
{
    LoongArchLVZ *lvz = &env->lvz;
    uint8_t host_ps = FIELD_EX64(env->CSR_STLBPS, CSR_STLBPS, PS);
    uint8_t guest_ps = FIELD_EX64(lvz->other.CSR_STLBPS, CSR_STLBPS, PS);
    InvtlbMatch m = {
        .gid = extract64(info, 16, 8), .g = -1, .asid = -1, .addr = addr,
    };
    bool gva = true, gpa = true;

    trace_lvz_invtlb(env_cpu(env)->cpu_index, op, m.gid,
                     extract64(info, 0, 10), addr);
    switch (op) {
    case 0:                             /* all entries of host and guests */
        memset(env->root_tlb, 0, sizeof(env->root_tlb));
        tlb_flush_by_mmuidx(env_cpu(env), LVZ_HOST_IDXMAP);
        m.gid = -1;
        break;
    case 0x9:                           /* one guest's own entries */
    case 0x13:
        gpa = false;
        break;
    case 0xa:                           /* ... of G=1, ... of G=0 */
    case 0xb:
        gpa = false;
        m.g = op == 0xa;
        break;
    case 0xc:                           /* ... of an ASID */
    case 0xd:                           /* ... of an ASID and address */
        gpa = false;
        m.g = 0;
        m.asid = extract64(info, 0, 10);
        m.by_addr = op == 0xd;
        break;
    case 0xe:                           /* ... of an address, G or ASID */
        /* "and" in Linux's comment; invtlb 6 has "or", which drops more */
        gpa = false;
        m.asid = extract64(info, 0, 10);
        m.g_or_asid = true;
        m.by_addr = true;
        break;
    case 0x10:                          /* all guests' own entries */
        gpa = false;
        m.gid = -1;
        break;
    case 0x11:                          /* all second-stage entries */
        gva = false;
        m.gid = -1;
        break;
    case 0x12:                          /* all of both */
        m.gid = -1;
        break;
    case 0x14:                          /* one guest's second stage */
        gva = false;
        break;
    case 0x15:                          /* one guest's entries of both */
        break;
    case 0x16:                          /* ... that cover a GPA */
        gva = false;
        m.by_addr = true;
        break;
    default:
        g_assert_not_reached();
    }

    if (gva) {
        invalidate_matching(lvz->guest_tlb, &m, guest_ps);
    }
    if (gpa) {
        invalidate_matching(lvz->gpa_tlb, &m, host_ps);
    }
    if (gpa) {
        loongarch_lvz_flush_gpa(env, "invtlb");
    } else {
        loongarch_lvz_flush_guest(env, "invtlb");
    }
}
