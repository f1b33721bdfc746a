/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * First translation stage, GVA to GPA: the guest's TLB, refill handler, page
 * tables and faults, all without the host, and their interplay with the second
 * stage.  The guest's code runs in a direct map window, its data is mapped.
 */
#include "lvz.h"

#define GVA         0x40000000ul        /* 32 MiB aligned */
#define GVA2        0x52340000ul
#define CODE_VA     (CACHED | GPA_CODE)
/* tlbfill may drop any entry of a set; these are in the other part and last */
#define INDEX(n)    (2048 + (n))
#define W_LD        WORD("ld.d $t0, $t1, 0")
#define W_ST        WORD("st.d $t0, $t1, 0")

static struct vcpu vcpu;
static uint64_t *pgd;                   /* second stage */
static uint64_t next_table;             /* GPA of the next guest table */
static uint64_t guest_pgd;
static uint64_t invalid[2];

/* ---- guest page tables, in guest memory, with GPAs in them ---- */

static uint64_t galloc(uint64_t fill)
{
    uint64_t gpa = next_table;

    next_table += PAGE_SIZE;
    for (int n = 0; n < PTRS_PER_TABLE; n++) {
        gwrite(gpa + 8 * n, fill);
    }
    return gpa;
}

static uint64_t gslot(uint64_t va, bool huge)
{
    uint64_t slot = guest_pgd + 8 * ((va >> 36) % PTRS_PER_TABLE);
    uint64_t table = gread(slot);

    if (table == invalid[1]) {
        table = galloc(invalid[0]);
        gwrite(slot, table);
    }
    slot = table + 8 * ((va >> HUGE_SHIFT) % PTRS_PER_TABLE);
    if (huge) {
        return slot;
    }
    table = gread(slot);
    if (table == invalid[0]) {
        table = galloc(0);
        gwrite(slot, table);
    }
    return table + 8 * ((va >> PAGE_SHIFT) % PTRS_PER_TABLE);
}

static void gmap(uint64_t va, uint64_t gpa, uint64_t flags)
{
    gwrite(gslot(va, false), gpa | flags);
}

static uint64_t refills(void)
{
    return gcsrrd(KS(0));
}

/* The guest in paging mode, its own refill handler in place or not */
static void paging(bool handler)
{
    guest_reset();
    gcsrwr(DMW(0), CACHED | 0x11);
    gcsrwr(CRMD, CRMD_PG);
    gcsrwr(EENTRY, CACHED | GPA_EENTRY);
    gcsrwr(PGDL, guest_pgd);
    gcsrwr(PGDH, guest_pgd);
    gcsrwr(ASID, 1);
    gcsrwr(KS(0), 0);
    if (handler) {
        gload(GPA_TLBR, guest_refill);
    }
}

static int at(struct vcpu *v, uint32_t word, uint64_t addr)
{
    uint32_t code[] = { word, W_HVCL(HVC_DONE) };

    gcopy(GPA_CODE, code, sizeof(code));
    v->gpr[R_T1] = addr;
    v->gpr[R_T0] = 0xbad;
    return run_at(v, CODE_VA);
}

static void expect_load(struct vcpu *v, uint64_t addr, uint64_t want,
                        const char *name)
{
    int e = at(v, W_LD, addr);

    if (!check(hvc_code(v, e) == HVC_DONE && v->gpr[R_T0] == want, "%s",
               name)) {
        say("#   loaded 0x%lx, want 0x%lx\n", v->gpr[R_T0], want);
        dump(v, e);
    }
}

/* All entries of the guest go, by its own doing */
static void flush_guest(struct vcpu *v)
{
    at(v, W_INVTLB(0, 0, 0), 0);
}

