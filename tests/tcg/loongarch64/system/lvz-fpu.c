/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two gates of the floating-point and vector units: a unit runs in the
 * guest only where both EUEN allow it; the guest's own answer comes first.
 */
#include "lvz.h"

#define FPE     1u
#define SXE     2u
#define ASXE    4u

static struct vcpu vcpu;

static void test_gates(struct vcpu *v)
{
    const struct {
        uint32_t word;
        int ecode;
        uint32_t units;         /* what it needs, the last being its own */
        uint32_t less;          /* all but its own */
        const char *name;
    } insns[] = {
        { WORD("fadd.d $f0, $f1, $f2"), EXC_FPD, FPE, 0, "fadd.d" },
        { WORD("fld.d $f0, $t1, 0"), EXC_FPD, FPE, 0, "fld.d" },
        { WORD("fst.d $f0, $t1, 0"), EXC_FPD, FPE, 0, "fst.d" },
        { WORD("movgr2fr.d $f0, $t1"), EXC_FPD, FPE, 0, "movgr2fr.d" },
        { WORD("movfcsr2gr $t0, $fcsr0"), EXC_FPD, FPE, 0, "movfcsr2gr" },
        { WORD("vadd.d $vr0, $vr1, $vr2"), EXC_SXD, FPE | SXE, FPE, "vadd.d" },
        { WORD("vld $vr0, $t1, 0"), EXC_SXD, FPE | SXE, FPE, "vld" },
        { WORD("vst $vr0, $t1, 0"), EXC_SXD, FPE | SXE, FPE, "vst" },
        { WORD("xvadd.d $xr0, $xr1, $xr2"), EXC_ASXD, FPE | SXE | ASXE,
          FPE | SXE, "xvadd.d" },
        { WORD("xvst $xr0, $t1, 0"), EXC_ASXD, FPE | SXE | ASXE, FPE | SXE,
          "xvst" },
    };

    for (size_t n = 0; n < sizeof(insns) / sizeof(insns[0]); n++) {
        const char *name = insns[n].name;
        int e;

        v->gpr[R_T1] = GPA_DATA;
        for (int host = 0; host < 2; host++) {
            guest_reset();
            gcsrwr(EUEN, insns[n].less);
            csrwr(EUEN, host ? insns[n].units : insns[n].less);
            e = run_insn(v, insns[n].word);
            csrwr(EUEN, 0);
            expect_guest_exc(v, e, insns[n].ecode,
                             "guest gate shut: the guest's exception");
            check_eq(gcsrrd(ERA), GPA_CODE, "%s: guest ERA", name);
        }
        guest_reset();
        gcsrwr(EUEN, insns[n].units);
        csrwr(EUEN, insns[n].less);
        e = run_insn(v, insns[n].word);
        csrwr(EUEN, 0);
        expect_exit(v, e, insns[n].ecode,
                    "guest gate open, host gate shut: an exit");
        check(v->era == GPA_CODE && (uint32_t)v->badi == insns[n].word,
              "%s: ERA and BADI", name);
        check_eq(gcsrrd(EUEN), insns[n].units, "%s: guest EUEN is kept", name);
        csrwr(EUEN, insns[n].units);
        e = run(v);
        csrwr(EUEN, 0);
        expect_hvc(v, e, HVC_DONE, "both open: it goes on");
        csrwr(EUEN, insns[n].units);
        gcsrwr(EUEN, insns[n].less);
        e = run_insn(v, insns[n].word);
        csrwr(EUEN, 0);
        expect_guest_exc(v, e, insns[n].ecode, "guest gate shut again");
    }
    guest_reset();
}

GUEST_CODE(guest_opens,
    "ori $t0, $zero, 1\n"
    "csrwr $t0, 0x2\n"
    "movgr2fr.d $f3, $t1\n"
    "movfr2gr.d $t2, $f3\n"
    "csrwr $zero, 0x2\n"
    "movfr2gr.d $t3, $f3\n"
    "GUEST_DONE");

/* The guest turns its gate itself; the code before and after is translated */
static void test_guest_turns(struct vcpu *v)
{
    int e;

    gload(GPA_CODE, guest_opens);
    v->gpr[R_T1] = 0x4141;
    csrwr(EUEN, FPE);
    e = run_at(v, GPA_CODE);
    csrwr(EUEN, 0);
    expect_guest_exc(v, e, EXC_FPD, "guest opens, uses and shuts its gate");
    check_eq(v->gpr[14], 0x4141, "what it used was right");
    check_eq(gcsrrd(ERA), GPA_CODE + 20, "the use behind it traps");
    guest_reset();
    e = run_at(v, GPA_CODE);
    expect_exit(v, e, EXC_FPD, "the same with the host's gate shut: an exit");
    check_eq(v->pc, GPA_CODE + 8, "at the first use");
    guest_reset();
}

