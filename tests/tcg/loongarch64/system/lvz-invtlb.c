/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GIDs and what drops translations: several guests over the same GPAs, reuse
 * of a GID, and each invtlb operation that LVZ adds.  Dropping too much is
 * allowed everywhere, so the tests look only for what must be gone and for
 * guests that are still right.
 */
#include "lvz.h"

#define GUESTS  3
#define AT      0x300000ul
#define GVA     0x60000000ul

static struct vcpu vcpu;
static uint64_t *pgds[GUESTS];

/* Guests 0, 1, 2 see AT in different host pages */
static uint64_t home(int guest)
{
    return SPARE_HPA + guest * 0x100000ul;
}

static void use(struct vcpu *v, int guest, uint64_t gid)
{
    v->pgd = table_pa(pgds[guest]);
    set_gid(v, gid);
}

static uint64_t load(struct vcpu *v, uint64_t addr)
{
    int e;

    v->gpr[R_T1] = addr;
    v->gpr[R_T0] = 0xbad;
    e = run_insn(v, WORD("ld.d $t0, $t1, 0"));
    if (hvc_code(v, e) != HVC_DONE) {
        dump(v, e);
        return 0xdead0000 | e;
    }
    return v->gpr[R_T0];
}

static void put(int guest, uint64_t addr, uint64_t hpa)
{
    *table_slot(pgds[guest], addr, false) = hpa | PTE_RW;
}

static void test_gids(struct vcpu *v)
{
    int bad = 0;

    for (int g = 0; g < GUESTS; g++) {
        pgds[g] = s2_new();
        map(pgds[g], AT, home(g), 4 * PAGE_SIZE, PTE_RW);
        for (int p = 0; p < 4; p++) {
            *phys(home(g) + p * PAGE_SIZE) = 0x100 * (g + 1) + p;
        }
    }
    for (int g = 0; g < GUESTS; g++) {
        use(v, g, g + 1);
        check_eq(load(v, AT), 0x100 * (g + 1), "GID %d sees its own page",
                 g + 1);
    }
    for (int n = 0; n < 60; n++) {
        int g = (n * 7 + n / 5) % GUESTS;

        use(v, g, g + 1);
        bad += load(v, AT + n % 4 * PAGE_SIZE) !=
               (uint64_t)0x100 * (g + 1) + n % 4;
    }
    check(!bad, "60 switches between three GIDs");
}

static void test_op_16(struct vcpu *v)
{
    uint64_t info;

    /* The GID comes from the register, not from GSTAT */
    use(v, 1, 2);
    load(v, AT);
    use(v, 0, 1);
    load(v, AT);
    put(0, AT, home(0) + 0x40000);
    *phys(home(0) + 0x40000) = 0x555;
    use(v, 1, 2);
    invtlb(0x16, GSTAT_GID(1), AT);
    check_eq(load(v, AT), 0x200, "0x16 for GID 1: GID 2 is still right");
    use(v, 0, 1);
    check_eq(load(v, AT), 0x555, "0x16 for GID 1: GID 1 sees the change");
    put(0, AT, home(0));
    info = csrrd(GSTAT) & GSTAT_GID_MASK;
    invtlb(0x16, info, AT & ~(2 * PAGE_SIZE - 1));
    check_eq(load(v, AT), 0x100, "0x16 with GSTAT's own field");
    put(0, AT + PAGE_SIZE, home(0) + 0x40000);
    invtlb(0x16, info, AT);
    check_eq(load(v, AT + PAGE_SIZE), 0x555, "0x16 takes the odd page, too");
    put(0, AT + PAGE_SIZE, home(0) + PAGE_SIZE);
    invtlb(0x16, info, AT + PAGE_SIZE + 0x123);
    check_eq(load(v, AT + PAGE_SIZE), 0x101, "0x16, address anywhere in it");

    /* Whatever ASID the host had when the entry was filled */
    csrwr(ASID, 3);
    load(v, AT + 2 * PAGE_SIZE);
    csrwr(ASID, 4);
    put(0, AT + 2 * PAGE_SIZE, home(0) + 0x40000);
    invtlb(0x16, info, AT + 2 * PAGE_SIZE);
    csrwr(ASID, 3);
    check_eq(load(v, AT + 2 * PAGE_SIZE), 0x555, "0x16, any host ASID");
    put(0, AT + 2 * PAGE_SIZE, home(0) + 2 * PAGE_SIZE);
    csrwr(ASID, 0);
    invtlb(0x16, info, AT + 2 * PAGE_SIZE);
}

