/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Second translation stage, GPA to host physical: refill, faults with their
 * registers, page sizes, and its independence of the host's own translation.
 * The guest runs without a TLB of its own here (direct address mode or direct
 * map windows).  MAT is not looked at.
 */
#include "lvz.h"

#define T2 14

static struct vcpu vcpu;
static uint64_t *pgd;

static void set_page(uint64_t gpa, uint64_t pte)
{
    *table_slot(pgd, gpa, false) = pte;
    flush_gpa(&vcpu, gpa);
}

static uint64_t pte_of(uint64_t gpa, uint64_t flags)
{
    return ((GRAM_HPA + gpa) & ~(PAGE_SIZE - 1)) | flags;
}

/* word accesses $t1 = addr, with $t0 as data */
static int access(struct vcpu *v, uint32_t word, uint64_t addr, uint64_t data)
{
    v->gpr[R_T1] = addr;
    v->gpr[R_T0] = data;
    return run_insn(v, word);
}

static int load(struct vcpu *v, uint64_t addr)
{
    return access(v, WORD("ld.d $t0, $t1, 0"), addr, 0xbad);
}

static int store(struct vcpu *v, uint64_t addr, uint64_t data)
{
    return access(v, WORD("st.d $t0, $t1, 0"), addr, data);
}

static void expect_load(struct vcpu *v, uint64_t addr, uint64_t want,
                        const char *name)
{
    int e = load(v, addr);

    if (!check(hvc_code(v, e) == HVC_DONE && v->gpr[R_T0] == want, "%s",
               name)) {
        say("#   loaded 0x%lx, want 0x%lx\n", v->gpr[R_T0], want);
        dump(v, e);
    }
}

static void expect_fault(struct vcpu *v, int e, int ecode, uint64_t gpa,
                         uint32_t word, const char *name)
{
    if (!expect_exit(v, e, ecode, name)) {
        return;
    }
    check_eq(v->badv, gpa, "%s: BADV is the GPA", name);
    check_eq(v->gstat & 3, GSTAT_PVM, "%s: GSTAT", name);
    check_eq(v->tlbrera & 1, 0, "%s: not a refill", name);
    if (word) {
        check_eq(v->era, GPA_CODE, "%s: ERA", name);
        check_eq(v->badi, word, "%s: BADI", name);
    }
}

static void test_refill(struct vcpu *v)
{
    uint64_t count;

    gwrite(0x100008, 0x1122334455667788);
    expect_load(v, 0x100008, 0x1122334455667788, "load through a refill");
    check_eq(refill.badv, 0x100008, "TLBRBADV is the GPA with its offset");
    count = refill.count;
    expect_load(v, 0x100008, 0x1122334455667788, "again");
    check_eq(refill.count, count, "without a refill");
    expect_hvc(v, store(v, 0x100010, 0x5678), HVC_DONE, "store");
    check_eq(gread(0x100010), 0x5678, "arrives at GPA's host page");
    expect_hvc(v, store(v, 0x140018, 0x9abc), HVC_DONE, "store as a first");
    check_eq(gread(0x140018), 0x9abc, "arrives too");
    check_eq(refill.badv, 0x140018, "TLBRBADV of a store");
    flush_gpa(v, 0x100008);
    expect_load(v, 0x100010, 0x5678, "load after invtlb 0x16");
    check(refill.count > count, "has refilled");
}