/* Vector accesses fault like any other, also half-way across a page */
static void test_memory(struct vcpu *v)
{
    const struct {
        uint32_t word;
        int ecode;
        const char *name;
    } insns[] = {
        { WORD("fld.d $f0, $t1, 0"), EXC_PIL, "fld.d" },
        { WORD("fst.d $f0, $t1, 0"), EXC_PIS, "fst.d" },
        { WORD("vld $vr0, $t1, 0"), EXC_PIL, "vld" },
        { WORD("vst $vr0, $t1, 0"), EXC_PIS, "vst" },
        { WORD("xvld $xr0, $t1, 0"), EXC_PIL, "xvld" },
        { WORD("xvst $xr0, $t1, 0"), EXC_PIS, "xvst" },
    };
    uint64_t *pgd = (void *)(v->pgd | CACHED);
    uint64_t gone = 0x304000;
    int e;

    gcsrwr(EUEN, FPE | SXE | ASXE);
    csrwr(EUEN, FPE | SXE | ASXE);
    *table_slot(pgd, gone, false) = 0;
    flush_gpa(v, gone);
    for (size_t n = 0; n < sizeof(insns) / sizeof(insns[0]); n++) {
        v->gpr[R_T1] = gone + 0x40;
        e = run_insn(v, insns[n].word);
        expect_exit(v, e, insns[n].ecode, insns[n].name);
        check(v->badv == gone + 0x40 && v->era == GPA_CODE &&
              (uint32_t)v->badi == insns[n].word, "%s: BADV, ERA, BADI",
              insns[n].name);
        v->gpr[R_T1] = gone - 4;
        e = run_insn(v, insns[n].word);
        expect_exit(v, e, insns[n].ecode, "across, second page gone");
        check_eq(v->badv & ~(PAGE_SIZE - 1), gone,
                 "%s: BADV is in the second page", insns[n].name);
    }
    *table_slot(pgd, gone, false) = (GRAM_HPA + gone) | PTE_RW;
    flush_gpa(v, gone);
    expect_hvc(v, run(v), HVC_DONE, "and goes on when the page is there");
    csrwr(EUEN, 0);
    guest_reset();
}

/* A hypervisor must be able to know that nothing was touched */
static void test_registers(struct vcpu *v)
{
    uint64_t val;

    csrwr(EUEN, FPE);
    asm volatile("movgr2fr.d $f5, %0" : : "r"(0x123456789ul));
    csrwr(EUEN, 0);
    gcsrwr(EUEN, FPE);
    v->gpr[R_T1] = 0x666;
    expect_exit(v, run_insn(v, WORD("movgr2fr.d $f5, $t1")), EXC_FPD,
                "host gate shut");
    csrwr(EUEN, FPE);
    asm volatile("movfr2gr.d %0, $f5" : "=r"(val));
    csrwr(EUEN, 0);
    check_eq(val, 0x123456789, "host's FP register is untouched");
    csrwr(EUEN, FPE);
    v->pc = GPA_CODE;
    expect_hvc(v, run(v), HVC_DONE, "host gate open");
    asm volatile("movfr2gr.d %0, $f5" : "=r"(val));
    check_eq(val, 0x666, "FP registers are shared");
    /* Bit 6 is TM, of a unit that is not there */
    asm volatile("movgr2fcsr $fcsr0, %0" : : "r"(~0ul & 0xe0e0ffff));
    asm volatile("movfcsr2gr %0, $fcsr0" : "=r"(val));
    check_eq(val & 0x40, 0, "FCSR0 bit 6 cannot be set");
    check_eq(val & ~0x1f1f031ful & 0xffffffff, 0, "nor others without use");
    asm volatile("movgr2fcsr $fcsr0, $zero");
    csrwr(EUEN, 0);
    guest_reset();
}

void lvz_test(void)
{
    lvz_enable();
    vcpu_init(&vcpu, 1);
    test_gates(&vcpu);
    test_guest_turns(&vcpu);
    test_memory(&vcpu);
    test_registers(&vcpu);
}