/* Operation 0 leaves nothing: of no guest, and whatever GTLBC.TGID says */
static void test_op_0(struct vcpu *v)
{
    for (int tgid = 0; tgid <= 2; tgid++) {
        use(v, 0, 1);
        put(0, AT, home(0));
        invtlb(0x16, GSTAT_GID(1), AT);
        check_eq(load(v, AT), 0x100, "before invtlb 0 with TGID %d", tgid);
        put(0, AT, home(0) + 0x40000);
        csrxchg(GTLBC, GTLBC_TGID(tgid), GTLBC_TGID_MASK);
        invtlb(0, 0, 0);
        csrxchg(GTLBC, 0, GTLBC_TGID_MASK);
        check_eq(load(v, AT), 0x555, "a guest after it");
    }
    put(0, AT, home(0));
    invtlb(0x16, GSTAT_GID(1), AT);
}

static void test_huge(struct vcpu *v)
{
    uint64_t at = 4 * HUGE_SIZE;
    uint64_t info = GSTAT_GID(1);
    uint64_t *slot = table_slot(pgds[0], at, true);
    uint64_t *other = table_slot(pgds[1], at, true);

    *slot = HUGE_HPA | PTE_HUGE | PTE_RW;
    *other = HUGE_HPA | PTE_HUGE | PTE_RW;
    *phys(HUGE_HPA) = 0x9000;
    *phys(HUGE_HPA + 0x1800000) = 0x9001;
    *phys(GRAM_HPA + 0x1800000) = 0x9003;
    use(v, 1, 2);
    check_eq(load(v, at), 0x9000, "huge page of GID 2");
    use(v, 0, 1);
    check_eq(load(v, at), 0x9000, "huge page of GID 1, even half");
    check_eq(load(v, at + 0x1800000), 0x9001, "odd half");
    *slot = GRAM_HPA | PTE_HUGE | PTE_RW;
    invtlb(0x16, info, at + 0x18000);
    check_eq(load(v, at + 0x1800000), 0x9003,
             "0x16 with an address in the other half");
    *slot = HUGE_HPA | PTE_HUGE | PTE_RW;
    invtlb(0x16, info, at + 0x1ff8000);
    check_eq(load(v, at), 0x9000, "0x16 with the last address");
    use(v, 1, 2);
    check_eq(load(v, at + 0x1800000), 0x9001, "GID 2 is still right");
}

/* Each of these drops second-level entries, of all guests or of one */
static void test_second_level(struct vcpu *v)
{
    static const struct {
        int op;
        bool all;
    } ops[] = { { 0x11, true }, { 0x12, true }, { 0x14, false },
                { 0x15, false } };
    struct insn i;

    for (size_t n = 0; n < sizeof(ops) / sizeof(ops[0]); n++) {
        for (int g = 0; g < 2; g++) {
            put(g, AT, home(g));
            invtlb(0x12, 0, 0);
        }
        for (int g = 0; g < 2; g++) {
            use(v, g, g + 1);
            load(v, AT);
            put(g, AT, home(g) + PAGE_SIZE);
        }
        i = (struct insn) {
            .word = W_INVTLB(0, R_T1, 0) | ops[n].op,
            .rj = ops[n].all ? 0 : GSTAT_GID(1),
        };
        try_insn(&i);
        check(!i.trapped, "invtlb 0x%x", ops[n].op);
        use(v, 0, 1);
        check_eq(load(v, AT), 0x101, "invtlb 0x%x: GID 1 sees the change",
                 ops[n].op);
        if (ops[n].all) {
            use(v, 1, 2);
            check_eq(load(v, AT), 0x201, "invtlb 0x%x: so does GID 2",
                     ops[n].op);
        }
    }
    for (int g = 0; g < 2; g++) {
        put(g, AT, home(g));
    }
    invtlb(0x12, 0, 0);
}

