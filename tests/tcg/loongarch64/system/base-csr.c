/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CSRs and privilege levels of a CPU without LVZ: LLBCTL, the direct map
 * windows, and what PLV1 and PLV2 may do.
 */
#include "lvz.h"

#define WINDOW      0xb000000000000000ul    /* DMW3, opened by the tests */
#define DMW_PLV(n)  (1ul << (n))
#define MISC_VA32L3     (1ul << 3)
#define MISC_DRDTL(n)   (1ul << (4 + (n)))

/* $t0 = 1 if the sc.d of a pair stored, with one instruction between */
#define PAIR(insn, arg) ({                                              \
    register uint64_t ok_ asm("$r12");                                  \
    register uint64_t arg_ asm("$r13") = (arg);                         \
    asm volatile("ll.d %0, %2, 0\n" insn "\nsc.d %0, %2, 0"             \
                 : "=&r"(ok_), "+r"(arg_) : "r"(phys(SPARE_HPA))        \
                 : "memory");                                           \
    ok_; })

static void test_llbctl(void)
{
    uint64_t seen, ok;

    csrwr(LLBCTL, LLBCTL_WCLLB);
    check_eq(csrrd(LLBCTL), 0, "LLBCTL: WCLLB reads 0");
    csrwr(LLBCTL, ~(uint64_t)LLBCTL_WCLLB);
    check_eq(csrrd(LLBCTL), LLBCTL_KLO, "only KLO can be written");
    check_eq(csrxchg(LLBCTL, 0, LLBCTL_KLO), LLBCTL_KLO, "KLO exchanged");
    check_eq(csrrd(LLBCTL), 0, "KLO cleared");

    check_eq(PAIR("nop", 0), 1, "ll, sc");
    asm volatile("ll.d $t0, %1, 0\ncsrrd %0, 0x60" : "=&r"(seen)
                 : "r"(phys(SPARE_HPA)) : "$r12", "memory");
    check_eq(seen & LLBCTL_ROLLB, LLBCTL_ROLLB, "ll sets ROLLB");
    ok = PAIR("csrwr $r13, 0x60", LLBCTL_WCLLB);
    check_eq(ok, 0, "ll, WCLLB, sc fails");
    check_eq(csrrd(LLBCTL) & LLBCTL_ROLLB, 0, "WCLLB clears ROLLB");
    ok = PAIR("csrxchg $r13, $r13, 0x60", LLBCTL_WCLLB);
    check_eq(ok, 0, "ll, WCLLB by csrxchg, sc fails");
    ok = PAIR("csrwr $r13, 0x60", 0);
    check_eq(ok, 1, "ll, 0 to LLBCTL, sc");
}

/* The break makes host_exception() run, whose ertn comes back behind it */
static void skip_break(struct frame *f)
{
    f->era += 4;
}

static void test_llbctl_ertn(void)
{
    csrwr(LLBCTL, 0);
    exc_hook = skip_break;
    check_eq(PAIR("break 0", 0), 0, "ll, ertn, sc fails");
    check_eq(csrrd(LLBCTL) & LLBCTL_ROLLB, 0, "ertn clears ROLLB");
    csrwr(LLBCTL, LLBCTL_KLO);
    check_eq(PAIR("break 0", 0), 1, "ll, ertn with KLO, sc");
    check_eq(csrrd(LLBCTL) & LLBCTL_KLO, 0, "ertn clears KLO");
    check_eq(PAIR("break 0", 0), 0, "so that it holds once");
    exc_hook = NULL;
}

static void expect_load(int plv, bool works, const char *name)
{
    struct insn i = {
        .word = WORD("ld.d $t0, $t1, 0"), .plv = plv,
        .rj = WINDOW | SPARE_HPA,
    };

    try_insn(&i);
    if (works) {
        check(!i.trapped && i.rd == 0x1234567, "%s", name);
    } else {
        check(i.trapped && ESTAT_ECODE(i.estat) == EXC_ADE &&
              ESTAT_ESUB(i.estat) == 1, "%s", name);
    }
}

static void test_dmw(void)
{
    *phys(SPARE_HPA) = 0x1234567;
    csrwr(DMW(3), WINDOW | DMW_PLV(0));
    expect_load(0, true, "a window opened");
    csrwr(DMW(3), 0);
    expect_load(0, false, "is closed again, ADEM");
    csrwr(DMW(3), WINDOW | DMW_PLV(0));
    expect_load(0, true, "and opened again");
    csrxchg(DMW(3), 0, DMW_PLV(0));
    expect_load(0, false, "and closed to PLV0 by csrxchg");

    for (int plv = 1; plv <= 3; plv++) {
        struct insn i = { .word = W_NOP, .plv = plv, .rd = plv };

        try_insn(&i);
        check(!i.trapped && i.rd == (uint64_t)plv, "code at PLV%d runs", plv);
        csrwr(DMW(3), WINDOW | DMW_PLV(plv));
        for (int other = 0; other <= 3; other++) {
            expect_load(other, other == plv, other == plv
                        ? "a window for one level is open to it"
                        : "and closed to another");
        }
    }
    csrwr(DMW(3), 0);
}