static void test_refill_vector(struct vcpu *v)
{
    int e;

    paging(false);
    gcsrwr(CRMD, CRMD_PG | CRMD_IE);
    e = at(v, W_LD, GVA + 0x18);
    expect_hvc(v, e, HVC_REFILL, "a miss enters the guest's refill vector");
    check_eq(v->era, GPA_TLBR, "in direct address mode");
    check_eq(gcsrrd(TLBRBADV), GVA + 0x18, "guest TLBRBADV");
    check_eq(gcsrrd(TLBRERA), CODE_VA | TLBRERA_ISTLBR, "guest TLBRERA");
    check_eq((gcsrrd(TLBREHI) >> 13) & 0x7ffffffff, GVA >> 13,
             "guest TLBREHI.VPPN");
    check_eq(gcsrrd(TLBREHI) & 0x3f, PAGE_SHIFT, "guest TLBREHI.PS is kept");
    check_eq(gcsrrd(TLBRPRMD) & 0xf, PRMD_PIE, "guest TLBRPRMD");
    check_eq(gcsrrd(CRMD) & 0x1f, CRMD_DA, "guest CRMD");
    check_eq(v->tlbrera & 1, 0, "no refill in the host");

    paging(false);
    *table_slot(pgd, GPA_TLBR, false) = 0;
    flush_gpa(v, GPA_TLBR);
    e = at(v, W_LD, GVA + 0x20);
    expect_exit(v, e, EXC_PIF, "refill vector's page not there: host PIF");
    check_eq(v->badv, GPA_TLBR, "BADV is the vector's GPA");
    check_eq(gcsrrd(TLBRBADV), GVA + 0x20, "guest TLBRBADV: its own miss");
    check_eq(gcsrrd(CRMD) & 0x1f, CRMD_DA, "guest CRMD: in its handler");
    *table_slot(pgd, GPA_TLBR, false) = (GRAM_HPA + GPA_TLBR) | PTE_RW;
    flush_gpa(v, GPA_TLBR);
    e = run(v);
    expect_hvc(v, e, HVC_REFILL, "and goes on when the page is there");
}

static void test_walk(struct vcpu *v)
{
    uint64_t gpa = 0x1d0000, slot;
    uint32_t lddir = WORD("lddir $t0, $t0, 3");
    int e;

    gmap(GVA, gpa, PTE_RW | PTE_PLV3);
    gmap(GVA + PAGE_SIZE, gpa + 5 * PAGE_SIZE, PTE_RW | PTE_PLV3);
    gwrite(gpa + 0x10, 0xace0);
    gwrite(gpa + 5 * PAGE_SIZE + 0x10, 0xace1);
    paging(true);
    invtlb(0x12, 0, 0);
    expect_load(v, GVA + 0x10, 0xace0, "load through both stages");
    check_eq(refills(), 1, "one guest refill");
    expect_load(v, GVA + PAGE_SIZE + 0x10, 0xace1, "the odd page");
    check_eq(refills(), 1, "came with it");
    e = at(v, W_ST, GVA + 0x20);
    expect_hvc(v, e, HVC_DONE, "store through both stages");
    check_eq(gread(gpa + 0x20), 0xbad, "arrives");
    e = at(v, W_LD, GVA + PAGE_SIZE - 4);
    expect_hvc(v, e, HVC_DONE, "load across pages that are apart");
    expect_load(v, GVA + 0x10, 0xace0, "exits do not cost guest entries");
    check_eq(refills(), 1, "still one guest refill");

    /* The walk's own loads are GPAs: a missing table page is the host's */
    flush_guest(v);
    slot = guest_pgd + 8 * (GVA >> 36);
    *table_slot(pgd, guest_pgd, false) = 0;
    flush_gpa(v, guest_pgd);
    e = at(v, W_LD, GVA + 0x10);
    expect_exit(v, e, EXC_PIL, "lddir from a GPA that is not there: host PIL");
    check_eq(v->badv, slot, "BADV is the GPA of the entry");
    check_eq(v->era, GPA_TLBR + 8, "ERA is the lddir");
    check_eq(v->badi, lddir, "BADI is the lddir");
    check_eq(gcsrrd(TLBRERA) & 1, 1, "the guest is in its refill handler");
    *table_slot(pgd, guest_pgd, false) = (GRAM_HPA + guest_pgd) | PTE_RW;
    flush_gpa(v, guest_pgd);
    e = run(v);
    expect_hvc(v, e, HVC_DONE, "which then goes on");
    check_eq(v->gpr[R_T0], 0xace0, "to the right word");

    flush_guest(v);
    slot = gslot(GVA, false);
    *table_slot(pgd, slot, false) = 0;
    flush_gpa(v, slot);
    e = at(v, W_LD, GVA + PAGE_SIZE + 0x10);
    expect_exit(v, e, EXC_PIL, "ldpte from a GPA that is not there: host PIL");
    check_eq(v->badv, slot, "BADV is the GPA of the even entry");
    check_eq(v->badi, WORD("ldpte $t0, 0"), "BADI is the ldpte");
    *table_slot(pgd, slot, false) = ((GRAM_HPA + slot) & ~(PAGE_SIZE - 1))
                                    | PTE_RW;
    flush_gpa(v, slot);
    e = run(v);
    expect_hvc(v, e, HVC_DONE, "which then goes on");
    check_eq(v->gpr[R_T0], 0xace1, "to the right word");
}