static int guest_mapped_load(struct vcpu *v)
{
    uint32_t code[] = { WORD("ld.d $t0, $t1, 0"), W_HVCL(HVC_DONE) };

    gcopy(GPA_CODE, code, sizeof(code));
    gcsrwr(CRMD, CRMD_PG);
    gcsrwr(TLBRERA, 0);
    v->gpr[R_T1] = GVA;
    v->gpr[R_T0] = 0;
    return run_at(v, CACHED | GPA_CODE);
}

static void fill_guest_entry(struct vcpu *v, uint64_t flags)
{
    uint32_t code[] = { WORD("tlbfill"), W_HVCL(HVC_DONE) };

    gcopy(GPA_CODE, code, sizeof(code));
    gcsrwr(CRMD, CRMD_PG);
    gcsrwr(DMW(0), CACHED | 0x11);
    gcsrwr(ASID, 1);
    gcsrwr(TLBRERA, 0);
    gcsrwr(TLBIDX, TLBIDX_PS(PAGE_SHIFT));
    gcsrwr(TLBEHI, GVA);
    gcsrwr(TLBELO0, AT | PTE_RW | flags);
    gcsrwr(TLBELO1, AT | PTE_RW | flags);
    run_at(v, CACHED | GPA_CODE);
}

/* The guest's own entries, dropped by the host */
static void test_first_level(struct vcpu *v)
{
    static const struct {
        int op;
        uint64_t info, global;
    } ops[] = {
        { 0x9, GSTAT_GID(1), 0 },
        { 0x9, GSTAT_GID(1), PTE_G },
        { 0xa, GSTAT_GID(1), PTE_G },
        { 0xb, GSTAT_GID(1), 0 },
        { 0xc, GSTAT_GID(1) | 1, 0 },
        { 0xd, GSTAT_GID(1) | 1, 0 },
        { 0xe, GSTAT_GID(1) | 1, PTE_G },
        { 0x10, 0, 0 },
        { 0x12, 0, 0 },
        { 0x13, GSTAT_GID(1), 0 },
        { 0x15, GSTAT_GID(1), 0 },
    };

    guest_reset();
    use(v, 0, 1);
    for (size_t n = 0; n < sizeof(ops) / sizeof(ops[0]); n++) {
        struct insn i = {
            .word = W_INVTLB(0, R_T1, R_T0) | ops[n].op,
            .rj = ops[n].info, .rd = GVA,
        };
        int e;

        fill_guest_entry(v, ops[n].global);
        e = guest_mapped_load(v);
        check(hvc_code(v, e) == HVC_DONE && v->gpr[R_T0] == 0x100,
              "a guest entry, for invtlb 0x%x", ops[n].op);
        try_insn(&i);
        e = guest_mapped_load(v);
        if (!check(hvc_code(v, e) == HVC_REFILL, "invtlb 0x%x drops it",
                   ops[n].op)) {
            dump(v, e);
        }
    }
    guest_reset();
}

/* Guest entries belong to a GID, too */
static void test_first_level_gids(struct vcpu *v)
{
    int e;

    use(v, 0, 1);
    fill_guest_entry(v, 0);
    e = guest_mapped_load(v);
    check(hvc_code(v, e) == HVC_DONE && v->gpr[R_T0] == 0x100,
          "a guest entry of GID 1");
    use(v, 1, 2);
    expect_hvc(v, guest_mapped_load(v), HVC_REFILL, "is none of GID 2");
    fill_guest_entry(v, 0);
    e = guest_mapped_load(v);
    check(hvc_code(v, e) == HVC_DONE && v->gpr[R_T0] == 0x200,
          "a guest entry of GID 2");
    use(v, 0, 1);
    e = guest_mapped_load(v);
    check((hvc_code(v, e) == HVC_DONE && v->gpr[R_T0] == 0x100) ||
          hvc_code(v, e) == HVC_REFILL, "GID 1 is right, or refills");
    guest_reset();
}

