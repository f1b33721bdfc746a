/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * World switch: entry by ertn, exits and what they leave in the registers, and
 * what must not leave the guest at all.  Interrupts and FP exits are tested
 * elsewhere; whether ertn clears GSTAT.PVM is left open, as the architecture
 * leaves it to software.
 */
#include "lvz.h"

#define PATTERN(n) (0x1111111111111111ul * ((n) & 15) ^ ((uint64_t)(n) << 40))

static struct vcpu vcpu;

static void check_gprs(const struct vcpu *v, uint64_t add, const char *name)
{
    int bad = 0;

    for (int n = 1; n < 32; n++) {
        if (v->gpr[n] != PATTERN(n) + add) {
            say("# r%d is 0x%lx, want 0x%lx\n", n, v->gpr[n],
                PATTERN(n) + add);
            bad++;
        }
    }
    check(!bad, "%s", name);
}

GUEST_CODE(guest_add,
    ".altmacro\n"
    ".macro addone n\n addi.d $r\\n, $r\\n, 1\n .endm\n"
    ".set n, 1\n"
    ".rept 31\n addone %n\n .set n, n + 1\n .endr\n"
    ".noaltmacro\n"
    "GUEST_DONE");

static void test_registers(struct vcpu *v)
{
    int e;

    for (int n = 0; n < 32; n++) {
        v->gpr[n] = PATTERN(n);
    }
    e = run_insn(v, W_HVCL(0x123));
    expect_hvc(v, e, 0x123, "hvcl leaves the guest");
    check_gprs(v, 0, "general registers pass both ways");
    check_eq(v->era, GPA_CODE, "ERA is the hvcl itself");
    check_eq(v->badi, W_HVCL(0x123), "BADI is its word");
    check_eq(ESTAT_ESUB(v->estat), 0, "EsubCode 0");
    check_eq(v->gstat & (GSTAT_VM | GSTAT_PVM), GSTAT_PVM,
             "GSTAT after the exit: VM 0, PVM 1");
    check_eq(v->gstat & GSTAT_GID_MASK, GSTAT_GID(v->gid), "GID is kept");
    check_eq(v->crmd & 0x1f, CRMD_PG, "host CRMD: PLV0, IE 0, paging kept");
    check_eq(v->xprmd & 7, PRMD_PIE, "host PRMD: PPLV 0, PIE 1");

    gload(GPA_CODE, guest_add);
    e = run_at(v, GPA_CODE);
    expect_hvc(v, e, HVC_DONE, "a longer run");
    check_gprs(v, 1, "the guest's changes come out");

    v->prmd = 3;
    gwrite(GPA_DATA, 0xd00d);
    v->gpr[R_T1] = GPA_DATA;
    e = run_insn(v, WORD("ld.d $t0, $t1, 0"));
    expect_hvc(v, e, HVC_DONE, "entry with host PPLV 3, PIE 0");
    check_eq(v->gpr[R_T0], 0xd00d, "host PLV does not matter to the guest");
    check_eq(v->xprmd & 7, 3, "and comes back in PRMD");
    e = run_insn(v, W_CSRRD(R_T0, CRMD));
    expect_hvc(v, e, HVC_DONE, "nor to its privilege");
    check_eq(v->gpr[R_T0], CRMD_DA, "guest CRMD is its own");
    v->prmd = PRMD_PIE;
}

static void test_vectors(struct vcpu *v)
{
    int e;

    v->ecfg = 5 << 16;
    e = run_insn(v, W_HVCL(3));
    expect_hvc(v, e, 3, "exit with ECFG.VS = 5");
    check_eq(v->slot, EXC_HVC, "enters the vector of its Ecode");
    v->ecfg = 0;
    e = run_insn(v, W_HVCL(3));
    expect_hvc(v, e, 3, "exit with ECFG.VS = 0");
    check_eq(v->slot, 0, "enters the common vector");
}

