/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest instructions that must leave with GSPR, and those that must not.
 * cacop may do either; so may CSRs that exist in neither bank, as long as a
 * guest reads 0 from them.
 */
#include "lvz.h"

static struct vcpu vcpu;

static void expect_gspr(struct vcpu *v, uint32_t word, const char *name)
{
    int e;

    v->gpr[R_T0] = 0x1230;
    v->gpr[R_T1] = 0x4560;
    e = run_insn(v, word);
    if (!check(e == EXC_GSPR && ESTAT_ESUB(v->estat) == 0 &&
               v->era == GPA_CODE && (uint32_t)v->badi == word &&
               v->gpr[R_T0] == 0x1230 && v->gpr[R_T1] == 0x4560,
               "%s: GSPR with ERA, BADI and registers", name)) {
        dump(v, e);
    }
}

static void runs(struct vcpu *v, uint32_t word, const char *name)
{
    int e = run_insn(v, word);

    if (!check(hvc_code(v, e) == HVC_DONE, "%s runs without an exit", name)) {
        dump(v, e);
        guest_reset();
    }
}

static void test_cpucfg(struct vcpu *v)
{
    uint32_t user[] = { WORD("cpucfg $t0, $t1"), WORD("addi.d $t0, $t0, 1"),
                        W_SYSCALL };
    uint32_t code[] = { WORD("addi.d $t1, $t1, 5"),
                        WORD("addi.d $s8, $t1, 1"),
                        WORD("cpucfg $t0, $t1"),
                        WORD("addi.d $t0, $t0, 1"), W_HVCL(HVC_DONE) };
    int e;

    expect_gspr(v, WORD("cpucfg $t0, $t1"), "cpucfg");
    expect_gspr(v, WORD("cpucfg $zero, $t1"), "cpucfg to r0");
    expect_gspr(v, WORD("cpucfg $t1, $t1"), "cpucfg, rd = rj");

    gcopy(GPA_CODE, code, sizeof(code));
    v->gpr[R_T1] = 2;
    e = run_at(v, GPA_CODE);
    expect_exit(v, e, EXC_GSPR, "cpucfg in the middle of code");
    check(v->gpr[R_T1] == 7 && v->gpr[31] == 8, "registers are up to date");
    check_eq(v->pc, GPA_CODE + 8, "ERA is the cpucfg");
    v->gpr[R_T0] = 41;
    v->pc += 4;
    e = run(v);
    expect_hvc(v, e, HVC_DONE, "emulated, goes on behind it");
    check_eq(v->gpr[R_T0], 42, "with the host's answer");

    gcsrwr(CRMD, CRMD_DA | 3);
    gcopy(GPA_CODE, user, sizeof(user));
    e = run_at(v, GPA_CODE);
    expect_exit(v, e, EXC_GSPR, "cpucfg at PLV3: GSPR");
    v->gpr[R_T0] = 9;
    v->pc += 4;
    e = run(v);
    expect_guest_exc(v, e, EXC_SYS, "goes on at PLV3");
    check_eq(v->gpr[R_T0], 10, "with the host's answer");
    check_eq(gcsrrd(PRMD) & 3, 3, "it was PLV3");
    guest_reset();
}

static void csr_traps(struct vcpu *v, unsigned csr)
{
    static const uint32_t kinds[] = {
        W_CSRRD(R_T0, 0), W_CSRWR(R_T0, 0), W_CSRXCHG(R_T0, R_T1, 0),
        W_CSRRD(0, 0), W_CSRWR(0, 0),
    };
    int bad = 0;

    for (size_t n = 0; n < sizeof(kinds) / sizeof(kinds[0]); n++) {
        uint32_t word = kinds[n] | csr << 10;
        int e;

        v->gpr[R_T0] = 0x77;
        v->gpr[R_T1] = 0xff;
        e = run_insn(v, word);
        if (e != EXC_GSPR || v->era != GPA_CODE ||
            (uint32_t)v->badi != word || v->gpr[R_T0] != 0x77) {
            say("# kind %d\n", (int)n);
            dump(v, e);
            bad++;
        }
    }
    check(!bad, "CSR 0x%x traps, all five ways", csr);
}

