/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A CPU without LVZ: nothing of it may be seen or executed.  Also the test of
 * the library itself, since it needs no guest: traps at PLV0 and PLV3, host
 * paging, refill, a timer interrupt.
 */
#include "lvz.h"

static void absent(uint32_t word, const char *name)
{
    struct insn i = { .word = word, .rd = 0x1234, .rj = 0 };

    try_insn(&i);
    check(i.trapped && ESTAT_ECODE(i.estat) == EXC_INE, "%s: INE", name);
    check(!i.trapped || (i.era == 0 && i.badi == word),
          "%s: ERA and BADI name it", name);
}

static void test_absent(void)
{
    static const struct {
        uint32_t word;
        const char *name;
    } insns[] = {
        { W_GCSRRD(R_T0, CRMD), "gcsrrd" },
        { W_GCSRWR(R_T0, KS(0)), "gcsrwr" },
        { W_GCSRXCHG(R_T0, R_T1, KS(0)), "gcsrxchg" },
        { W_HVCL(0), "hvcl" },
        { W_GTLBCLR, "gtlbclr" },
        { W_GTLBFLUSH, "gtlbflush" },
        { W_GTLBSRCH, "gtlbsrch" },
        { W_GTLBRD, "gtlbrd" },
        { W_GTLBWR, "gtlbwr" },
        { W_GTLBFILL, "gtlbfill" },
        { W_INVTLB(0x9, 0, 0), "invtlb 0x9" },
        { W_INVTLB(0x12, 0, 0), "invtlb 0x12" },
        { W_INVTLB(0x16, 0, 0), "invtlb 0x16" },
    };

    for (size_t n = 0; n < sizeof(insns) / sizeof(insns[0]); n++) {
        absent(insns[n].word, insns[n].name);
    }
}

static void test_csrs(void)
{
    static const uint16_t csrs[] = {
        GTLBC, TRGP, GSTAT, GCFG, GINTC, GCNTC
    };

    for (size_t n = 0; n < sizeof(csrs) / sizeof(csrs[0]); n++) {
        struct insn i = { .word = W_CSRWR(R_T0, csrs[n]), .rd = ~0ul };

        try_insn(&i);
        check(!i.trapped || ESTAT_ECODE(i.estat) == EXC_INE,
              "CSR 0x%x is like any undefined one to write", csrs[n]);
        i.word = W_CSRRD(R_T0, csrs[n]);
        i.rd = 0;
        try_insn(&i);
        check(i.trapped || i.rd == 0, "CSR 0x%x reads 0", csrs[n]);
    }
}

static void test_library(void)
{
    struct insn i = { .word = W_SYSCALL | 5 };
    uint64_t *pgd = host_tables();
    uint64_t before = refill.count;

    try_insn(&i);
    check(i.trapped && ESTAT_ECODE(i.estat) == EXC_SYS, "trap at PLV0");
    i = (struct insn) { .word = W_CSRRD(R_T0, CRMD), .plv = 3 };
    try_insn(&i);
    check(i.trapped && ESTAT_ECODE(i.estat) == EXC_IPE, "trap at PLV3");
    i = (struct insn) { .word = W_NOP, .plv = 3, .rd = 77 };
    try_insn(&i);
    check(!i.trapped && i.rd == 77, "no trap at PLV3");

    map(pgd, 0x1230000, SPARE_HPA, PAGE_SIZE, PTE_RW);
    *phys(SPARE_HPA + 8) = 0x55aa;
    check_eq(host_load(0x1230008), 0x55aa, "host paging");
    check_eq(refill.count, before + 1, "one refill");
    check_eq(refill.badv, 0x1230008, "TLBRBADV");
    check_eq(csrrd(CRMD) & 0x1f, CRMD_PG, "ertn from refill");

    csrwr(ECFG, IS_TI);
    csrwr(TCFG, 10000 | 1);
    csrxchg(CRMD, CRMD_IE, CRMD_IE);
    while (!irq_seen) {
        ;
    }
    csrwr(ECFG, 0);
    csrwr(TICLR, 1);
    csrxchg(CRMD, 0, CRMD_IE);
    check_eq(irq_seen, IS_TI, "timer interrupt in the host");
}

void lvz_test(void)
{
    test_library();
    check_eq(cpucfg(2) & (0xf << 10), 0, "CPUCFG2 bits 13:10");
    test_absent();
    test_csrs();
}