/* The guest bank is not touched by an exit of whatever kind */
static const uint16_t kept[] = {
    CRMD, PRMD, EUEN, MISC, ECFG, ESTAT, ERA, BADV, BADI, EENTRY, TLBIDX,
    TLBEHI, TLBELO0, TLBELO1, ASID, PGDL, PGDH, PGD, PWCL, PWCH, STLBPS,
    RVACFG, CPUID, KS(0), KS(1), KS(4), KS(5), KS(7), TID, TCFG, TVAL, CNTC,
    LLBCTL, TLBRENTRY, TLBRBADV, TLBRERA, TLBRSAVE, TLBRELO0, TLBRELO1,
    TLBREHI, TLBRPRMD, DMW(0), DMW(1), DMW(2), DMW(3),
};
#define KEPT (sizeof(kept) / sizeof(kept[0]))

static void read_bank(uint64_t *bank)
{
    for (size_t n = 0; n < KEPT; n++) {
        struct insn i = { .word = W_GCSRRD(R_T0, kept[n]) };

        try_insn(&i);
        bank[n] = i.rd;
    }
}

static void check_bank(struct vcpu *v, uint32_t word, int want,
                       const char *name)
{
    uint64_t before[KEPT], after[KEPT];
    int bad = 0;
    int e;

    read_bank(before);
    e = run_insn(v, word);
    read_bank(after);
    expect_exit(v, e, want, name);
    for (size_t n = 0; n < KEPT; n++) {
        if (before[n] != after[n]) {
            say("# guest CSR 0x%x was 0x%lx, is 0x%lx\n", kept[n], before[n],
                after[n]);
            bad++;
        }
    }
    check(!bad, "%s: guest CSRs unchanged", name);
}

static void test_bank_kept(struct vcpu *v)
{
    uint64_t *pgd = (void *)(v->pgd | CACHED);

    gcsrwr(PRMD, 7);
    gcsrwr(ESTAT, 0x0d << 16);
    gcsrwr(ERA, 0x123456789abc0);
    gcsrwr(BADV, 0xabcdef0123456789);
    gcsrwr(BADI, 0x11223344);
    gcsrwr(TLBEHI, 0x123456780000);
    gcsrwr(TLBRBADV, 0x5555aaaa5555aaaa);
    gcsrwr(TLBRERA, 0x777777770);
    gcsrwr(TLBREHI, 0x4321abcd0000 | PAGE_SHIFT);
    gcsrwr(TLBRPRMD, 4);
    gcsrwr(TLBRSAVE, 0x99);
    gcsrwr(KS(4), 0xfeed);
    gcsrwr(KS(5), 0xbeef);

    check_bank(v, W_HVCL(0), EXC_HVC, "hvcl");
    check_bank(v, W_IDLE, EXC_GSPR, "idle");
    v->gpr[R_T1] = 0x300000;
    flush_gpa(v, 0x300000);
    check_bank(v, WORD("ld.d $t0, $t1, 0"), EXC_HVC, "second-level refill");
    *table_slot(pgd, 0x310000, false) = 0;
    flush_gpa(v, 0x310000);
    v->gpr[R_T1] = 0x310010;
    check_bank(v, WORD("ld.d $t0, $t1, 0"), EXC_PIL, "second-level PIL");
    guest_reset();
}

static uint64_t hook_estat, hook_era, hook_badv, hook_badi;

/* Notes the host's general registers in the refill handler, then leaves */
static bool note_and_leave(struct frame *f)
{
    (void)f;
    hook_estat = csrrd(ESTAT);
    hook_era = csrrd(ERA);
    hook_badv = csrrd(BADV);
    hook_badi = csrrd(BADI);
    return true;
}