static void test_invalid(struct vcpu *v)
{
    uint32_t ld = WORD("ld.d $t0, $t1, 0"), st = WORD("st.d $t0, $t1, 0");
    uint64_t at = 0x150008;
    int e;

    set_page(at, 0);
    expect_fault(v, load(v, at), EXC_PIL, at, ld, "V=0, load: PIL");
    check_eq((csrrd(TLBEHI) >> 15) & 0x1ffffffff, at >> 15,
             "V=0, load: TLBEHI.VPPN is the GPA's");
    expect_fault(v, store(v, at + 8, 1), EXC_PIS, at + 8, st,
                 "V=0, store: PIS");
    e = run_at(v, at);
    expect_fault(v, e, EXC_PIF, at, 0, "V=0, fetch: PIF");
    check_eq(v->era, at, "V=0, fetch: ERA");
    e = load(v, at);
    e = e == EXC_PIL ? run(v) : -1;
    expect_exit(v, e, EXC_PIL, "the fault comes back while it lasts");
    gwrite(at, 0xaa55);
    set_page(at, pte_of(at, PTE_RW));
    e = run(v);
    expect_hvc(v, e, HVC_DONE, "and is over when the page is there");
    check_eq(v->gpr[R_T0], 0xaa55, "with the right word");

    set_page(at, 0);
    expect_exit(v, store(v, at, 0xabcdef), EXC_PIS, "store to emulate");
    check_eq(v->gpr[R_T0], 0xabcdef, "data is in the registers");
    v->pc += 4;
    expect_hvc(v, run(v), HVC_DONE, "emulated and stepped over");
    set_page(at, pte_of(at, PTE_RW));

    expect_fault(v, load(v, 0x5000000123), EXC_PIL, 0x5000000123, ld,
                 "no directory for it: PIL");
    expect_fault(v, store(v, 0x1fe001e0, 1), EXC_PIS, 0x1fe001e0, st,
                 "the host's UART is not the guest's: PIS");
    expect_fault(v, load(v, 0x7ffffffffff8), EXC_PIL, 0x7ffffffffff8, ld,
                 "the last word of 2^47: PIL");
    expect_hvc(v, access(v, WORD("preld 0, $t1, 0"), 0x5000000000, 0),
               HVC_DONE, "preld does not fault");
}

static void test_dirty(struct vcpu *v)
{
    uint32_t st = WORD("st.d $t0, $t1, 0");
    uint64_t at = 0x160010;

    gwrite(at, 7);
    set_page(at, pte_of(at, PTE_RO));
    expect_load(v, at, 7, "D=0, load");
    expect_fault(v, store(v, at, 8), EXC_PME, at, st, "D=0, store: PME");
    check_eq(gread(at), 7, "D=0: nothing is stored");
    expect_load(v, at, 7, "D=0, load after the fault");
    set_page(at, pte_of(at, PTE_RW));
    expect_hvc(v, run_at(v, GPA_CODE), HVC_DONE, "a load meanwhile");
    expect_hvc(v, store(v, at, 8), HVC_DONE, "D=1, store");
    check_eq(gread(at), 8, "D=1: it is stored");
    set_page(at, pte_of(at, PTE_RO));
    expect_fault(v, store(v, at, 9), EXC_PME, at, st, "D back to 0: PME");
    check_eq(gread(at), 8, "nothing is stored");
    set_page(at, pte_of(at, PTE_RW));
}

/* Read-modify-write is a store from the start, or a host would map read-only */
static void test_atomic(struct vcpu *v)
{
    static const char *const names[] = {
        "amswap.w", "amadd.d", "amand_db.d", "amor.w", "ammax_db.w",
    };
    const uint32_t words[] = {
        WORD("amswap.w $t2, $t0, $t1"), WORD("amadd.d $t2, $t0, $t1"),
        WORD("amand_db.d $t2, $t0, $t1"), WORD("amor.w $t2, $t0, $t1"),
        WORD("ammax_db.w $t2, $t0, $t1"),
    };
    uint64_t at = 0x170020;
    uint32_t llsc[] = {
        WORD("ll.d $t2, $t1, 0"), WORD("sc.d $t0, $t1, 0"), W_HVCL(HVC_DONE)
    };
    int e;

    for (size_t n = 0; n < sizeof(words) / sizeof(words[0]); n++) {
        set_page(at, 0);
        expect_fault(v, access(v, words[n], at, 1), EXC_PIS, at, words[n],
                     names[n]);
        set_page(at, pte_of(at, PTE_RO));
        e = access(v, words[n], at, 1);
        check(e == EXC_PME && v->badv == at, "%s, D=0: PME", names[n]);
    }
    set_page(at, pte_of(at, PTE_RO));
    gcopy(GPA_CODE, llsc, sizeof(llsc));
    v->gpr[R_T0] = 5;
    v->gpr[R_T1] = at;
    e = run_at(v, GPA_CODE);
    expect_exit(v, e, EXC_PME, "sc.d, D=0: PME");
    check_eq(v->badv, at, "sc.d: BADV");
    check_eq(v->pc, GPA_CODE + 4, "sc.d: the ll.d before has passed");
    set_page(at, 0);
    v->gpr[R_T0] = 5;
    e = run_at(v, GPA_CODE);
    expect_exit(v, e, EXC_PIL, "ll.d, V=0: PIL");
    set_page(at, pte_of(at, PTE_RW));
    gwrite(at, 40);
    e = access(v, WORD("amadd.d $t2, $t0, $t1"), at, 2);
    expect_hvc(v, e, HVC_DONE, "amadd.d on a good page");
    check(gread(at) == 42 && v->gpr[T2] == 40, "adds");
}

