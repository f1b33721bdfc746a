/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LL/SC across world switches.  A spurious failure is always legal, so the
 * tests look for SC that must fail, and for loops that must come to an end.
 */
#include "lvz.h"

static struct vcpu vcpu;

GUEST_CODE(guest_ll_hvcl_sc,
    "ll.d $t0, $t1, 0\n"
    "addi.d $t0, $t0, 1\n"
    "HVCL 0x10\n"
    "sc.d $t0, $t1, 0\n"
    "GUEST_DONE");

static void test_exit_between(struct vcpu *v)
{
    int e;

    gwrite(GPA_DATA, 7);
    gload(GPA_CODE, guest_ll_hvcl_sc);
    v->gpr[R_T1] = GPA_DATA;
    e = run_at(v, GPA_CODE);
    expect_hvc(v, e, 0x10, "ll.d, then an exit");
    check_eq(v->gpr[R_T0], 8, "ll.d has loaded");
    gcsrwr(LLBCTL, gcsrrd(LLBCTL) | LLBCTL_WCLLB);
    v->pc += 4;
    e = run(v);
    expect_hvc(v, e, HVC_DONE, "sc.d after LLBCTL.WCLLB by the host");
    check_eq(v->gpr[R_T0], 0, "fails");
    check_eq(gread(GPA_DATA), 7, "and stores nothing");

    e = run_at(v, GPA_CODE);
    v->pc += 4;
    e = run(v);
    expect_hvc(v, e, HVC_DONE, "sc.d after an exit without it");
    check_eq(gread(GPA_DATA), 7 + v->gpr[R_T0], "stores if it says so");
}

GUEST_CODE(guest_ll_syscall_sc,
    "ll.d $t0, $t1, 0\n"
    "addi.d $t0, $t0, 1\n"
    "syscall 0\n"
    "sc.d $t0, $t1, 0\n"
    "GUEST_DONE");
GUEST_CODE(guest_skip,
    "csrrd $t2, 0x6\n"
    "addi.d $t2, $t2, 4\n"
    "csrwr $t2, 0x6\n"
    "ertn");

static void test_guest_ertn(struct vcpu *v)
{
    int e;

    gwrite(GPA_DATA, 7);
    gload(GPA_CODE, guest_ll_syscall_sc);
    gload(GPA_EENTRY, guest_skip);
    v->gpr[R_T1] = GPA_DATA;
    e = run_at(v, GPA_CODE);
    expect_hvc(v, e, HVC_DONE, "guest: ll.d, syscall, ertn, sc.d");
    check_eq(v->gpr[R_T0], 0, "fails");
    check_eq(gread(GPA_DATA), 7, "and stores nothing");
    gcsrwr(LLBCTL, LLBCTL_KLO);
    e = run_at(v, GPA_CODE);
    expect_hvc(v, e, HVC_DONE, "the same with the guest's KLO");
    check_eq(v->gpr[R_T0], 1, "succeeds");
    check_eq(gread(GPA_DATA), 8, "and stores");
    check_eq(gcsrrd(LLBCTL) & LLBCTL_KLO, 0, "KLO is used up");
    guest_reset();
}

GUEST_CODE(guest_loop,
    "addi.d $s0, $s0, 1\n"
    "ll.d $t0, $t1, 0\n"
    "addi.d $t0, $t0, 1\n"
    "sc.d $t0, $t1, 0\n"
    "beqz $t0, . - 16\n"
    "GUEST_DONE");

/* A hypervisor maps for reading first, then for writing, one exit each */
static void test_progress(struct vcpu *v)
{
    uint64_t *pgd = (void *)(v->pgd | CACHED);
    uint64_t at = 0x340000;
    int e, exits = 0;

    gwrite(at, 0);
    *table_slot(pgd, at, false) = 0;
    flush_gpa(v, at);
    gload(GPA_CODE, guest_loop);
    v->gpr[R_T1] = at;
    v->gpr[23] = 0;
    v->pc = GPA_CODE;
    for (;;) {
        e = run(v);
        if (e != EXC_PIL && e != EXC_PME && e != EXC_PIS) {
            break;
        }
        if (++exits > 10) {
            break;
        }
        *table_slot(pgd, at, false) = (GRAM_HPA + at) |
                                      (e == EXC_PIL ? PTE_RO : PTE_RW);
        flush_gpa(v, at);
    }
    expect_hvc(v, e, HVC_DONE, "an LL/SC loop on a fresh page ends");
    check_eq(gread(at), 1, "having counted once");
    check(exits <= 4 && v->gpr[23] <= 5, "after few exits and rounds");
    say("# %d exits, %ld rounds\n", exits, v->gpr[23]);
}

GUEST_CODE(guest_count,
    "1: ll.w $t0, $t1, 0\n"
    "addi.w $t0, $t0, 1\n"
    "sc.w $t0, $t1, 0\n"
    "beqz $t0, 1b\n"
    "addi.d $s0, $s0, -1\n"
    "bnez $s0, 1b\n"
    "GUEST_DONE");

/* Counting under a host timer that interrupts all the time */
static void test_interrupted(struct vcpu *v)
{
    int e, exits = 0;

    gwrite(GPA_DATA, 0);
    gload(GPA_CODE, guest_count);
    v->gpr[R_T1] = GPA_DATA;
    v->gpr[23] = 2000000;
    v->no_watchdog = true;
    v->ecfg = IS_TI;
    v->pc = GPA_CODE;
    for (;;) {
        csrwr(TICLR, 1);
        csrwr(TCFG, 20000 | 1);
        e = run(v);
        if (e != EXC_INT) {
            break;
        }
        gcsrwr(LLBCTL, LLBCTL_WCLLB);
        exits++;
    }
    csrwr(TCFG, 0);
    csrwr(TICLR, 1);
    v->no_watchdog = false;
    v->ecfg = 0;
    expect_hvc(v, e, HVC_DONE, "counting to 2000000 under host interrupts");
    check_eq(gread(GPA_DATA), 2000000, "counts right");
    say("# %d interrupts\n", exits);
}

/* The host's own pair: entering a guest is an ertn, which ends it */
static void test_host(struct vcpu *v)
{
    uint64_t old, ok;

    *phys(SPARE_HPA) = 3;
    asm volatile("ll.d %0, %1, 0" : "=r"(old) : "r"(phys(SPARE_HPA))
                 : "memory");
    run_insn(v, W_NOP);
    ok = 99;
    asm volatile("sc.d %0, %1, 0" : "+r"(ok) : "r"(phys(SPARE_HPA))
                 : "memory");
    check_eq(ok, 0, "host: ll.d, a guest's run, sc.d fails");
    check_eq(*phys(SPARE_HPA), 3, "and stores nothing");
}

void lvz_test(void)
{
    lvz_enable();
    vcpu_init(&vcpu, 1);
    test_exit_between(&vcpu);
    test_guest_ertn(&vcpu);
    test_progress(&vcpu);
    test_interrupted(&vcpu);
    test_host(&vcpu);
}