GUEST_CODE(guest_turns_paging,
    "csrxchg $t2, $t3, 0x0\n"
    "ld.d $t0, $t1, 0\n"
    "GUEST_DONE");

/* The upper half has its own tables; paging is the guest's to turn on */
static void test_halves(struct vcpu *v)
{
    uint64_t gpa = 0x1d0000, lower = guest_pgd, upper = galloc(invalid[1]);
    uint64_t high = 0xffff800000000000 | GVA;
    int e;

    guest_pgd = upper;
    gmap(high, gpa + 5 * PAGE_SIZE, PTE_RW);
    guest_pgd = lower;
    paging(true);
    gcsrwr(PGDH, upper);
    flush_guest(v);
    expect_load(v, high + 0x10, 0xace1, "upper half by PGDH");
    check_eq(gcsrrd(TLBRBADV), high + 0x10, "guest TLBRBADV is extended");
    expect_load(v, GVA + 0x10, 0xace0, "lower half by PGDL");
    expect_load(v, high + 0x10, 0xace1, "upper half again");
    expect_guest_exc(v, at(v, W_LD, 0x4000000000000000 | GVA), EXC_ADE,
                     "neither half: guest ADEM");

    paging(true);
    gcsrwr(CRMD, CRMD_DA);
    gload(GPA_CODE, guest_turns_paging);
    v->gpr[R_T1] = GVA + 0x10;
    v->gpr[14] = CRMD_PG;
    v->gpr[15] = CRMD_PG | CRMD_DA;
    e = run_at(v, CODE_VA);
    expect_hvc(v, e, HVC_DONE, "guest turns its paging on");
    check_eq(v->gpr[R_T0], 0xace0, "and uses it at once");
    gwrite(0x300010, 0xda);
    v->gpr[R_T1] = 0x300010;
    v->gpr[14] = CRMD_DA;
    e = run_at(v, CODE_VA);
    expect_hvc(v, e, HVC_DONE, "guest turns its paging off");
    check_eq(v->gpr[R_T0], 0xda, "and is in direct address mode at once");
}

