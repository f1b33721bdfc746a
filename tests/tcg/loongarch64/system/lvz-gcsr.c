/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest CSR bank as the host and the guest see it, and the LVZ CSRs.
 * Timer and interrupt behaviour of these registers is tested elsewhere; bits
 * that an implementation may leave out are not looked at.
 */
#include "lvz.h"

static struct vcpu vcpu;

static uint64_t gcsr_read(unsigned csr)
{
    struct insn i = { .word = W_GCSRRD(R_T0, csr) };

    try_insn(&i);
    if (i.trapped) {
        say("# gcsrrd 0x%x trapped, ESTAT 0x%lx\n", csr, i.estat);
    }
    return i.rd;
}

static uint64_t gcsr_write(unsigned csr, uint64_t value)
{
    struct insn i = { .word = W_GCSRWR(R_T0, csr), .rd = value };

    try_insn(&i);
    if (i.trapped) {
        say("# gcsrwr 0x%x trapped, ESTAT 0x%lx\n", csr, i.estat);
    }
    return i.rd;
}

static uint64_t gcsr_xchg(unsigned csr, uint64_t value, uint64_t mask)
{
    struct insn i = {
        .word = W_GCSRXCHG(R_T0, R_T1, csr), .rd = value, .rj = mask
    };

    try_insn(&i);
    return i.rd;
}

static uint64_t csr_read(unsigned csr)
{
    struct insn i = { .word = W_CSRRD(R_T0, csr) };

    try_insn(&i);
    return i.rd;
}

#define ELO_MASK 0xe000fffffffff07ful
static const struct {
    uint16_t csr;
    uint64_t mask;          /* bits that any implementation keeps */
    const char *name;
} plain[] = {
    { CRMD, 0x1ff, "CRMD" },
    { PRMD, 0x7, "PRMD" },
    { EUEN, 0x7, "EUEN" },
    { MISC, 0xee, "MISC" },
    { ECFG, 0x71bff, "ECFG" },
    { ERA, ~0ul, "ERA" },
    { BADV, ~0ul, "BADV" },
    { BADI, 0xffffffff, "BADI" },
    { EENTRY, ~0xffful, "EENTRY" },
    { TLBIDX, 0xbf0007ff, "TLBIDX" },
    { TLBEHI, 0xffffffffe000, "TLBEHI" },
    { TLBELO0, ELO_MASK, "TLBELO0" },
    { TLBELO1, ELO_MASK, "TLBELO1" },
    { ASID, 0x3ff, "ASID" },
    { PGDL, ~0xffful, "PGDL" },
    { PGDH, ~0xffful, "PGDH" },
    { PWCL, 0x3fffffff, "PWCL" },
    { PWCH, 0xffffff, "PWCH" },
    { CPUID, 0x1ff, "CPUID" },
    { KS(0), ~0ul, "KS0" }, { KS(1), ~0ul, "KS1" }, { KS(2), ~0ul, "KS2" },
    { KS(3), ~0ul, "KS3" }, { KS(4), ~0ul, "KS4" }, { KS(5), ~0ul, "KS5" },
    { KS(6), ~0ul, "KS6" }, { KS(7), ~0ul, "KS7" },
    { TID, 0xffffffff, "TID" },
    { TCFG, 0xfffffffffffeul, "TCFG" },
    { TVAL, 0xfffffffffffful, "TVAL" },
    { CNTC, ~0ul, "CNTC" },
    { LLBCTL, LLBCTL_KLO, "LLBCTL" },
    { TLBRENTRY, 0xfffffffff000, "TLBRENTRY" },
    { TLBRBADV, ~0ul, "TLBRBADV" },
    { TLBRERA, ~2ul, "TLBRERA" },
    { TLBRSAVE, ~0ul, "TLBRSAVE" },
    { TLBRELO0, ELO_MASK, "TLBRELO0" },
    { TLBRELO1, ELO_MASK, "TLBRELO1" },
    { TLBREHI, 0xffffffffe03f, "TLBREHI" },
    { TLBRPRMD, 0x7, "TLBRPRMD" },
    { DMW(0), 0xf00000000000003ful, "DMW0" },
    { DMW(1), 0xf00000000000003ful, "DMW1" },
    { DMW(2), 0xf00000000000003ful, "DMW2" },
    { DMW(3), 0xf00000000000003ful, "DMW3" },
};
#define PLAIN (sizeof(plain) / sizeof(plain[0]))