static void test_csrs(struct vcpu *v)
{
    static const uint16_t traps[] = {
        0x15, 0x16, 0x50, 0x51, 0x52, 0x53, 0x80, 0x81, 0x90, 0x91, 0x92,
        0x93, 0x94, 0x95, 0x98, 0x200, 0x201, 0x202, 0x203, 0x204, 0x205,
        0x206, 0x207, 0x300, 0x301, 0x380, 0x381, 0x500, 0x501, 0x502,
    };
    static const uint16_t reads[] = {
        CRMD, PRMD, EUEN, MISC, ECFG, ESTAT, ERA, BADV, BADI, EENTRY, TLBIDX,
        TLBEHI, TLBELO0, TLBELO1, ASID, PGDL, PGDH, PGD, PWCL, PWCH, STLBPS,
        RVACFG, CPUID, PRCFG1, PRCFG2, PRCFG3, KS(0), KS(7), TID, TCFG, TVAL,
        CNTC, TICLR, LLBCTL, TLBRENTRY, TLBRBADV, TLBRERA, TLBRSAVE, TLBRELO0,
        TLBRELO1, TLBREHI, TLBRPRMD, DMW(0), DMW(1), DMW(2), DMW(3),
    };
    static const uint16_t either[] = {
        0x38, 0x3f, 0x70, 0xa0, 0xa4, 0xc0, 0x100, 0x1ff, 0x3fff,
    };
    int bad = 0;

    for (size_t n = 0; n < sizeof(traps) / sizeof(traps[0]); n++) {
        csr_traps(v, traps[n]);
    }
    for (unsigned n = 0; n < 8; n++) {
        csr_traps(v, 0x310 + 8 * n + n % 4);
        csr_traps(v, 0x390 + 8 * n + n % 4);
    }
    for (size_t n = 0; n < sizeof(reads) / sizeof(reads[0]); n++) {
        int e = run_insn(v, W_CSRRD(R_T0, reads[n]));

        if (hvc_code(v, e) != HVC_DONE) {
            say("# csrrd 0x%x\n", reads[n]);
            dump(v, e);
            bad++;
        }
    }
    check(!bad, "CSRs of the guest bank are read without an exit");
    bad = 0;
    for (size_t n = 0; n < sizeof(either) / sizeof(either[0]); n++) {
        int e;

        v->gpr[R_T0] = 0xfee1;
        run_insn(v, W_CSRWR(R_T0, either[n]));
        e = run_insn(v, W_CSRRD(R_T0, either[n]));
        if (e != EXC_GSPR &&
            !(hvc_code(v, e) == HVC_DONE && v->gpr[R_T0] == 0)) {
            say("# csrrd 0x%x\n", either[n]);
            dump(v, e);
            bad++;
        }
    }
    check(!bad, "other CSRs trap or read 0");
    guest_reset();
}

static void test_others(struct vcpu *v)
{
    int e;

    expect_gspr(v, WORD("iocsrrd.b $t0, $t1"), "iocsrrd.b");
    expect_gspr(v, WORD("iocsrrd.h $t0, $t1"), "iocsrrd.h");
    expect_gspr(v, WORD("iocsrrd.w $t0, $t1"), "iocsrrd.w");
    expect_gspr(v, WORD("iocsrrd.d $t0, $t1"), "iocsrrd.d");
    expect_gspr(v, WORD("iocsrrd.w $zero, $t1"), "iocsrrd.w to r0");
    expect_gspr(v, WORD("iocsrwr.b $t0, $t1"), "iocsrwr.b");
    expect_gspr(v, WORD("iocsrwr.h $t0, $t1"), "iocsrwr.h");
    expect_gspr(v, WORD("iocsrwr.w $t0, $t1"), "iocsrwr.w");
    expect_gspr(v, WORD("iocsrwr.d $t0, $t1"), "iocsrwr.d");
    expect_gspr(v, W_IDLE, "idle");
    expect_gspr(v, W_IDLE | 5, "idle 5");
    for (uint32_t op = 0; op < 32; op++) {
        uint32_t word = WORD("cacop 0, $t1, 0") | op;

        v->gpr[R_T1] = GPA_DATA;
        e = run_insn(v, word);
        if (e == EXC_GSPR ? v->era != GPA_CODE || (uint32_t)v->badi != word
                          : hvc_code(v, e) != HVC_DONE) {
            dump(v, e);
            check(false, "cacop 0x%x traps or does nothing", op);
            return;
        }
    }
    check(true, "cacop traps or does nothing");
}