/* Faults of the guest's own entries are the guest's, all of them */
static void test_faults(struct vcpu *v)
{
    static const struct {
        uint64_t flags;
        int kind;                       /* 0 load, 1 store, 2 fetch */
        int plv;
        int ecode;
        const char *name;
    } faults[] = {
        { PTE_RW & ~PTE_V, 0, 0, EXC_PIL, "guest V=0, load: guest PIL" },
        { PTE_RW & ~PTE_V, 1, 0, EXC_PIS, "guest V=0, store: guest PIS" },
        { PTE_RW & ~PTE_V, 2, 0, EXC_PIF, "guest V=0, fetch: guest PIF" },
        { PTE_RO, 1, 0, EXC_PME, "guest D=0, store: guest PME" },
        { PTE_RW | PTE_NR, 0, 0, EXC_PNR, "guest NR, load: guest PNR" },
        { PTE_RW | PTE_NX, 2, 0, EXC_PNX, "guest NX, fetch: guest PNX" },
        { PTE_RW, 0, 3, EXC_PPI, "guest PLV, load: guest PPI" },
    };
    uint64_t gpa = 0x1e8000;
    int e;

    for (size_t n = 0; n < sizeof(faults) / sizeof(faults[0]); n++) {
        paging(true);
        gcsrwr(DMW(0), CACHED | 0x19);
        gcsrwr(CRMD, CRMD_PG | faults[n].plv);
        gmap(GVA2, gpa, faults[n].flags);
        e = at(v, W_INVTLB(0, 0, 0), 0);
        gcsrwr(CRMD, CRMD_PG | faults[n].plv);
        if (faults[n].kind == 2) {
            e = run_at(v, GVA2 + 8);
        } else {
            e = at(v, faults[n].kind ? W_ST : W_LD, GVA2 + 8);
        }
        expect_guest_exc(v, e, faults[n].ecode, faults[n].name);
        check_eq(gcsrrd(BADV), GVA2 + 8, "guest BADV is the GVA");
        check_eq(gcsrrd(ERA), faults[n].kind == 2 ? GVA2 + 8 : CODE_VA,
                 "guest ERA");
        check_eq((gcsrrd(TLBEHI) >> 15) & 0x1ffffffff, GVA2 >> 15,
                 "guest TLBEHI.VPPN");
        check_eq(gcsrrd(PRMD) & 3, faults[n].plv, "guest PRMD");
    }
}

/* Which stage answers when both, or only one, object */
static void test_order(struct vcpu *v)
{
    static const struct {
        uint64_t s1, s2;
        bool store;
        bool host;
        int ecode;
        const char *name;
    } cases[] = {
        { PTE_RW & ~PTE_V, 0, false, false, EXC_PIL, "V: 0 and 0" },
        { PTE_RW, 0, false, true, EXC_PIL, "V: 1 and 0" },
        { PTE_RW, 0, true, true, EXC_PIS, "V: 1 and 0, store" },
        { PTE_RO, PTE_RO, true, false, EXC_PME, "D: 0 and 0" },
        { PTE_RO, PTE_RW, true, false, EXC_PME, "D: 0 and 1" },
        { PTE_RW, PTE_RO, true, true, EXC_PME, "D: 1 and 0" },
        { PTE_RO, 0, true, false, EXC_PME, "D 0 and V 0" },
        { PTE_RW, PTE_RW, true, true, -1, "D: 1 and 1" },
    };
    const uint32_t words[] = { W_LD, W_ST };
    uint64_t gpa = 0x1f0000;

    for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
        uint64_t off = 0x1238;
        int e;

        paging(true);
        gmap(GVA2, gpa, cases[n].s1);
        e = at(v, W_INVTLB(0, 0, 0), 0);
        *table_slot(pgd, gpa, false) = 0;
        if (cases[n].s2) {
            *table_slot(pgd, gpa, false) = (GRAM_HPA + gpa) | cases[n].s2;
        }
        flush_gpa(v, gpa);
        if (cases[n].store && (cases[n].s2 & PTE_V)) {
            at(v, W_LD, GVA2 + off);    /* readable: cached before the store */
        }
        e = at(v, words[cases[n].store], GVA2 + off);
        if (cases[n].ecode < 0) {
            expect_hvc(v, e, HVC_DONE, cases[n].name);
            check_eq(gread(gpa + off), 0xbad, "%s: stored", cases[n].name);
        } else if (cases[n].host) {
            expect_exit(v, e, cases[n].ecode, cases[n].name);
            check_eq(v->badv, gpa + off, "%s: BADV is the GPA", cases[n].name);
            check_eq(v->era, CODE_VA, "%s: ERA is the GVA", cases[n].name);
        } else {
            expect_guest_exc(v, e, cases[n].ecode, cases[n].name);
            check_eq(gcsrrd(BADV), GVA2 + off, "%s: guest BADV is the GVA",
                     cases[n].name);
        }
    }
}