static uint64_t pattern(size_t n)
{
    return 0x5a3c96f0a5c3690ful * (2 * n + 1);
}

static void test_round_trip(void)
{
    uint64_t host[PLAIN];
    int changed = 0;

    for (size_t n = 0; n < PLAIN; n++) {
        host[n] = csr_read(plain[n].csr);
    }
    /* All are written before any is read: no two share their storage */
    for (size_t n = 0; n < PLAIN; n++) {
        gcsr_write(plain[n].csr, pattern(n) & plain[n].mask);
    }
    for (size_t n = 0; n < PLAIN; n++) {
        uint64_t mask = plain[n].mask;
        uint64_t want = pattern(n) & mask;

        check_eq(gcsr_read(plain[n].csr) & mask, want, "%s reads back",
                 plain[n].name);
        check_eq(gcsr_write(plain[n].csr, ~want & mask) & mask, want,
                 "%s: gcsrwr gives the old value", plain[n].name);
        check_eq(gcsr_read(plain[n].csr) & mask, ~want & mask,
                 "%s reads back inverted", plain[n].name);
        check_eq(gcsr_xchg(plain[n].csr, want, mask) & mask, ~want & mask,
                 "%s: gcsrxchg gives the old value", plain[n].name);
        check_eq(gcsr_read(plain[n].csr) & mask, want, "%s exchanged",
                 plain[n].name);
    }
    for (size_t n = 0; n < PLAIN; n++) {
        uint64_t now = csr_read(plain[n].csr);

        /* The tries themselves take no exception, so only time may pass */
        if (now != host[n] && plain[n].csr != TVAL) {
            say("# host %s was 0x%lx, is 0x%lx\n", plain[n].name, host[n],
                now);
            changed++;
        }
    }
    check(!changed, "the host bank is untouched");
    guest_reset();
}

static void test_xchg(void)
{
    struct insn i = { .word = W_GCSRXCHG(0, R_T1, KS(2)), .rj = 0xff };

    gcsr_write(KS(2), 0x1234567890abcdef);
    check_eq(gcsr_xchg(KS(2), 0xffffffff00000000, 0x0f0f0f0ff0f0f0f0),
             0x1234567890abcdef, "gcsrxchg answers all of the old value");
    check_eq(gcsr_read(KS(2)), 0x1f3f5f7f000b0d0f, "and honours its mask");
    try_insn(&i);
    check_eq(gcsr_read(KS(2)), 0x1f3f5f7f000b0d00, "gcsrxchg with rd = r0");
    gcsr_write(KS(2), 0xf0f0);
    i = (struct insn) { .word = W_GCSRXCHG(R_T1, R_T1, KS(2)), .rj = 0xff00 };
    try_insn(&i);
    check_eq(gcsr_read(KS(2)), 0xfff0, "gcsrxchg with rd = rj");
    i = (struct insn) { .word = W_GCSRWR(0, KS(2)) };
    try_insn(&i);
    check_eq(gcsr_read(KS(2)), 0, "gcsrwr with rd = r0");
}

static void test_special(void)
{
    check_eq((gcsr_read(ASID) >> 16) & 0xff, 10, "ASIDBITS is 10");
    gcsr_write(ASID, 0);
    check_eq((gcsr_read(ASID) >> 16) & 0xff, 10, "ASIDBITS stays on write 0");
    gcsr_write(ASID, 0x3ff | 0xff << 16);
    check_eq(gcsr_read(ASID) & 0xff03ff, 0xa03ff, "and on write of ones");
    for (unsigned csr = PRCFG1; csr <= PRCFG3; csr++) {
        check_eq(gcsr_read(csr), csr_read(csr), "PRCFG%d is the host's",
                 csr - PRCFG1 + 1);
        check(gcsr_read(csr) != 0, "PRCFG%d is not 0", csr - PRCFG1 + 1);
    }
    gcsr_write(TICLR, 1);
    check_eq(gcsr_read(TICLR), 0, "TICLR reads 0");
    gcsr_write(LLBCTL, LLBCTL_WCLLB);
    check_eq(gcsr_read(LLBCTL) & LLBCTL_WCLLB, 0, "LLBCTL.WCLLB reads 0");
    for (unsigned ps = 12; ps <= 16; ps += 2) {
        gcsr_write(STLBPS, ps);
        check_eq(gcsr_read(STLBPS), ps, "STLBPS %d reads back", ps);
    }
    for (unsigned bits = 0; bits <= 8; bits += 4) {
        gcsr_write(RVACFG, bits);
        check_eq(gcsr_read(RVACFG), bits, "RVACFG %d reads back", bits);
    }
    guest_reset();
    gcsr_write(PGDL, 0x1000000);
    gcsr_write(PGDH, 0x2000000);
    gcsr_write(BADV, 0x1000);
    check_eq(gcsr_read(PGD), 0x1000000, "PGD is PGDL for a low BADV");
    gcsr_write(BADV, ~0xffful);
    check_eq(gcsr_read(PGD), 0x2000000, "PGD is PGDH for a high BADV");
    gcsr_write(TLBRERA, TLBRERA_ISTLBR);
    gcsr_write(TLBRBADV, 0x1000);
    check_eq(gcsr_read(PGD), 0x1000000, "PGD goes by TLBRBADV in a refill");
    guest_reset();
}