static void test_crossing(struct vcpu *v)
{
    uint64_t first = 0x180000, second = first + PAGE_SIZE;
    uint64_t at = second - 4;
    int e;

    gwrite(second - 8, 0x1111111122222222);
    gwrite(second, 0x3333333344444444);
    expect_load(v, at, 0x4444444411111111, "load across two pages");
    set_page(second, 0);
    e = load(v, at);
    expect_exit(v, e, EXC_PIL, "across, second page gone: PIL");
    check_eq(v->badv & ~(PAGE_SIZE - 1), second, "BADV is in the second page");
    e = store(v, at, ~0ul);
    expect_exit(v, e, EXC_PIS, "across, store, second page gone: PIS");
    check_eq(v->badv & ~(PAGE_SIZE - 1), second, "BADV is in the second page");
    check_eq(gread(second - 8), 0x1111111122222222, "nothing is stored");
    set_page(second, pte_of(second, PTE_RO));
    e = store(v, at, ~0ul);
    expect_exit(v, e, EXC_PME, "across, store, second read-only: PME");
    check_eq(v->badv & ~(PAGE_SIZE - 1), second, "BADV is in the second page");
    check_eq(gread(second - 8), 0x1111111122222222, "nothing is stored");
    set_page(second, pte_of(second, PTE_RW));
    set_page(first, 0);
    e = load(v, at);
    expect_exit(v, e, EXC_PIL, "across, first page gone: PIL");
    check_eq(v->badv, at, "BADV is the address");
    set_page(first, pte_of(first, PTE_RW));
    expect_load(v, at, 0x4444444411111111, "load across, both back");
}

static void test_huge(struct vcpu *v)
{
    uint64_t at = HUGE_SIZE;        /* GPA 32 MiB */
    uint64_t *slot = table_slot(pgd, at, true);
    volatile uint64_t *mem = phys(HUGE_HPA);    /* the guest writes it */
    uint64_t half = HUGE_SIZE / 2, last = HUGE_SIZE - 8;
    uint64_t count;

    *slot = HUGE_HPA | PTE_HUGE | PTE_RW;
    invtlb(0x12, 0, 0);
    mem[0] = 0x10;
    mem[half / 8] = 0x20;
    mem[last / 8] = 0x30;
    mem[0x123450 / 8] = 0x40;
    expect_load(v, at, 0x10, "huge page, first word");
    count = refill.count;
    expect_load(v, at + half, 0x20, "huge page, middle");
    expect_load(v, at + last, 0x30, "huge page, last word");
    expect_load(v, at + 0x123450, 0x40, "huge page, elsewhere");
    check_eq(refill.count, count, "one refill for all of it");
    expect_hvc(v, store(v, at + 0x765438, 0x99), HVC_DONE, "huge page, store");
    check_eq(mem[0x765438 / 8], 0x99, "arrives");

    *slot = HUGE_HPA | PTE_HUGE | PTE_RO;
    flush_gpa(v, at + 0x999000);
    expect_load(v, at + 0x123450, 0x40, "huge page, D=0, load");
    expect_fault(v, store(v, at + 0x765438, 1), EXC_PME, at + 0x765438,
                 WORD("st.d $t0, $t1, 0"), "huge page, D=0: PME");
    *slot = HUGE_HPA | PTE_HUGE | (PTE_RW & ~PTE_V);
    flush_gpa(v, at + 0x123450);
    expect_fault(v, load(v, at + 0x123450), EXC_PIL, at + 0x123450,
                 WORD("ld.d $t0, $t1, 0"), "huge page, V=0: PIL");

    /* Split, as dirty logging does: one page of it from elsewhere */
    *slot = (uint64_t)table_pa(alloc_table(0));
    map(pgd, at, HUGE_HPA, 64 * PAGE_SIZE, PTE_RW);
    *table_slot(pgd, at + PAGE_SIZE, false) = SPARE_HPA | PTE_RW;
    *phys(SPARE_HPA) = 0x50;
    flush_gpa(v, at + 0x123450);
    flush_gpa(v, at);
    expect_load(v, at, 0x10, "split, first page");
    expect_load(v, at + PAGE_SIZE, 0x50, "split, second page from elsewhere");
    expect_fault(v, load(v, at + half), EXC_PIL, at + half,
                 WORD("ld.d $t0, $t1, 0"), "split, no page in the middle");
}