/* A guest entry straight from the registers, through tlbwr or tlbfill */
static void put_entry(struct vcpu *v, uint32_t insn, unsigned ps,
                      uint64_t index, uint64_t va, uint64_t lo0, uint64_t lo1)
{
    gcsrwr(TLBRERA, 0);
    gcsrwr(TLBIDX, TLBIDX_PS(ps) | index);
    gcsrwr(TLBEHI, va);
    gcsrwr(TLBELO0, lo0);
    gcsrwr(TLBELO1, lo1);
    at(v, insn, 0);
}

static void test_asid(struct vcpu *v)
{
    uint64_t a = 0x210000, b = 0x220000;
    uint32_t asid = W_CSRWR(R_T1, ASID);

    gwrite(a, 0xa);
    gwrite(b, 0xb);
    paging(false);
    flush_guest(v);
    gcsrwr(ASID, 1);
    put_entry(v, WORD("tlbwr"), PAGE_SHIFT, INDEX(0), GVA2, a | PTE_RW,
              a | PTE_RW);
    expect_load(v, GVA2, 0xa, "an entry of ASID 1");
    gcsrwr(ASID, 2);
    expect_hvc(v, at(v, W_LD, GVA2), HVC_REFILL, "is not one of ASID 2");
    gcsrwr(CRMD, CRMD_PG);
    put_entry(v, WORD("tlbwr"), PAGE_SHIFT, INDEX(1), GVA2, b | PTE_RW,
              b | PTE_RW);
    expect_load(v, GVA2, 0xb, "an entry of ASID 2");
    gcsrwr(ASID, 1);
    expect_load(v, GVA2, 0xa, "back to ASID 1, by the host");
    at(v, asid, 2);
    expect_load(v, GVA2, 0xb, "back to ASID 2, by the guest");
    at(v, asid, 3);
    put_entry(v, WORD("tlbwr"), PAGE_SHIFT, INDEX(2), GVA, a | PTE_RW | PTE_G,
              b | PTE_RW | PTE_G);
    at(v, asid, 1);
    expect_load(v, GVA, 0xa, "a global entry");
    at(v, asid, 2);
    expect_load(v, GVA + PAGE_SIZE, 0xb, "a global entry, odd page");
}

static void test_sizes(struct vcpu *v)
{
    uint64_t gpa = 0x240000, count;

    for (int n = 0; n < 16; n++) {
        gwrite(gpa + n * 0x1000 + 8, 0x100 + n);
    }
    paging(false);
    flush_guest(v);
    gcsrwr(STLBPS, 12);
    put_entry(v, WORD("tlbfill"), 12, 0, GVA2, (gpa + 0x5000) | PTE_RW,
              (gpa + 0x2000) | PTE_RW);
    expect_load(v, GVA2 + 8, 0x105, "4K entry with guest STLBPS 12");
    expect_load(v, GVA2 + 0x1008, 0x102, "its odd page");
    expect_hvc(v, at(v, W_LD, GVA2 + 0x2008), HVC_REFILL, "and no more");
    gcsrwr(TLBRERA, 0);
    gcsrwr(CRMD, CRMD_PG);
    put_entry(v, WORD("tlbfill"), 16, 0, GVA, gpa | PTE_RW, gpa | PTE_RW);
    expect_load(v, GVA + 0xf008, 0x10f, "64K entry beside it");
    expect_load(v, GVA + 0x13008, 0x103, "its odd page");
    flush_guest(v);
    gcsrwr(STLBPS, 14);
    put_entry(v, WORD("tlbwr"), 12, INDEX(7), GVA2, (gpa + 0x7000) | PTE_RW,
              (gpa + 0x1000) | PTE_RW);
    expect_load(v, GVA2 + 8, 0x107, "4K entry with guest STLBPS 14");
    expect_load(v, GVA2 + 0x1008, 0x101, "its odd page");

    /* A guest huge page over small host pages, by ldpte */
    paging(true);
    flush_guest(v);
    gwrite(gslot(GVA + HUGE_SIZE, true), 0 | PTE_HUGE | PTE_RW);
    count = refills();
    expect_load(v, GVA + HUGE_SIZE + gpa + 8, 0x100, "guest huge page");
    expect_load(v, GVA + HUGE_SIZE + gpa + 0xf008, 0x10f, "same, elsewhere");
    check_eq(refills(), count + 1, "one guest refill for it");
    check_eq(gcsrrd(TLBREHI) & 0x3f, HUGE_SHIFT - 1, "guest TLBREHI.PS");
    expect_exit(v, at(v, W_LD, GVA + HUGE_SIZE + GRAM_SIZE + 0x18), EXC_PIL,
                "guest huge page, host page not there: host PIL");
    check_eq(v->badv, GRAM_SIZE + 0x18, "BADV is the GPA");
    gwrite(gslot(GVA + HUGE_SIZE, true), invalid[0]);
    flush_guest(v);
}