static void test_estat(void)
{
    gcsr_write(ESTAT, 0);
    check_eq(gcsr_read(ESTAT) & IS_ALL, 0, "ESTAT can be cleared");
    gcsr_xchg(ESTAT, IS_SWI0 | IS_SWI1, IS_SWI0 | IS_SWI1);
    check_eq(gcsr_read(ESTAT) & IS_ALL, IS_SWI0 | IS_SWI1, "SWI0 and SWI1 set");
    gcsr_xchg(ESTAT, IS_TI, IS_TI);
    gcsr_xchg(ESTAT, IS_IPI, IS_IPI);
    check_eq(gcsr_read(ESTAT) & IS_ALL, IS_SWI0 | IS_SWI1 | IS_TI | IS_IPI,
             "TI and IPI set, the others kept");
    /* As Linux clears: value and mask inverted would touch all, so mask one */
    gcsr_xchg(ESTAT, ~(uint64_t)IS_IPI, IS_IPI);
    check_eq(gcsr_read(ESTAT) & IS_ALL, IS_SWI0 | IS_SWI1 | IS_TI,
             "IPI alone cleared");
    gcsr_xchg(ESTAT, 0, IS_TI | IS_SWI1);
    check_eq(gcsr_read(ESTAT) & IS_ALL, IS_SWI0, "TI and SWI1 cleared");
    gcsr_write(ESTAT, 0x7f << 16);
    check_eq(gcsr_read(ESTAT) & 0x7fff0000, 0x7f << 16,
             "Ecode and EsubCode can be written");
    gcsr_xchg(ESTAT, EXC_INE << 16, 0x3f << 16);
    check_eq(gcsr_read(ESTAT) & 0x7fff0000, EXC_INE << 16 | 1 << 22,
             "Ecode alone exchanged");

    gcsr_write(ESTAT, 0);
    gcsr_write(ESTAT, 0x3fc);
    check_eq(gcsr_read(ESTAT) & 0x3fc, 0, "gcsrwr does not latch IS[9:2]");
    gcsr_xchg(ESTAT, 0x3fc, 0x3fc);
    check_eq(gcsr_read(ESTAT) & 0x3fc, 0, "gcsrxchg does not either");
    csrwr(GINTC, 0x5a);
    check_eq(gcsr_read(ESTAT) & IS_ALL, 0x5a << 2, "IS[9:2] shows GINTC.VIP");
    gcsr_write(ESTAT, gcsr_read(ESTAT));
    csrwr(GINTC, 0);
    check_eq(gcsr_read(ESTAT) & IS_ALL, 0, "and nothing of it stays");
    csrwr(GINTC, 0xff);
    gcsr_xchg(ESTAT, 0, 0x3fc);
    check_eq(gcsr_read(ESTAT) & IS_ALL, 0x3fc, "nor can ESTAT withdraw it");
    csrwr(GINTC, 0);
    guest_reset();
}

static void traps(uint32_t word, int plv, int ecode, const char *name)
{
    struct insn i = { .word = word, .plv = plv };

    try_insn(&i);
    if (!check(i.trapped && ESTAT_ECODE(i.estat) == (uint64_t)ecode, "%s",
               name)) {
        say("# trapped %d, ESTAT 0x%lx\n", i.trapped, i.estat);
    }
}

