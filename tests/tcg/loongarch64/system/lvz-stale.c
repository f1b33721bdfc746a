/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translations that something else than invtlb or the guest itself makes stale:
 * CSRs that the host writes, entries that it writes over, which guest a TLB
 * instruction is for, and virtualization turned off and on again.
 */
#include "lvz.h"

#define GVA     0x40000000ul
#define AT      0x300000ul
#define INDEX   (2048 + 12)

static struct vcpu vcpu;
static uint64_t *pgd;

static int load(struct vcpu *v, uint64_t pc, uint64_t addr)
{
    uint32_t code[] = { WORD("ld.d $t0, $t1, 0"), W_HVCL(HVC_DONE) };

    gcopy(GPA_CODE, code, sizeof(code));
    gcsrwr(TLBRERA, 0);
    v->gpr[R_T0] = 0xbad;
    v->gpr[R_T1] = addr;
    return run_at(v, pc);
}

static void expect_load(struct vcpu *v, bool paging, uint64_t addr,
                        uint64_t want, const char *name)
{
    int e;

    gcsrwr(CRMD, paging ? CRMD_PG : CRMD_DA);
    e = load(v, paging ? CACHED | GPA_CODE : GPA_CODE, addr);
    if (!check(hvc_code(v, e) == HVC_DONE && v->gpr[R_T0] == want, "%s",
               name)) {
        say("#   loaded 0x%lx, want 0x%lx\n", v->gpr[R_T0], want);
        dump(v, e);
    }
}

static void expect_refill(struct vcpu *v, uint64_t addr, const char *name)
{
    gcsrwr(CRMD, CRMD_PG);
    expect_hvc(v, load(v, CACHED | GPA_CODE, addr), HVC_REFILL, name);
}

static void with_tgid(uint64_t tgid, uint32_t word)
{
    struct insn i = { .word = word };

    csrxchg(GTLBC, GTLBC_TGID(tgid), GTLBC_TGID_MASK);
    try_insn(&i);
    csrxchg(GTLBC, 0, GTLBC_TGID_MASK);
}

/* An entry of GID 1 in the guest's TLB; in its STLB by gtlbfill */
static void guest_entry(uint32_t word, uint64_t va, uint64_t gpa)
{
    gcsrwr(TLBRERA, 0);
    gcsrwr(TLBIDX, TLBIDX_PS(PAGE_SHIFT) | INDEX);
    gcsrwr(TLBEHI, va);
    gcsrwr(TLBELO0, gpa | PTE_RW);
    gcsrwr(TLBELO1, (gpa + PAGE_SIZE) | PTE_RW);
    with_tgid(1, word);
}

static void ready(void)
{
    guest_reset();
    gcsrwr(DMW(0), CACHED | 0x11);
    invtlb(0x12, 0, 0);
}

static void test_guest_csrs(struct vcpu *v)
{
    ready();
    gwrite(AT, 0xa);
    gwrite(AT + 2 * PAGE_SIZE, 0xb);
    guest_entry(W_GTLBFILL, GVA, AT);
    expect_load(v, true, GVA, 0xa, "an entry of the guest's STLB");
    gcsrwr(STLBPS, 12);
    expect_refill(v, GVA, "means nothing with another guest STLBPS");
    gcsrwr(STLBPS, PAGE_SHIFT);
    invtlb(0x12, 0, 0);

    /* The same number, as an address to map and as one that is not */
    guest_entry(W_GTLBWR, AT, AT + 2 * PAGE_SIZE);
    for (int n = 0; n < 3; n++) {
        expect_load(v, true, AT, 0xb, "guest CRMD.PG by the host: mapped");
        expect_load(v, false, AT, 0xa, "guest CRMD.DA by the host: not");
    }
    gcsrwr(RVACFG, 8);
    gcsrwr(RVACFG, 0);
    expect_load(v, true, AT, 0xb, "guest RVACFG there and back");
}

static void second_entry(uint64_t gpa, uint64_t hpa, uint64_t flags)
{
    csrwr(TLBIDX, TLBIDX_PS(PAGE_SHIFT) | INDEX);
    csrwr(TLBEHI, gpa);
    csrwr(TLBELO0, hpa | flags);
    csrwr(TLBELO1, (hpa + PAGE_SIZE) | flags);
    with_tgid(1, 0x06483000);           /* tlbwr */
}

/* Second-level entries written by index, and over each other */
static void test_overwritten(struct vcpu *v)
{
    uint64_t at = 0x300000000;

    ready();
    *phys(SPARE_HPA) = 0x1;
    *phys(SPARE_HPA + 2 * PAGE_SIZE) = 0x2;
    second_entry(at, SPARE_HPA, PTE_RW);
    expect_load(v, false, at, 1, "tlbwr with TGID");
    second_entry(at, SPARE_HPA + 2 * PAGE_SIZE, PTE_RW);
    expect_load(v, false, at, 2, "tlbwr over it with TGID: seen at once");
    second_entry(at, SPARE_HPA, PTE_RW & ~PTE_V);
    gcsrwr(CRMD, CRMD_DA);
    expect_exit(v, load(v, GPA_CODE, at), EXC_PIL, "V taken away: PIL");
    second_entry(at, SPARE_HPA, PTE_RW);
    expect_load(v, false, at, 1, "V given back");
    csrwr(TLBIDX, INDEX);
    with_tgid(1, 0x06482400);           /* tlbflush: all of that part */
    expect_exit(v, load(v, GPA_CODE, at), EXC_PIL,
                "tlbflush with TGID drops it");
}