static void test_privilege(void)
{
    static const struct {
        uint32_t word;
        const char *name;
    } insns[] = {
        { W_CSRRD(R_T0, CRMD), "csrrd" },
        { W_CSRWR(R_T0, KS(7)), "csrwr" },
        { W_CSRXCHG(R_T0, R_T1, KS(7)), "csrxchg" },
        { 0x064819acu, "iocsrwr.w" },
        { 0x064809acu, "iocsrrd.w" },
        { 0x06482800u, "tlbsrch" },
        { 0x06482c00u, "tlbrd" },
        { 0x06482000u, "tlbclr" },
        { W_INVTLB(0, 0, 0), "invtlb" },
        { W_IDLE, "idle" },
        { W_ERTN, "ertn" },
        { 0x060001a0u, "cacop" },
    };

    for (int plv = 1; plv <= 3; plv++) {
        for (size_t n = 0; n < sizeof(insns) / sizeof(insns[0]); n++) {
            struct insn i = { .word = insns[n].word, .plv = plv };

            try_insn(&i);
            check(i.trapped && ESTAT_ECODE(i.estat) == EXC_IPE && i.era == 0,
                  "%s at PLV%d: IPE", insns[n].name, plv);
        }
    }
}

static uint64_t user_ecode, user_era;

/* Back from PLV3, whatever happened there */
static void leave_user(struct frame *f)
{
    user_ecode = ESTAT_ECODE(csrrd(ESTAT));
    user_era = f->era;
    f->era = ((uint64_t)insn_user_return & PHYS_MASK) | CACHED;
    f->prmd = 0;
}

/* 32-bit addresses at PLV3: of loads, and of the code that ertn goes to */
static void test_va32(void)
{
    const uint64_t va = 0x50000000, high = 0x300000000;
    struct insn i = { .plv = 3 };

    *phys(SPARE_HPA) = WORD("ld.d $t0, $t1, 0") | (uint64_t)W_SYSCALL << 32;
    *phys(SPARE_HPA + 0x100) = 0x3232;
    map(host_tables(), va, SPARE_HPA, PAGE_SIZE, PTE_RW | PTE_PLV3);
    asm volatile("ibar 0" : : : "memory");
    exc_hook = leave_user;
    csrwr(MISC, MISC_VA32L3);
    i.rj = high | (va + 0x100);
    insn_call_user(&i, high | va);
    check_eq(user_ecode, EXC_SYS, "VA32L3: code and a load");
    check_eq(i.rd, 0x3232, "VA32L3: the load's address is cut");
    check_eq(user_era, va + 4, "VA32L3: the pc of ertn is cut");
    check_eq(csrrd(CRMD) & 3, 0, "and PLV0 goes on in 64 bits");
    csrwr(MISC, 0);
    i.rd = 0;
    insn_call_user(&i, va);
    check(user_ecode == EXC_PIL && i.rd == 0, "without it a load's is not");
    insn_call_user(&i, high | va);
    check(user_ecode == EXC_PIF && user_era == (high | va), "nor the pc");
    exc_hook = NULL;
    *table_slot(host_tables(), va, false) = 0;
    insn_word(W_INVTLB(0, 0, 0));
}

static void test_misc(void)
{
    const uint32_t rdtime_d = WORD("rdtime.d $t0, $zero");
    struct insn i = { .word = W_CSRWR(R_T0, MISC), .rd = ~0ul };

    try_insn(&i);
    if (!check(!i.trapped, "MISC can be written")) {
        return;
    }
    check_eq(csrrd(MISC), 0xee, "VA32L1 to 3 and DRDTL1 to 3 of it");
    csrwr(MISC, 0);
    for (int plv = 1; plv <= 3; plv++) {
        csrwr(MISC, MISC_DRDTL(plv));
        for (int at = 0; at <= 3; at++) {
            i = (struct insn) { .word = rdtime_d, .plv = at };
            try_insn(&i);
            check(i.trapped == (at == plv) &&
                  (!i.trapped || ESTAT_ECODE(i.estat) == EXC_IPE),
                  "DRDTL%d: rdtime at PLV%d", plv, at);
        }
    }
    csrwr(MISC, 0);
    test_va32();
}

/* Software interrupts: set, taken, cleared; also when unmasked afterwards */
static void test_swi(void)
{
    for (unsigned n = 0; n < 2; n++) {
        irq_seen = 0;
        csrwr(ECFG, 1u << n);
        csrxchg(CRMD, CRMD_IE, CRMD_IE);
        csrxchg(ESTAT, 1u << n, 1u << n);
        csrxchg(CRMD, 0, CRMD_IE);
        check_eq(irq_seen, 1u << n, "SWI%d is taken when it is set", n);
        check_eq(csrrd(ESTAT) & IS_ALL, 1u << n, "ESTAT shows it");
        csrwr(ECFG, 0);
        irq_seen = 0;
        csrxchg(CRMD, CRMD_IE, CRMD_IE);
        csrwr(ECFG, 1u << n);
        csrxchg(CRMD, 0, CRMD_IE);
        check_eq(irq_seen, 1u << n, "SWI%d is taken when ECFG unmasks it", n);
        csrxchg(ESTAT, 0, 1u << n);
        irq_seen = 0;
        csrxchg(CRMD, CRMD_IE, CRMD_IE);
        csrxchg(CRMD, 0, CRMD_IE);
        csrwr(ECFG, 0);
        check_eq(irq_seen, 0, "and not when it is cleared");
        check_eq(csrrd(ESTAT) & IS_ALL, 0, "ESTAT is clear");
    }
    csrwr(ESTAT, ~3ul);
    check_eq(csrrd(ESTAT) & IS_ALL, 0, "no other bit of IS can be written");
}

void lvz_test(void)
{
    test_swi();
    test_misc();
    test_llbctl();
    test_llbctl_ertn();
    test_dmw();
    test_privilege();
}