static void test_search(struct vcpu *v)
{
    uint64_t gpa = 0x260000;
    uint64_t index = INDEX(9);

    paging(false);
    flush_guest(v);
    put_entry(v, WORD("tlbwr"), PAGE_SHIFT, index, GVA2, gpa | PTE_RW,
              (gpa + PAGE_SIZE) | PTE_RO);
    gcsrwr(TLBIDX, 0);
    gcsrwr(TLBEHI, GVA2);
    expect_hvc(v, at(v, WORD("tlbsrch"), 0), HVC_DONE, "guest tlbsrch");
    check_eq(gcsrrd(TLBIDX) & (TLBIDX_NE | 0xfff), index, "finds it");
    gcsrwr(TLBEHI, 0);
    gcsrwr(TLBELO0, 0);
    gcsrwr(TLBELO1, 0);
    expect_hvc(v, at(v, WORD("tlbrd"), 0), HVC_DONE, "guest tlbrd");
    check_eq(gcsrrd(TLBEHI) & 0xffffffff8000, GVA2, "reads its VPPN");
    check_eq(gcsrrd(TLBELO0) & 0xfffffffff003, gpa | PTE_V | PTE_D, "TLBELO0");
    check_eq(gcsrrd(TLBELO1) & 0xfffffffff003, (gpa + PAGE_SIZE) | PTE_V,
             "TLBELO1");
    check_eq((gcsrrd(TLBIDX) >> 24) & 0x3f, PAGE_SHIFT, "PS");
    gcsrwr(TLBEHI, GVA);
    at(v, WORD("tlbsrch"), 0);
    check_eq(gcsrrd(TLBIDX) & TLBIDX_NE, TLBIDX_NE, "NE for one not there");

    /* An index past the end must harm nobody */
    gcsrwr(TLBIDX, 0xfff | TLBIDX_PS(PAGE_SHIFT));
    expect_hvc(v, at(v, WORD("tlbrd"), 0), HVC_DONE, "tlbrd, index 4095");
    gcsrwr(TLBIDX, 0xfff | TLBIDX_PS(PAGE_SHIFT));
    gcsrwr(ASID, 1);
    expect_hvc(v, at(v, WORD("tlbwr"), 0), HVC_DONE, "tlbwr, index 4095");
    paging(false);
}

/*
 * What each operation must drop.  It may drop more, so an entry that need not
 * go is not looked for; the two wrong ways are to keep and to harm.
 */