static void test_privilege(void)
{
    static const uint16_t nothing[] = { 0x70, 0x1ff, 0x3fff };

    traps(W_GCSRRD(R_T0, KS(0)), 3, EXC_IPE, "gcsrrd at PLV3: IPE");
    traps(W_GCSRWR(R_T0, KS(0)), 3, EXC_IPE, "gcsrwr at PLV3: IPE");
    traps(W_GCSRXCHG(R_T0, R_T1, KS(0)), 3, EXC_IPE, "gcsrxchg at PLV3: IPE");
    traps(W_CSRRD(R_T0, GSTAT), 3, EXC_IPE, "GSTAT at PLV3: IPE");
    traps(W_INVTLB(0x12, 0, 0), 3, EXC_IPE, "invtlb 0x12 at PLV3: IPE");
    traps(W_INVTLB(0x7, 0, 0), 0, EXC_INE, "invtlb 0x7: INE");
    traps(W_INVTLB(0x8, 0, 0), 0, EXC_INE, "invtlb 0x8: INE");
    traps(W_INVTLB(0xf, 0, 0), 0, EXC_INE, "invtlb 0xf: INE");
    traps(W_INVTLB(0x17, 0, 0), 0, EXC_INE, "invtlb 0x17: INE");
    traps(W_INVTLB(0x1f, 0, 0), 0, EXC_INE, "invtlb 0x1f: INE");
    for (size_t n = 0; n < sizeof(nothing) / sizeof(nothing[0]); n++) {
        struct insn i = { .word = W_GCSRWR(R_T0, nothing[n]), .rd = ~0ul };

        try_insn(&i);
        check(!i.trapped, "gcsrwr to no register, 0x%x", nothing[n]);
        check_eq(gcsr_read(nothing[n]), 0, "reads 0");
    }
}

static void test_gstat(void)
{
    uint64_t bits = 8 << 4;
    struct insn i;

    csrwr(GSTAT, 0);
    check_eq(csrrd(GSTAT), bits, "GSTAT: GIDBITS is 8 and stays on write 0");
    csrwr(GSTAT, ~0ul);
    check_eq(csrrd(GSTAT) & (GSTAT_GID_MASK | GSTAT_GIDBITS | 3),
             GSTAT_GID(0xff) | bits | GSTAT_PVM,
             "GSTAT: VM is read-only, GID and PVM are not");
    csrxchg(GSTAT, 0, GSTAT_PVM);
    check_eq(csrrd(GSTAT), GSTAT_GID(0xff) | bits, "GSTAT.PVM exchanged");
    check_eq(csrxchg(GSTAT, GSTAT_GID(0x5a), GSTAT_GID_MASK),
             GSTAT_GID(0xff) | bits, "GSTAT.GID exchanged, old value");
    check_eq(csrrd(GSTAT), GSTAT_GID(0x5a) | bits, "GSTAT.GID, new value");
    i = (struct insn) { .word = W_CSRXCHG(R_T0, R_T0, GSTAT), .rd = 2 };
    try_insn(&i);
    check_eq(i.rd, GSTAT_GID(0x5a) | bits, "csrxchg GSTAT, rd = rj: old value");
    check_eq(csrrd(GSTAT) & 3, GSTAT_PVM, "csrxchg GSTAT, rd = rj: set");
    i = (struct insn) { .word = W_CSRXCHG(0, R_T1, GSTAT), .rj = 2 };
    try_insn(&i);
    check_eq(csrrd(GSTAT), GSTAT_GID(0x5a) | bits, "csrxchg GSTAT, rd = r0");
    i = (struct insn) { .word = W_CSRWR(0, GSTAT) };
    try_insn(&i);
    check_eq(csrrd(GSTAT), bits, "csrwr GSTAT, rd = r0");
    i = (struct insn) { .word = W_CSRRD(0, GSTAT) };
    try_insn(&i);
    check(!i.trapped, "csrrd GSTAT, rd = r0");
}

static void test_gtlbc(void)
{
    uint64_t mask = GTLBC_USETGID | GTLBC_TGID_MASK;
    uint64_t old;

    csrwr(GTLBC, GTLBC_USETGID | GTLBC_TGID(0x7e));
    check_eq(csrrd(GTLBC) & mask, GTLBC_USETGID | GTLBC_TGID(0x7e),
             "GTLBC reads back");
    old = csrxchg(GTLBC, 0, GTLBC_TGID_MASK);
    check_eq(old & mask, GTLBC_USETGID | GTLBC_TGID(0x7e),
             "GTLBC: csrxchg gives the old value");
    check_eq(csrrd(GTLBC) & mask, GTLBC_USETGID, "GTLBC.TGID cleared");
    csrxchg(GTLBC, 0, GTLBC_USETGID);
    check_eq(csrrd(GTLBC) & mask, 0, "GTLBC.USETGID cleared");
    csrwr(GTLBC, GTLBC_USETGID);
    check_eq(csrrd(TRGP), 0, "TRGP reads 0");
}