static bool host_insn(uint32_t word)
{
    struct insn i = { .word = word };

    csrxchg(GTLBC, GTLBC_TGID(1), GTLBC_TGID_MASK);
    try_insn(&i);
    csrxchg(GTLBC, 0, GTLBC_TGID_MASK);
    return !i.trapped;
}

/* The host at a guest's own entries, operands in the guest bank */
static void test_gtlb(struct vcpu *v)
{
    uint64_t index = 2048 + 5;
    int e;

    use(v, 0, 1);
    guest_reset();
    invtlb(0x12, 0, 0);
    gcsrwr(DMW(0), CACHED | 0x11);
    gcsrwr(ASID, 1);
    gcsrwr(TLBIDX, TLBIDX_PS(PAGE_SHIFT) | index);
    gcsrwr(TLBEHI, GVA);
    gcsrwr(TLBELO0, AT | PTE_RW);
    gcsrwr(TLBELO1, AT | PTE_RW);
    check(host_insn(W_GTLBWR), "gtlbwr");
    e = guest_mapped_load(v);
    if (!check(hvc_code(v, e) == HVC_DONE && v->gpr[R_T0] == 0x100,
               "gtlbwr makes a guest entry")) {
        dump(v, e);
    }
    gcsrwr(TLBIDX, 0);
    gcsrwr(TLBEHI, GVA);
    check(host_insn(W_GTLBSRCH), "gtlbsrch");
    check_eq(gcsrrd(TLBIDX) & (TLBIDX_NE | 0xfff), index, "finds it");
    gcsrwr(TLBELO0, 0);
    check(host_insn(W_GTLBRD), "gtlbrd");
    check_eq(gcsrrd(TLBELO0) & 0xfffffffff003, AT | PTE_V | PTE_D, "reads it");
    check(host_insn(W_GTLBFLUSH), "gtlbflush");
    expect_hvc(v, guest_mapped_load(v), HVC_REFILL, "drops it");
    gcsrwr(TLBRERA, 0);
    gcsrwr(TLBIDX, TLBIDX_PS(PAGE_SHIFT));
    gcsrwr(TLBEHI, GVA);
    gcsrwr(TLBELO0, AT | PTE_RW);
    gcsrwr(TLBELO1, AT | PTE_RW);
    check(host_insn(W_GTLBFILL), "gtlbfill");
    e = guest_mapped_load(v);
    check(hvc_code(v, e) == HVC_DONE && v->gpr[R_T0] == 0x100,
          "gtlbfill makes a guest entry");
    gcsrwr(TLBEHI, GVA);
    host_insn(W_GTLBSRCH);
    check(host_insn(W_GTLBCLR), "gtlbclr");
    expect_hvc(v, guest_mapped_load(v), HVC_REFILL, "drops it");
    guest_reset();
}

/* All GIDs taken, each with another page; then again, after 0x12 */
static void test_reuse(struct vcpu *v)
{
    int bad = 0;

    for (int round = 0; round < 2; round++) {
        for (uint64_t gid = 1; gid < 256; gid++) {
            uint64_t hpa = home(2) + (gid + round) % 8 * 2 * PAGE_SIZE;

            put(0, AT, hpa);
            *phys(hpa) = gid << 8 | round;
            use(v, 0, gid);
            bad += load(v, AT) != (gid << 8 | round);
        }
        insn_word(W_INVTLB(0x12, 0, 0));
    }
    check(!bad, "255 GIDs, twice");
    put(0, AT, home(0));
}