static void test_permission(struct vcpu *v)
{
    uint64_t at = 0x190000;
    uint32_t done = W_HVCL(HVC_DONE);
    int e;

    gcopy(at, &done, 4);
    gwrite(at + 8, 0x66);
    set_page(at, pte_of(at, PTE_RW | PTE_NX));
    expect_load(v, at + 8, 0x66, "NX, load");
    e = run_at(v, at);
    expect_exit(v, e, EXC_PNX, "NX, fetch: PNX in the host");
    set_page(at, pte_of(at, PTE_RW | PTE_NR));
    e = load(v, at + 8);
    expect_exit(v, e, EXC_PNR, "NR, load: PNR in the host");
    expect_hvc(v, store(v, at + 8, 0x67), HVC_DONE, "NR, store");
    e = load(v, at + 8);
    expect_exit(v, e, EXC_PNR, "NR, load after a store: PNR in the host");
    set_page(at, pte_of(at, PTE_RW));

    gcsrwr(CRMD, CRMD_DA | 3);
    v->gpr[R_T1] = at + 8;
    e = run_insn(v, WORD("ld.d $t0, $t1, 0"));
    if (hvc_code(v, e) == HVC_EXC) {
        /* hvcl at PLV3 is the guest's IPE; the load is what counts */
        check_eq(gcsrrd(ERA), GPA_CODE + 4, "guest PLV3, host pte PLV0: load");
    } else {
        expect_hvc(v, e, HVC_DONE, "guest PLV3, host pte PLV0: load");
    }
    check_eq(v->gpr[R_T0], 0x67, "guest PLV3: right word");
    guest_reset();
}

static void test_guest_windows(struct vcpu *v)
{
    uint32_t code[] = { WORD("ld.d $t0, $t1, 0"), W_HVCL(HVC_DONE) };
    int e;

    gwrite(0x1a0008, 0x777);
    expect_load(v, 0x90000000001a0008, 0x777, "DA cuts the address");
    expect_fault(v, load(v, 0x9000123456780000), EXC_PIL, 0x123456780000,
                 WORD("ld.d $t0, $t1, 0"), "DA, cut and not there: PIL");

    gcopy(GPA_CODE, code, sizeof(code));
    gcsrwr(DMW(0), 0x7000000000000001);
    gcsrwr(DMW(3), 0x9000000000000019);
    gcsrwr(CRMD, CRMD_PG);
    gcsrwr(EENTRY, 0x7000000000000000 | GPA_EENTRY);
    v->gpr[R_T1] = 0x70000000001a0008;
    e = run_at(v, CACHED | GPA_CODE);
    expect_hvc(v, e, HVC_DONE, "direct map windows");
    check_eq(v->gpr[R_T0], 0x777, "lead to the GPA");
    check_eq(v->era, CACHED | (GPA_CODE + 4), "ERA is the GVA");
    v->gpr[R_T1] = 0x7000600000000010;
    e = run_at(v, CACHED | GPA_CODE);
    expect_exit(v, e, EXC_PIL, "window, page not there: PIL");
    check_eq(v->badv, 0x600000000010, "BADV is the GPA");
    check_eq(v->era, CACHED | GPA_CODE, "ERA is the GVA");
    check_eq(v->badi, code[0], "BADI");

    /* The host's own windows mean nothing here */
    v->gpr[R_T1] = UNCACHED | 0x1a0008;
    e = run_at(v, CACHED | GPA_CODE);
    expect_guest_exc(v, e, EXC_ADE, "no window for 0x8000...: guest ADEM");
    gcsrwr(CRMD, CRMD_PG | 3);
    v->gpr[R_T1] = 0x70000000001a0008;
    e = run_at(v, CACHED | GPA_CODE);
    expect_guest_exc(v, e, EXC_ADE, "PLV0 window at PLV3: guest ADEM");
    check_eq(gcsrrd(ERA), CACHED | GPA_CODE, "guest ERA");
    check_eq(gcsrrd(BADV), 0x70000000001a0008, "guest BADV");
    gcsrwr(CRMD, CRMD_PG);
    gcsrwr(DMW(0), 0x6000000000000001);
    gcsrwr(EENTRY, CACHED | GPA_EENTRY);
    e = run_at(v, CACHED | GPA_CODE);
    expect_guest_exc(v, e, EXC_ADE, "a window taken away by the host");
    gcsrwr(CRMD, CRMD_PG);
    v->gpr[R_T1] = 0x60000000001a0008;
    v->gpr[R_T0] = 0;
    e = run_at(v, CACHED | GPA_CODE);
    expect_hvc(v, e, HVC_DONE, "a window given by the host");
    check_eq(v->gpr[R_T0], 0x777, "leads to the GPA");
    guest_reset();
}