static void test_invtlb(struct vcpu *v)
{
    static const struct {
        uint64_t global;
        int op;
        const char *name;
    } ops[] = {
        { 0, 0, "invtlb 0" }, { PTE_G, 0, "invtlb 0, global" },
        { 0, 1, "invtlb 1" }, { PTE_G, 1, "invtlb 1, global" },
        { PTE_G, 2, "invtlb 2, global" },
        { 0, 3, "invtlb 3" },
        { 0, 4, "invtlb 4" },
        { 0, 5, "invtlb 5" },
        { 0, 6, "invtlb 6" }, { PTE_G, 6, "invtlb 6, global" },
    };
    uint64_t gpa = 0x280000;

    gwrite(gpa, 0x1);
    for (size_t n = 0; n < sizeof(ops) / sizeof(ops[0]); n++) {
        uint32_t word = W_INVTLB(0, R_T0, R_T1) | ops[n].op;
        uint32_t code[] = { word, W_HVCL(HVC_DONE) };
        uint64_t lo = gpa | PTE_RW | ops[n].global;

        paging(false);
        flush_guest(v);
        put_entry(v, WORD("tlbfill"), PAGE_SHIFT, 0, GVA2, lo, lo);
        expect_load(v, GVA2, 1, ops[n].name);
        gcopy(GPA_CODE, code, sizeof(code));
        v->gpr[R_T0] = 1;               /* ASID */
        v->gpr[R_T1] = GVA2;
        run_at(v, CODE_VA);
        expect_hvc(v, at(v, W_LD, GVA2), HVC_REFILL, "drops it");
    }
    paging(false);
    flush_guest(v);
    put_entry(v, WORD("tlbwr"), PAGE_SHIFT, INDEX(3), GVA2, gpa | PTE_RW,
              gpa | PTE_RW);
    expect_load(v, GVA2, 1, "tlbwr");
    gcsrwr(TLBIDX, INDEX(3) | TLBIDX_NE);
    at(v, WORD("tlbwr"), 0);
    expect_hvc(v, at(v, W_LD, GVA2), HVC_REFILL, "tlbwr with NE drops it");
    paging(false);
    put_entry(v, WORD("tlbwr"), PAGE_SHIFT, INDEX(3), GVA2, gpa | PTE_RW,
              gpa | PTE_RW);
    expect_load(v, GVA2, 1, "tlbwr");
    gwrite(gpa + PAGE_SIZE, 0x2);
    put_entry(v, WORD("tlbwr"), PAGE_SHIFT, INDEX(3), GVA2,
              (gpa + PAGE_SIZE) | PTE_RW, gpa | PTE_RW);
    expect_load(v, GVA2, 2, "tlbwr over it changes the mapping");
    put_entry(v, WORD("tlbwr"), PAGE_SHIFT, INDEX(3), GVA2,
              (gpa + PAGE_SIZE) | PTE_RO, gpa | PTE_RW);
    expect_guest_exc(v, at(v, W_ST, GVA2), EXC_PME, "tlbwr over it takes D");
    gcsrwr(CRMD, CRMD_PG);
    gcsrwr(TLBIDX, INDEX(0));
    at(v, WORD("tlbflush"), 0);
    expect_hvc(v, at(v, W_LD, GVA2), HVC_REFILL, "tlbflush drops it");
}

/* User mode of the guest, its code mapped, its system call to PLV0 */
static void test_user(struct vcpu *v)
{
    uint32_t code[] = { WORD("ld.d $t0, $t1, 0"), W_SYSCALL };
    uint64_t gpa = 0x2a0000;
    int e;

    paging(true);
    flush_guest(v);
    gmap(GVA2, gpa, (PTE_RW & ~PTE_D) | PTE_PLV3);
    gcopy(gpa, code, sizeof(code));
    gwrite(gpa + 0x100, 0x1115);
    gcsrwr(CRMD, CRMD_PG | 3);
    v->gpr[R_T1] = GVA2 + 0x100;
    e = run_at(v, GVA2);
    expect_guest_exc(v, e, EXC_SYS, "guest user code makes a system call");
    check_eq(v->gpr[R_T0], 0x1115, "and has loaded its word");
    check_eq(gcsrrd(ERA), GVA2 + 4, "guest ERA");
    check_eq(gcsrrd(PRMD) & 3, 3, "guest PRMD");
    check_eq(gcsrrd(CRMD) & 3, 0, "guest CRMD");
}

void lvz_test(void)
{
    lvz_enable();
    vcpu_init(&vcpu, 1);
    pgd = (void *)(vcpu.pgd | CACHED);
    next_table = GPA_TABLES + 0x100000;
    invalid[0] = galloc(0);
    invalid[1] = galloc(invalid[0]);
    guest_pgd = galloc(invalid[1]);
    test_refill_vector(&vcpu);
    test_walk(&vcpu);
    test_halves(&vcpu);
    test_faults(&vcpu);
    test_order(&vcpu);
    test_asid(&vcpu);
    test_sizes(&vcpu);
    test_search(&vcpu);
    test_invtlb(&vcpu);
    test_user(&vcpu);
}