/* GCFG.GCI: 0 traps all of cacop, 1 not hit-invalidates, 2 nor index ones */
static void test_gci(struct vcpu *v)
{
    const uint32_t word = WORD("cacop 0, $t1, 0");
    uint64_t gcfg = csrrd(GCFG);

    for (uint64_t gci = 0; gci <= 2; gci++) {
        int bad = 0;

        csrwr(GCFG, (gcfg & ~(3ul << 20)) | gci << 20);
        if ((csrrd(GCFG) >> 20 & 3) != gci) {
            skip("not supported", "cacop by GCFG.GCI");
            continue;
        }
        for (uint32_t op = 0; op < 32; op++) {
            unsigned kind = op >> 3;
            bool traps = !(kind == 2 && gci >= 1) && !(kind == 1 && gci >= 2);
            int e;

            v->gpr[R_T1] = GPA_DATA;
            e = run_insn(v, word | op);
            bad += traps ? e != EXC_GSPR : hvc_code(v, e) != HVC_DONE;
        }
        check_eq(bad, 0, "cacop by GCFG.GCI = %d", (int)gci);
    }
    csrwr(GCFG, gcfg);
    gcsrwr(CRMD, CRMD_DA | 3);
    expect_guest_exc(v, run_insn(v, word), EXC_IPE, "cacop at PLV3: IPE");
    guest_reset();
}

/* GTLBC.TOTI: what invalidates TLB entries leaves the guest, nothing else */
static void test_toti(struct vcpu *v)
{
    csrxchg(GTLBC, GTLBC_TOTI, GTLBC_TOTI);
    expect_gspr(v, WORD("tlbclr"), "tlbclr with TOTI");
    expect_gspr(v, WORD("tlbflush"), "tlbflush with TOTI");
    for (uint32_t op = 0; op <= 6; op++) {
        expect_gspr(v, W_INVTLB(0, R_T0, R_T1) | op, "invtlb with TOTI");
    }
    runs(v, WORD("tlbsrch"), "tlbsrch with TOTI");
    runs(v, WORD("tlbrd"), "tlbrd with TOTI");
    gcsrwr(TLBIDX, TLBIDX_PS(PAGE_SHIFT));
    runs(v, WORD("tlbfill"), "tlbfill with TOTI");
    csrxchg(GTLBC, 0, GTLBC_TOTI);
    runs(v, WORD("tlbflush"), "tlbflush without TOTI");
    /* What only a host has is not there, whatever TOTI */
    expect_guest_exc(v, run_insn(v, W_INVTLB(0x12, 0, 0)), EXC_INE,
                     "invtlb 0x12 in a guest: INE");
    expect_guest_exc(v, run_insn(v, W_GTLBFLUSH), EXC_INE,
                     "gtlbflush in a guest: INE");
    guest_reset();
}

static void test_free(struct vcpu *v)
{
    v->gpr[R_T1] = GPA_DATA;
    runs(v, WORD("rdtime.d $t0, $zero"), "rdtime.d");
    runs(v, WORD("rdtimel.w $t0, $zero"), "rdtimel.w");
    runs(v, WORD("rdtimeh.w $t0, $zero"), "rdtimeh.w");
    runs(v, WORD("dbar 0"), "dbar");
    runs(v, WORD("ibar 0"), "ibar");
    runs(v, WORD("preld 0, $t1, 0"), "preld");
    runs(v, WORD("crc.w.d.w $t0, $t1, $t1"), "crc.w.d.w");
    runs(v, WORD("amadd_db.d $t0, $t2, $t1"), "amadd_db.d");
    runs(v, WORD("tlbsrch"), "tlbsrch");
    runs(v, WORD("tlbrd"), "tlbrd");
    gcsrwr(TLBIDX, TLBIDX_PS(PAGE_SHIFT));
    runs(v, WORD("tlbwr"), "tlbwr");
    runs(v, WORD("tlbfill"), "tlbfill");
    runs(v, WORD("tlbclr"), "tlbclr");
    runs(v, WORD("tlbflush"), "tlbflush");
    for (uint32_t op = 0; op <= 6; op++) {
        runs(v, W_INVTLB(0, R_T0, R_T1) | op, "invtlb 0-6");
    }
}

void lvz_test(void)
{
    lvz_enable();
    vcpu_init(&vcpu, 1);
    test_cpucfg(&vcpu);
    test_csrs(&vcpu);
    test_others(&vcpu);
    test_gci(&vcpu);
    test_toti(&vcpu);
    test_free(&vcpu);
}