GUEST_CODE(guest_moves_window,
    "lu52i.d $t0, $zero, 0x700\n"
    "ori    $t0, $t0, 0x1\n"
    "csrwr  $t0, 0x180\n"
    "ld.d   $t2, $t1, 0\n"
    "csrwr  $zero, 0x180\n"
    "ld.d   $t3, $t1, 0\n"
    "GUEST_DONE");

static void test_own_windows(struct vcpu *v)
{
    int e;

    gwrite(0x1a0008, 0x777);
    gcsrwr(DMW(3), 0x9000000000000011);
    gcsrwr(CRMD, CRMD_PG);
    gcsrwr(EENTRY, CACHED | GPA_EENTRY);
    gload(GPA_CODE, guest_moves_window);
    v->gpr[R_T1] = 0x70000000001a0008;
    e = run_at(v, CACHED | GPA_CODE);
    expect_guest_exc(v, e, EXC_ADE, "guest gives and takes a window");
    check_eq(gcsrrd(ERA), CACHED | (GPA_CODE + 20), "the access behind traps");
    check_eq(v->gpr[T2], 0x777, "the access before does not");
    guest_reset();
}

/* The host may itself be in direct address mode; a GPA stays a GPA */
static void test_host_da(struct vcpu *v)
{
    int e;

    gwrite(0x1a0010, 0x1234);
    flush_gpa(v, 0x1a0010);
    csrxchg(CRMD, CRMD_DA, CRMD_DA | CRMD_PG);
    e = load(v, 0x1a0010);
    csrxchg(CRMD, CRMD_PG, CRMD_DA | CRMD_PG);
    expect_hvc(v, e, HVC_DONE, "a run from a host in direct address mode");
    check_eq(v->gpr[R_T0], 0x1234, "uses the second stage all the same");
    /* The refill's ertn turned paging on, as it does for any refill */
    csrxchg(CRMD, CRMD_DA, CRMD_DA | CRMD_PG);
    e = load(v, 0x1a0010);
    csrxchg(CRMD, CRMD_PG, CRMD_DA | CRMD_PG);
    expect_hvc(v, e, HVC_DONE, "another, without a refill");
    check_eq(v->crmd & 0x1f, CRMD_DA, "an exit keeps the host's DA and PG");
}

/* Equal numbers, different spaces: GPA and host VA, host VA and GPA */
static void test_spaces(struct vcpu *v)
{
    uint64_t *host = host_tables();

    gwrite(0x1b0000, 0x600d);
    gwrite(0x1c0000, 0x600e);
    map(host, 0x1b0000, SPARE_HPA + PAGE_SIZE, 0x20000, PTE_RW);
    *phys(SPARE_HPA + PAGE_SIZE) = 0x4057;
    *phys(SPARE_HPA + PAGE_SIZE + 0x10000) = 0x4058;
    check_eq(host_load(0x1b0000), 0x4057, "host page, host first");
    expect_load(v, 0x1b0000, 0x600d, "guest page of the same number");
    expect_load(v, 0x1c0000, 0x600e, "guest page, guest first");
    check_eq(host_load(0x1c0000), 0x4058, "host page of the same number");
    expect_load(v, 0x1b0000, 0x600d, "guest page, once more");
    check_eq(host_load(0x1b0000), 0x4057, "host page, once more");
    csrwr(ASID, 5);
    expect_load(v, 0x1b0000, 0x600d, "with another host ASID");
    check_eq(host_load(0x1b0000), 0x4057, "the host, too");
    csrwr(ASID, 0);
}

static bool must_not_refill(struct frame *f)
{
    (void)f;
    bail("host access with TGID set went to the guest's entries, 0x%lx",
         csrrd(TLBRBADV));
}