static void test_refill_exit(struct vcpu *v)
{
    uint64_t estat, era, badv, badi;
    int e;

    /* Fetch from a page already seen, so that only the load misses */
    gwrite(0x320018, 0x5eed);
    flush_gpa(v, 0x320000);
    run_insn(v, W_NOP);
    e = run_insn(v, W_HVCL(0x42));
    check_eq(hvc_code(v, e), 0x42, "before the refill exit");
    estat = csrrd(ESTAT) & ~(uint64_t)IS_ALL;
    era = csrrd(ERA);
    badv = csrrd(BADV);
    badi = csrrd(BADI);
    (void)era;

    v->gpr[R_T1] = 0x320018;
    refill.hook = (uint64_t)note_and_leave;
    e = run_insn(v, WORD("ld.d $t0, $t1, 0"));
    refill.hook = 0;
    expect_exit(v, e, RUN_REFILL, "refill handler leaves the guest");
    check_eq(refill.badv, 0x320018, "TLBRBADV is the GPA");
    check_eq(refill.era, GPA_CODE | TLBRERA_ISTLBR,
             "TLBRERA is the guest's pc with IsTLBR");
    check_eq((refill.ehi >> 15) & 0x1ffffffff, 0x320018 >> 15,
             "TLBREHI.VPPN is that of the GPA");
    check_eq(refill.ehi & 0x3f, PAGE_SHIFT, "TLBREHI.PS is kept");
    check_eq(refill.prmd & 0xf, TLBRPRMD_PGM | PRMD_PIE,
             "TLBRPRMD: PGM 1, PIE and PPLV of the host");
    check_eq(refill.crmd & 0x1f, CRMD_DA, "CRMD: DA, PLV0, IE 0");
    check_eq(refill.gstat & GSTAT_VM, 0, "GSTAT.VM is 0");
    check_eq(hook_estat & ~(uint64_t)IS_ALL, estat, "ESTAT is left alone");
    check_eq(hook_era, GPA_CODE, "ERA is left alone");
    check_eq(hook_badv, badv, "BADV is left alone");
    check_eq(hook_badi, badi, "BADI is left alone");
    check_eq(v->crmd & 0x1f, CRMD_PG, "ertn with PGM 0 stays in the host");
    check_eq(v->pc, GPA_CODE, "the guest's pc");

    e = run(v);
    expect_hvc(v, e, HVC_DONE, "ertn from ERA goes on after a refill exit");
    check_eq(v->gpr[R_T0], 0x5eed, "and loads the right word");
}

/* "Previous" bits are written by every exception, with 0 from the host */
static void test_previous(struct vcpu *v)
{
    struct insn i = { .word = W_SYSCALL };
    uint64_t *pgd = host_tables();
    uint64_t count;

    csrxchg(GSTAT, GSTAT_PVM, GSTAT_PVM);
    check_eq(csrrd(GSTAT) & 3, GSTAT_PVM, "PVM can be set");
    try_insn(&i);
    check_eq(exc_gstat & (GSTAT_VM | GSTAT_PVM), 0,
             "an exception of the host clears PVM");
    check_eq(csrrd(GSTAT) & 3, 0, "and its ertn stays in the host");

    map(pgd, 0x1000000, SPARE_HPA, 4 * PAGE_SIZE, PTE_RW);
    count = refill.count;
    csrxchg(GSTAT, GSTAT_PVM, GSTAT_PVM);
    host_load(0x1000000);
    csrxchg(GSTAT, 0, GSTAT_PVM);
    check_eq(refill.count, count + 1, "a refill of the host with PVM set");
    check_eq(refill.prmd & TLBRPRMD_PGM, 0, "has TLBRPRMD.PGM 0");
    expect_hvc(v, run_insn(v, W_HVCL(9)), 9, "the guest still runs");
    host_load(0x1000000 + 2 * PAGE_SIZE);
    check_eq(refill.prmd & TLBRPRMD_PGM, 0, "PGM 0 after a guest ran, too");
}

GUEST_CODE(guest_ertn,
    "pcaddi $t0, 7\n"
    "csrwr  $t0, 0x6\n"             /* ERA = 1f */
    "csrwr  $zero, 0x1\n"           /* PRMD = 0 */
    "ertn\n"
    "HVCL   0x1\n"
    "HVCL   0x2\n"
    "HVCL   0x3\n"
    "1: csrrd $t1, 0x0\n"
    "HVCL   0x4");

/* ertn from refill: to paging, in a direct map window */
GUEST_CODE(guest_ertn_refill,
    "lu52i.d $t1, $zero, -0x700\n"
    "ori    $t0, $t1, 0x11\n"
    "csrwr  $t0, 0x180\n"
    "pcaddi $t0, 7\n"
    "or     $t0, $t0, $t1\n"
    "ori    $t0, $t0, 1\n"
    "csrwr  $t0, 0x8a\n"
    "csrwr  $zero, 0x8f\n"
    "ertn\n"
    "HVCL   0x1\n"
    "csrrd  $t1, 0x0\n"
    "csrrd  $t2, 0x8a\n"
    "HVCL   0x4");