/* What the host does to its own entries leaves guests right */
static void test_host_ops(struct vcpu *v)
{
    uint64_t *host = host_tables();

    use(v, 0, 1);
    map(host, AT, home(2), 2 * PAGE_SIZE, PTE_RW);
    *phys(home(2)) = 0x700;
    for (int op = 0; op <= 6; op++) {
        struct insn i = {
            .word = W_INVTLB(0, R_T1, R_T0) | op, .rj = 0, .rd = AT,
        };

        check_eq(load(v, AT), 0x100, "guest before the host's invtlb %d", op);
        check_eq(host_load(AT), 0x700, "host before its invtlb %d", op);
        try_insn(&i);
        check_eq(load(v, AT), 0x100, "guest after the host's invtlb %d", op);
        check_eq(host_load(AT), 0x700, "host after its invtlb %d", op);
    }
    invtlb(5, 0, AT);
    load(v, AT);
    csrwr(TLBEHI, AT);
    csrwr(TLBIDX, 0);
    asm volatile("tlbsrch" : : : "memory");
    check_eq(csrrd(TLBIDX) & TLBIDX_NE, TLBIDX_NE,
             "tlbsrch with TGID 0 does not find a guest's entry");
    host_load(AT);
    asm volatile("tlbsrch" : : : "memory");
    check_eq(csrrd(TLBIDX) & TLBIDX_NE, 0, "but the host's");
    csrwr(TLBELO0, 0);
    asm volatile("tlbrd" : : : "memory");
    check_eq(csrrd(TLBELO0) & 0xfffffffff000, home(2), "with its page");
    invtlb(0x16, GSTAT_GID(1), AT);     /* the host's refill may have taken */
    load(v, AT);                        /* the guest's place in the TLB */
    csrxchg(GTLBC, GTLBC_TGID(1), GTLBC_TGID_MASK);
    csrwr(TLBEHI, AT);
    asm volatile("tlbsrch" : : : "memory");
    csrwr(TLBELO0, 0);
    if (!(csrrd(TLBIDX) & TLBIDX_NE)) {
        asm volatile("tlbrd" : : : "memory");
    }
    csrxchg(GTLBC, 0, GTLBC_TGID_MASK);
    check_eq(csrrd(TLBIDX) & TLBIDX_NE, 0, "with TGID 1 it finds GID 1's");
    check_eq(csrrd(TLBELO0) & 0xfffffffff000, home(0), "with its page");

    /* As a page fault of the host does: search, write back by index */
    invtlb(0x16, GSTAT_GID(1), AT);
    host_load(AT);
    csrwr(TLBEHI, AT);
    asm volatile("tlbsrch" : : : "memory");
    csrwr(TLBELO0, home(2) | PTE_RW);
    csrwr(TLBELO1, (home(2) + PAGE_SIZE) | PTE_RW);
    asm volatile("tlbwr" : : : "memory");
    check_eq(load(v, AT), 0x100, "guest after the host's tlbsrch and tlbwr");
    check_eq(host_load(AT), 0x700, "host after them");
    csrwr(TLBIDX, 0xfff | TLBIDX_PS(PAGE_SHIFT));
    asm volatile("tlbrd" : : : "memory");
    csrwr(TLBIDX, 0xfff | TLBIDX_PS(PAGE_SHIFT));
    asm volatile("tlbwr" : : : "memory");
    csrwr(ASID, 0);
    check_eq(load(v, AT), 0x100, "guest after tlbrd and tlbwr of index 4095");
}

void lvz_test(void)
{
    lvz_enable();
    vcpu_init(&vcpu, 1);
    test_gids(&vcpu);
    test_op_16(&vcpu);
    test_op_0(&vcpu);
    test_huge(&vcpu);
    test_second_level(&vcpu);
    test_first_level(&vcpu);
    test_first_level_gids(&vcpu);
    test_gtlb(&vcpu);
    test_reuse(&vcpu);
    test_host_ops(&vcpu);
}