static void test_gintc(void)
{
    csrwr(GINTC, 0xa5c33c);
    check_eq(csrrd(GINTC), 0xa5c33c, "GINTC reads back");
    csrxchg(GINTC, 0xff, 0x0f);
    check_eq(csrrd(GINTC), 0xa5c33f, "GINTC exchanged");
    csrwr(GINTC, csrrd(GINTC) & ~0xfful);
    check_eq(csrrd(GINTC), 0xa5c300, "GINTC read, modified, written");
    csrwr(GINTC, 0);
    check_eq(csrrd(GINTC), 0, "GINTC cleared");
    csrwr(GCNTC, 0xfedcba9876543210);
    check_eq(csrrd(GCNTC), 0xfedcba9876543210, "GCNTC reads back");
    csrwr(GCNTC, 0);
}

static void test_gcfg(uint64_t reset)
{
    /* MATP, SITP, TITP, TOEP, TOPP, TORUP, GCIP, GPMP */
    uint64_t caps = 0xf | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 12 | 1 << 14 |
                    0xf << 16 | 1 << 23;
    uint64_t now;

    check(reset & 2, "GCFG.MATP has ROOT");
    csrwr(GCFG, 0);
    check_eq(csrrd(GCFG) & caps, reset & caps, "GCFG: write 0 keeps *P");
    csrwr(GCFG, ~0ul);
    now = csrrd(GCFG);
    check_eq(now & caps, reset & caps, "GCFG: write of ones keeps *P");
    check_eq(now & 0xaa80 & ~((reset & 0x5540) << 1), 0,
             "GCFG: no trap enable without its capability");
    csrwr(GCFG, 1 << 4);
    check_eq(csrrd(GCFG) & 0x30, 1 << 4, "GCFG.MATC takes ROOT");
    csrwr(GCFG, 1 << 4 | 2 << 20);
    if (reset & 1 << 18) {
        check_eq(csrrd(GCFG) & 0x300000, 2 << 20, "GCFG.GCI takes SECURE");
    } else {
        skip("not supported", "GCFG.GCI takes SECURE");
    }
}

/* Each of the host's own answers every form, with r0 and equal registers too */
static void test_forms(void)
{
    static const struct {
        uint16_t csr;
        uint64_t mask;
    } csrs[] = {
        { GTLBC, GTLBC_USETGID | GTLBC_TGID_MASK },
        { TRGP, 0xff0001 },
        { GSTAT, GSTAT_PVM | GSTAT_GID_MASK },
        { GCFG, 3 << 20 | 3 << 4 },
        { GINTC, 0xffffff },
        { GCNTC, ~0ul },
    };

    for (size_t n = 0; n < sizeof(csrs) / sizeof(csrs[0]); n++) {
        unsigned csr = csrs[n].csr;
        uint64_t mask = csrs[n].mask, before = csr_read(csr);
        uint64_t one = 0x5a5a5a5a5a5a5a5a & mask, seen;
        struct insn i = { .word = W_CSRWR(R_T0, csr), .rd = one };
        int bad = 0;

        try_insn(&i);
        bad += i.trapped || i.rd != before;
        seen = csr_read(csr);
        bad += (seen & mask) != one;
        i = (struct insn) { .word = W_CSRRD(0, csr) };
        try_insn(&i);
        bad += i.trapped || csr_read(csr) != seen;
        i = (struct insn) { .word = W_CSRXCHG(R_T0, R_T1, csr),
                            .rd = ~one & mask, .rj = mask & 0xffff };
        try_insn(&i);
        bad += i.trapped || i.rd != seen;
        seen = csr_read(csr);
        bad += (seen & mask) != ((one & ~0xfffful) | (~one & mask & 0xffff));
        i = (struct insn) { .word = W_CSRXCHG(R_T1, R_T1, csr), .rj = mask };
        try_insn(&i);
        bad += i.trapped || (csr_read(csr) & mask) != mask;
        i = (struct insn) { .word = W_CSRXCHG(0, R_T1, csr), .rj = one };
        try_insn(&i);
        bad += i.trapped || (csr_read(csr) & mask) != (mask & ~one);
        i = (struct insn) { .word = W_CSRWR(0, csr) };
        try_insn(&i);
        bad += i.trapped || (csr_read(csr) & mask) != 0;
        check_eq(bad, 0, "CSR 0x%x in every form", csr);
        i = (struct insn) { .word = W_CSRWR(R_T0, csr), .rd = before };
        try_insn(&i);
    }
}