static void test_guest_ertn(struct vcpu *v)
{
    int e;

    gload(GPA_CODE, guest_ertn);
    e = run_at(v, GPA_CODE);
    expect_hvc(v, e, 4, "guest ertn stays in the guest");
    check_eq(v->gpr[R_T1], CRMD_DA, "guest CRMD after it");

    gload(GPA_CODE, guest_ertn_refill);
    e = run_at(v, GPA_CODE);
    expect_hvc(v, e, 4, "guest ertn with IsTLBR stays in the guest");
    check_eq(v->gpr[R_T1], CRMD_PG, "and turns on its paging");
    check_eq(v->gpr[14] & 1, 0, "and clears its IsTLBR");
    check_eq(v->era, CACHED | (GPA_CODE + 12 * 4), "ERA is the full GVA");
    check_eq(v->crmd & 0x1f, CRMD_PG, "host CRMD is as always");
    guest_reset();
}

static void guest_takes(struct vcpu *v, uint32_t word, int ecode, int plv,
                        const char *name)
{
    int e;

    gcsrwr(CRMD, CRMD_DA | CRMD_IE | plv);
    gcsrwr(PRMD, 0);
    e = run_insn(v, word);
    if (expect_guest_exc(v, e, ecode, name)) {
        check_eq(gcsrrd(ERA), GPA_CODE, "%s: guest ERA", name);
        check_eq(gcsrrd(CRMD) & 0x1f, CRMD_DA, "%s: guest CRMD", name);
        check_eq(gcsrrd(PRMD) & 7, PRMD_PIE | plv, "%s: guest PRMD", name);
        check_eq(gcsrrd(BADI), word, "%s: guest BADI", name);
        check_eq(v->era, GPA_EENTRY, "%s: guest vector", name);
    }
    guest_reset();
}

static void test_guest_exceptions(struct vcpu *v)
{
    guest_takes(v, W_SYSCALL | 0x11, EXC_SYS, 0, "syscall");
    guest_takes(v, W_SYSCALL | 0x11, EXC_SYS, 3, "syscall at PLV3");
    guest_takes(v, W_BREAK | 5, EXC_BRK, 0, "break");
    guest_takes(v, 0xffffffff, EXC_INE, 0, "unknown instruction");
    guest_takes(v, W_CSRRD(R_T0, CRMD), EXC_IPE, 3, "csrrd at PLV3");
    guest_takes(v, W_ERTN, EXC_IPE, 3, "ertn at PLV3");
    guest_takes(v, W_HVCL(0x101), EXC_IPE, 3, "hvcl at PLV3");
    guest_takes(v, W_IDLE, EXC_IPE, 3, "idle at PLV3");
    guest_takes(v, WORD("tlbfill"), EXC_IPE, 3, "tlbfill at PLV3");
    guest_takes(v, WORD("iocsrrd.w $t0, $t1"), EXC_IPE, 3,
                "iocsrrd at PLV3");
    guest_takes(v, W_DBCL(0), EXC_INE, 0, "dbcl: the debug CSRs are the host's");
    guest_takes(v, W_GCSRRD(R_T0, CRMD), EXC_INE, 0, "gcsrrd in a guest");
    guest_takes(v, W_GCSRWR(R_T0, CRMD), EXC_INE, 0, "gcsrwr in a guest");
}

/* The guest's vectors honour its own ECFG.VS */
static void test_guest_vs(struct vcpu *v)
{
    uint32_t vector[] = { W_HVCL(0x55) };
    int e;

    gcsrwr(EENTRY, 0x20000);
    gcsrwr(ECFG, 3 << 16);
    gcopy(0x20000 + EXC_SYS * 32, vector, sizeof(vector));
    e = run_insn(v, W_SYSCALL);
    expect_hvc(v, e, 0x55, "guest vectors with guest ECFG.VS = 3");
    guest_reset();
}

