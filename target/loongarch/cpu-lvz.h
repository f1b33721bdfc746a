/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch virtualization extension (LVZ): state of the emulation
 *
 * A CPU with LVZ has two banks of CSRs, one for the host and one for the
 * guest.  The bank of the world that runs always lives in CPULoongArchState
 * itself (env->CSR_*), so that every instruction, exception and TLB helper
 * works on the right one unchanged.  The bank of the other world waits in
 * LoongArchLVZ.other, and a world switch exchanges the two.
 *
 * This header declares the state and what the rest of the target needs of it.
 * It deliberately knows nothing of translation: see tcg/lvz-*.c.
 */

#ifndef LOONGARCH_CPU_LVZ_H
#define LOONGARCH_CPU_LVZ_H

/*
 * Flag in CPUState.exception_index: the exception leaves the guest and is
 * taken by the host.  It is below EXCP_INTERRUPT and above every exception
 * code, sub-code included.
 */
#define EXCP_LVZ_EXIT           0x8000

/* The CSRs of which host and guest have one each (SAVE and DMW apart). */
#define LVZ_FOREACH_BANKED_CSR(X)                                       \
    X(CRMD) X(PRMD) X(EUEN) X(MISC) X(ECFG) X(ESTAT) X(ERA) X(BADV)     \
    X(BADI) X(EENTRY) X(TLBIDX) X(TLBEHI) X(TLBELO0) X(TLBELO1)         \
    X(ASID) X(PGDL) X(PGDH) X(PWCL) X(PWCH) X(STLBPS) X(RVACFG)         \
    X(CPUID) X(PRCFG1) X(PRCFG2) X(PRCFG3) X(TID) X(TCFG) X(TVAL)       \
    X(CNTC) X(LLBCTL) X(TLBRENTRY) X(TLBRBADV) X(TLBRERA) X(TLBRSAVE)   \
    X(TLBRELO0) X(TLBRELO1) X(TLBREHI) X(TLBRPRMD)

/*
 * la464 has eight SAVE registers; a guest sees no more than are banked, since
 * a hypervisor switches no others (Linux: KVM saves KS0 to KS7).
 */
#define LVZ_BANKED_SAVE         8
#define LVZ_BANKED_DMW          4

/* One world's CSRs, while the other one runs. */
typedef struct LoongArchCSRBank {
#define LVZ_BANK_FIELD(name) uint64_t CSR_##name;
    LVZ_FOREACH_BANKED_CSR(LVZ_BANK_FIELD)
#undef LVZ_BANK_FIELD
    uint64_t CSR_SAVE[LVZ_BANKED_SAVE];
    uint64_t CSR_DMW[LVZ_BANKED_DMW];
} LoongArchCSRBank;

/**
 * LoongArchGuestTimer: the guest's stable timer (GCSR TCFG, TVAL)
 * @deadline: counter value at which the count reaches zero; valid while
 *            GTCFG.EN is set and @fired is not
 * @fired: a one-shot timer has expired: TVAL stands at minus one
 *
 * The count runs on while the host runs, so it is kept as an absolute time.
 * While GTCFG.EN is clear the count stands in the guest bank's CSR_TVAL.
 * All of it is accessed with the BQL held.
 */
typedef struct LoongArchGuestTimer {
    uint64_t deadline;
    bool fired;
} LoongArchGuestTimer;

/**
 * LoongArchGPAPage: a page whose second-stage translation is known
 * @gpa: its guest physical address, or GPA_PAGE_NONE
 * @hpa: its host physical address
 * @prot: PAGE_READ, PAGE_WRITE and PAGE_EXEC, as the second stage permits
 */
typedef struct LoongArchGPAPage {
    uint64_t gpa;
    uint64_t hpa;
    int prot;
} LoongArchGPAPage;

#define GPA_PAGE_NONE           UINT64_MAX
#define LVZ_GPA_PAGES           256

/**
 * LoongArchLVZ: everything that a CPU with LVZ has beyond one without it
 * @CSR_GTLBC: as the others below, a CSR that is the host's alone
 * @other: the CSRs of the world that does not run
 * @guest_tlb: GVA-to-GPA entries of guests, tagged with their GID
 * @gpa_tlb: GPA-to-HPA entries, tagged with the GID of their guest
 * @gpa_page: what was found in @gpa_tlb for the guest of GSTAT.GID lately;
 *            it lives as long as the softmmu's entries of the guest's direct
 *            addresses do, see loongarch_lvz_flush_gpa()
 * @parked: the address space of the guest that is kept beside its current one
 *
 * The mode (GSTAT.VM) and both banks' ESTAT are changed with the BQL held,
 * since interrupt lines and timers are raised by other threads.  All else is
 * only touched by the vCPU's own thread.
 */
typedef struct LoongArchLVZ {
    uint64_t CSR_GTLBC;
    uint64_t CSR_TRGP;
    uint64_t CSR_GSTAT;
    uint64_t CSR_GCFG;
    uint64_t CSR_GINTC;
    uint64_t CSR_GCNTC;

    LoongArchCSRBank other;
    LoongArchGuestTimer timer;

    LoongArchTLB *guest_tlb;
    LoongArchTLB *gpa_tlb;
    LoongArchGPAPage gpa_page[LVZ_GPA_PAGES];
    LoongArchParkedASID parked;
} LoongArchLVZ;

#endif /* LOONGARCH_CPU_LVZ_H */