/* The same registers from inside */
static void test_guest_view(struct vcpu *v)
{
    int e;

    gcsr_write(CPUID, 0x13);
    gcsr_write(TID, 0x99);
    gcsr_write(BADI, 0x12345678);
    for (unsigned csr = PRCFG1; csr <= PRCFG3; csr++) {
        e = run_insn(v, W_CSRRD(R_T0, csr));
        check(hvc_code(v, e) == HVC_DONE && v->gpr[R_T0] == csr_read(csr),
              "guest reads PRCFG%d", csr - PRCFG1 + 1);
    }
    e = run_insn(v, W_CSRRD(R_T0, CPUID));
    check(hvc_code(v, e) == HVC_DONE && v->gpr[R_T0] == 0x13,
          "guest reads its CPUID");
    e = run_insn(v, W_CSRRD(R_T0, BADI));
    check(hvc_code(v, e) == HVC_DONE && v->gpr[R_T0] == 0x12345678,
          "guest reads its BADI");
    e = run_insn(v, W_CSRRD(R_T0, TICLR));
    check(hvc_code(v, e) == HVC_DONE && v->gpr[R_T0] == 0,
          "guest reads TICLR as 0");
    v->gpr[R_T0] = 0x155;
    e = run_insn(v, W_CSRWR(R_T0, ASID));
    check(hvc_code(v, e) == HVC_DONE && v->gpr[R_T0] == 10 << 16,
          "guest writes ASID, sees ASIDBITS");
    check_eq(gcsr_read(ASID), 0x155 | 10 << 16, "ASID as the guest wrote it");
    v->gpr[R_T0] = ~0ul;
    e = run_insn(v, W_CSRWR(R_T0, ESTAT));
    expect_hvc(v, e, HVC_DONE, "guest writes ESTAT");
    check_eq(gcsr_read(ESTAT), IS_SWI0 | IS_SWI1, "only SWI0 and SWI1 change");
    v->gpr[R_T0] = 0;
    csrwr(GINTC, 0x81);
    e = run_insn(v, W_CSRRD(R_T0, ESTAT));
    expect_hvc(v, e, HVC_DONE, "guest reads ESTAT");
    check_eq(v->gpr[R_T0], IS_SWI0 | IS_SWI1 | 0x81 << 2, "with GINTC.VIP");
    v->gpr[R_T0] = 0;
    v->gpr[R_T1] = 1;
    e = run_insn(v, W_CSRXCHG(R_T0, R_T1, ESTAT));
    expect_hvc(v, e, HVC_DONE, "guest exchanges ESTAT");
    check_eq(gcsr_read(ESTAT), IS_SWI1 | 0x81 << 2, "one bit of it");
    csrwr(GINTC, 0);
    for (unsigned n = 0; n < 8; n++) {
        gcsr_write(KS(n), 0x100 + n);
        v->gpr[R_T0] = 0x200 + n;
        e = run_insn(v, W_CSRWR(R_T0, KS(n)));
        check(hvc_code(v, e) == HVC_DONE && v->gpr[R_T0] == 0x100 + n &&
              gcsr_read(KS(n)) == 0x200 + n, "KS%d is shared with gcsr*", n);
    }
}

void lvz_test(void)
{
    uint64_t gcfg = have_lvz() ? csrrd(GCFG) : 0;

    if (have_lvz()) {
        /* Before anything is written: what a CPU has after reset */
        check_eq(csrrd(GSTAT) & 3, 0, "reset: GSTAT.VM and PVM");
        check_eq(csrrd(GINTC), 0, "reset: GINTC");
        check_eq(gcsr_read(ASID), 10 << 16, "reset: guest ASIDBITS");
        check_eq(gcsr_read(PRCFG3), csr_read(PRCFG3), "reset: guest PRCFG3");
        check_eq((cpucfg(2) >> 11) & 7, 1, "CPUCFG2: LVZ revision 1");
    }
    lvz_enable();
    vcpu_init(&vcpu, 1);
    test_round_trip();
    test_xchg();
    test_special();
    test_estat();
    test_privilege();
    test_gstat();
    test_gtlbc();
    test_gintc();
    test_gcfg(gcfg);
    test_forms();
    vcpu_init(&vcpu, 1);
    test_guest_view(&vcpu);
}