/* Banked registers: neither side sees what the other writes */
static void test_banks(struct vcpu *v)
{
    uint64_t host_ks0 = csrrd(KS(0)) ^ 0x1234;
    int e;

    csrwr(KS(0), host_ks0);
    csrwr(KS(1), 0x1111);
    gcsrwr(KS(1), 0x2222);
    v->gpr[R_T0] = 0x7777;
    e = run_insn(v, W_CSRWR(R_T0, KS(1)));
    expect_hvc(v, e, HVC_DONE, "guest writes KS1");
    check_eq(v->gpr[R_T0], 0x2222, "the guest's KS1 was what the host set");
    check_eq(gcsrrd(KS(1)), 0x7777, "and is what the guest wrote");
    check_eq(csrrd(KS(1)), 0x1111, "the host's KS1 is its own");
    v->gpr[R_T0] = 0xabc000;
    e = run_insn(v, W_CSRWR(R_T0, EENTRY));
    expect_hvc(v, e, HVC_DONE, "guest writes EENTRY");
    check_eq(gcsrrd(EENTRY), 0xabc000, "to its own bank");
    check_eq(csrrd(EENTRY), (uint64_t)host_vector, "not to the host's");
    guest_reset();
}

/* The guest's exception is taken before the host's, which it causes */
static void test_vector_missing(struct vcpu *v)
{
    uint64_t *slot = table_slot((void *)(v->pgd | CACHED), GPA_EENTRY, false);
    uint64_t pte = *slot;
    int e;

    gcsrwr(CRMD, CRMD_DA | CRMD_IE);
    *slot = 0;
    flush_gpa(v, GPA_EENTRY);
    e = run_insn(v, W_SYSCALL);
    expect_exit(v, e, EXC_PIF, "guest vector's page not there: host PIF");
    check_eq(v->badv, GPA_EENTRY, "BADV is the vector's GPA");
    check_eq(v->era, GPA_EENTRY, "ERA is the vector");
    check_eq(ESTAT_ECODE(gcsrrd(ESTAT)), EXC_SYS, "guest ESTAT: its syscall");
    check_eq(gcsrrd(ERA), GPA_CODE, "guest ERA: its syscall");
    check_eq(gcsrrd(CRMD), CRMD_DA, "guest CRMD: in its handler");
    *slot = pte;
    flush_gpa(v, GPA_EENTRY);
    expect_guest_exc(v, run(v), EXC_SYS, "and goes on when the page is there");

    gcsrwr(CRMD, CRMD_DA | CRMD_IE);
    gcsrwr(ECFG, IS_HWI(4));
    csrwr(GINTC, GINTC_VIP(4));
    *slot = 0;
    flush_gpa(v, GPA_EENTRY);
    e = run_insn(v, W_NOP);
    expect_exit(v, e, EXC_PIF, "the same for an interrupt: host PIF");
    check_eq(v->badv, GPA_EENTRY, "BADV is the vector's GPA");
    *slot = pte;
    flush_gpa(v, GPA_EENTRY);
    expect_guest_exc(v, run(v), EXC_INT, "and goes on when the page is there");
    check_eq(gcsrrd(ERA), GPA_CODE, "guest ERA: before its first instruction");
    guest_reset();
}

static void test_many(struct vcpu *v)
{
    uint32_t code[] = {
        WORD("addi.d $s0, $s0, 1"), W_HVCL(0x77), WORD("b -8")
    };
    int bad = 0;

    gcopy(GPA_CODE, code, sizeof(code));
    v->gpr[23] = 0;
    v->pc = GPA_CODE;
    for (int n = 0; n < 20000 && !bad; n++) {
        if (hvc_code(v, run(v)) != 0x77) {
            bad++;
        }
        v->pc += 4;
    }
    check(!bad, "20000 exits by hvcl");
    check_eq(v->gpr[23], 20000, "each once");
}

void lvz_test(void)
{
    struct insn i = { .word = W_HVCL(0x101) };

    lvz_enable();
    try_insn(&i);
    check(i.trapped && ESTAT_ECODE(i.estat) == EXC_INE,
          "hvcl in the host: INE");
    check_eq(csrrd(GSTAT) & 3, 0, "the host is not a guest");
    vcpu_init(&vcpu, 1);
    test_registers(&vcpu);
    test_vectors(&vcpu);
    test_bank_kept(&vcpu);
    test_refill_exit(&vcpu);
    test_previous(&vcpu);
    test_guest_ertn(&vcpu);
    test_guest_exceptions(&vcpu);
    test_guest_vs(&vcpu);
    test_banks(&vcpu);
    test_vector_missing(&vcpu);
    test_many(&vcpu);
}