/* The host's page size is that of the second level, too */
static void test_host_stlbps(struct vcpu *v)
{
    uint64_t *host = host_tables();

    ready();
    gwrite(AT, 0xa);
    map(host, 0x1230000, SPARE_HPA, 2 * PAGE_SIZE, PTE_RW);
    *phys(SPARE_HPA) = 0x1;
    for (int n = 0; n < 2; n++) {
        expect_load(v, false, AT, 0xa, "a guest's page");
        check_eq(host_load(0x1230000), 1, "and one of the host");
        csrwr(STLBPS, n ? PAGE_SHIFT : 12);
        expect_load(v, false, AT, 0xa, "right with another host STLBPS");
        check_eq(host_load(0x1230000), 1, "the host, too");
    }
    csrwr(STLBPS, PAGE_SHIFT);
}

/* The guest's TLB instructions are for GSTAT.GID whatever TGID says */
static void test_other_tgid(struct vcpu *v)
{
    uint32_t code[] = { WORD("tlbwr"), W_HVCL(HVC_DONE) };

    ready();
    gwrite(AT, 0xa);
    gcsrwr(CRMD, CRMD_PG);
    gcsrwr(TLBIDX, TLBIDX_PS(PAGE_SHIFT) | INDEX);
    gcsrwr(TLBEHI, GVA);
    gcsrwr(TLBELO0, AT | PTE_RW);
    gcsrwr(TLBELO1, AT | PTE_RW);
    load(v, CACHED | GPA_CODE, CACHED | AT);    /* the pages are there */
    gcopy(GPA_CODE, code, sizeof(code));
    run_at(v, CACHED | GPA_CODE);               /* so is this code */
    invtlb(0x10, 0, 0);
    gcsrwr(TLBIDX, TLBIDX_PS(PAGE_SHIFT) | INDEX);
    v->gid = 7;                                 /* TGID alone */
    expect_hvc(v, run_at(v, CACHED | GPA_CODE), HVC_DONE,
               "guest tlbwr with another TGID");
    v->gid = 1;
    expect_load(v, true, GVA, 0xa, "makes an entry of its own GID");
    set_gid(v, 7);
    expect_refill(v, GVA, "and none of TGID");
    set_gid(v, 1);
    check_eq(csrrd(TLBEHI) == GVA, 0, "the host's operands are not used");
}

/* Without USETGID the host's TLB instructions are for the host */
static void test_no_usetgid(void)
{
    uint64_t *host = host_tables();

    map(host, 0x1230000, SPARE_HPA, 2 * PAGE_SIZE, PTE_RW);
    csrxchg(GTLBC, 0, GTLBC_USETGID);
    host_load(0x1230000);
    csrwr(TLBEHI, 0x1230000);
    csrwr(TLBIDX, 0);
    with_tgid(1, 0x06482800);           /* tlbsrch */
    check_eq(csrrd(TLBIDX) & TLBIDX_NE, 0,
             "USETGID 0: tlbsrch finds the host's entry whatever TGID is");
    csrxchg(GTLBC, GTLBC_USETGID, GTLBC_USETGID);
    csrwr(TLBIDX, 0);
    with_tgid(1, 0x06482800);
    check_eq(csrrd(TLBIDX) & TLBIDX_NE, TLBIDX_NE, "USETGID 1: it does not");
}

/* As Linux takes a CPU offline and brings it back */
static void test_disable(struct vcpu *v)
{
    struct insn i = { .word = W_SYSCALL };
    uint64_t old = GRAM_HPA + AT;

    for (int n = 0; n < 3; n++) {
        ready();
        set_gid(v, 1);
        gwrite(AT, 0xa);
        *phys(SPARE_HPA) = 0x9;
        guest_entry(W_GTLBWR, GVA, AT);
        expect_load(v, true, GVA, 0xa, "a guest, enabled");
        csrwr(GINTC, 0xff);
        csrwr(GCFG, 0);
        csrwr(GSTAT, 0);
        csrwr(GINTC, 0);
        csrxchg(GTLBC, 0, GTLBC_USETGID | GTLBC_TOTI);
        insn_word(W_INVTLB(0x12, 0, 0));
        check_eq(csrrd(GSTAT), 8 << 4, "disabled: GSTAT");
        check_eq(csrrd(GTLBC) & (GTLBC_USETGID | GTLBC_TOTI), 0, "GTLBC");
        check_eq(gcsrrd(ESTAT) & IS_ALL, 0, "guest ESTAT");
        try_insn(&i);
        check(i.trapped && ESTAT_ECODE(i.estat) == EXC_SYS,
              "the host goes on");
        *table_slot(pgd, AT, false) = SPARE_HPA | PTE_RW;
        lvz_enable();
        set_gid(v, 1);
        expect_refill(v, GVA, "enabled again: no entry of the guest's is left");
        expect_load(v, false, AT, 9, "nor one of the second level");
        *table_slot(pgd, AT, false) = old | PTE_RW;
    }
}

void lvz_test(void)
{
    lvz_enable();
    vcpu_init(&vcpu, 1);
    pgd = (void *)(vcpu.pgd | CACHED);
    test_guest_csrs(&vcpu);
    test_overwritten(&vcpu);
    test_host_stlbps(&vcpu);
    test_other_tgid(&vcpu);
    test_no_usetgid();
    test_disable(&vcpu);
}