/* TGID is for TLB instructions; it does not change what the host reads */
static void test_tgid(struct vcpu *v)
{
    uint64_t got;

    host_load(0x1b0000);
    refill.hook = (uint64_t)must_not_refill;
    csrxchg(GTLBC, GTLBC_TGID(v->gid), GTLBC_TGID_MASK);
    got = host_load(0x1b0000);
    csrxchg(GTLBC, 0, GTLBC_TGID_MASK);
    refill.hook = 0;
    check_eq(got, 0x4057, "host loads go by GID 0 whatever TGID is");
}

/* An entry written outside of any refill, with TGID and its own page size */
static void test_tlbfill(struct vcpu *v)
{
    uint64_t at = 0x300000000, count;
    uint64_t hpa = SPARE_HPA + 0x40000;
    int e;

    *phys(hpa + 0x18) = 0xf111;
    *phys(hpa + 0x1018) = 0xf112;
    run_insn(v, W_NOP);
    csrxchg(GTLBC, GTLBC_TGID(v->gid), GTLBC_TGID_MASK);
    csrwr(TLBIDX, TLBIDX_PS(12));
    csrwr(TLBEHI, at);
    csrwr(TLBELO0, hpa | PTE_RW);
    csrwr(TLBELO1, (hpa + 0x1000) | PTE_RW);
    asm volatile("tlbfill" : : : "memory");
    csrxchg(GTLBC, 0, GTLBC_TGID_MASK);
    count = refill.count;
    expect_load(v, at + 0x18, 0xf111, "tlbfill with TGID, even 4K page");
    expect_load(v, at + 0x1018, 0xf112, "tlbfill with TGID, odd 4K page");
    check_eq(refill.count, count, "no refill was needed");
    e = load(v, at + 0x2018);
    expect_exit(v, e, EXC_PIL, "the page after it is another's");

    /* The same with TGID 0 is an entry of the host's, not the guest's */
    csrwr(TLBIDX, TLBIDX_PS(12));
    csrwr(TLBEHI, 0x400000000);
    asm volatile("tlbfill" : : : "memory");
    e = load(v, 0x400000018);
    expect_exit(v, e, EXC_PIL, "an entry filled with TGID 0");
    check_eq(host_load(0x400000018), 0xf111, "serves the host");
}

static uint64_t wide_hpa;

static bool wide_hook(struct frame *f)
{
    (void)f;
    csrwr(TLBREHI, (csrrd(TLBREHI) & ~0x3ful) | PAGE_SHIFT);
    csrwr(TLBRELO0, wide_hpa | PTE_RW);
    csrwr(TLBRELO1, (wide_hpa + PAGE_SIZE) | PTE_RW);
    asm volatile("tlbfill" : : : "memory");
    return false;
}

/* 48 bits of GPA: bit 47 is an ordinary one, not a sign */
static void test_wide(struct vcpu *v)
{
    run_insn(v, W_NOP);
    load(v, 0);
    wide_hpa = SPARE_HPA + 0x80000;
    *phys(wide_hpa + 0x20) = 0x17de;
    *phys(wide_hpa + PAGE_SIZE + 0x28) = 0x17df;
    refill.hook = (uint64_t)wide_hook;
    expect_load(v, 0x800000008020, 0x17de, "GPA with bit 47");
    check_eq(refill.badv, 0x800000008020, "TLBRBADV is not extended");
    expect_load(v, 0x80000000c028, 0x17df, "the odd page of it");
    expect_load(v, 0xfffffffffff8000 | 0x20, 0x17de, "the last GPAs");
    check_eq(refill.badv, 0xffffffff8020, "TLBRBADV of the last GPAs");
    refill.hook = 0;
    invtlb(0x12, 0, 0);
}

void lvz_test(void)
{
    lvz_enable();
    vcpu_init(&vcpu, 1);
    pgd = (void *)(vcpu.pgd | CACHED);
    test_refill(&vcpu);
    test_invalid(&vcpu);
    test_dirty(&vcpu);
    test_atomic(&vcpu);
    test_crossing(&vcpu);
    test_huge(&vcpu);
    test_permission(&vcpu);
    test_guest_windows(&vcpu);
    test_own_windows(&vcpu);
    test_host_da(&vcpu);
    test_spaces(&vcpu);
    test_tgid(&vcpu);
    test_tlbfill(&vcpu);
    test_wide(&vcpu);
}
