/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions that are I/O, under -icount: an interrupt that a CPU sends to
 * itself through IOCSR, the counter and the timer.  QEMU ends the run itself
 * where an instruction does not announce its I/O.
 */
#include "lvz.h"

static void test_ipi(void)
{
    iocsr_write(IPI_ENABLE, 0xffffffff);
    check_eq(iocsr_read(IPI_ENABLE), 0xffffffff, "IOCSR reads back");
    iocsr_write(IPI_SEND, 1u << 31 | 3);    /* vector 3 to CPU 0 */
    check_eq(iocsr_read(IPI_STATUS), 1 << 3, "an IPI to itself arrives");
    check_eq(csrrd(ESTAT) & IS_IPI, IS_IPI, "ESTAT shows it");
    iocsr_write(IPI_CLEAR, 0xffffffff);
    check_eq(csrrd(ESTAT) & IS_IPI, 0, "and no longer when it is cleared");

    irq_seen = 0;
    csrwr(ECFG, IS_IPI);
    csrxchg(CRMD, CRMD_IE, CRMD_IE);
    iocsr_write(IPI_SEND, 1u << 31 | 4);
    csrxchg(CRMD, 0, CRMD_IE);
    csrwr(ECFG, 0);
    iocsr_write(IPI_CLEAR, 0xffffffff);
    check_eq(irq_seen, IS_IPI, "an IPI to itself interrupts");
}

/* Time is a function of the instructions executed: it can be checked closely */
static void test_time(void)
{
    uint64_t before = rdtime(), after;
    int back = 0;

    for (int n = 0; n < 1000; n++) {
        after = rdtime();
        if (after < before) {
            back++;
        }
        before = after;
    }
    check_eq(back, 0, "rdtime does not go back");

    csrwr(TCFG, 100000 | 1);
    while (!(csrrd(ESTAT) & IS_TI)) {
        ;
    }
    check(csrrd(TVAL) > 100000, "the timer has expired");
    csrwr(TICLR, 1);
    csrwr(TCFG, 0);
}

/* With nothing else to do QEMU moves the clock on to the timer's end */
static void test_idle(void)
{
    uint64_t start = rdtime();

    irq_seen = 0;
    csrwr(ECFG, IS_TI);
    csrwr(TCFG, 100000000 | 1);
    csrxchg(CRMD, CRMD_IE, CRMD_IE);
    while (!irq_seen) {
        asm volatile("idle 0" : : : "memory");
    }
    csrxchg(CRMD, 0, CRMD_IE);
    csrwr(ECFG, 0);
    csrwr(TICLR, 1);
    csrwr(TCFG, 0);
    check(rdtime() - start >= 100000000, "idle until the timer interrupts");
}

/* A CSR write and an ertn can make an interrupt pending, too */
static void test_swi(void)
{
    irq_seen = 0;
    csrwr(ECFG, IS_SWI1);
    csrxchg(CRMD, CRMD_IE, CRMD_IE);
    csrxchg(ESTAT, IS_SWI1, IS_SWI1);
    csrxchg(CRMD, 0, CRMD_IE);
    check_eq(irq_seen, IS_SWI1, "a software interrupt");
    csrxchg(ESTAT, 0, IS_SWI1);
    csrwr(ECFG, 0);
}

static void test_guest(struct vcpu *v)
{
    int e;

    lvz_enable();
    vcpu_init(v, 1);
    v->no_watchdog = true;
    gcsrxchg(ESTAT, IS_SWI0, IS_SWI0);
    gcsrwr(ECFG, IS_SWI0 | IS_TI);
    gcsrwr(CRMD, CRMD_DA | CRMD_IE);
    e = run_insn(v, W_NOP);
    expect_guest_exc(v, e, EXC_INT, "ertn into a guest with an interrupt");
    gcsrwr(ESTAT, 0);
    gcsrwr(CRMD, CRMD_DA | CRMD_IE);
    gcsrwr(TCFG, 1000 | 1);
    gcopy(GPA_CODE, (uint32_t[]){ WORD("b 0") }, 4);
    e = run_at(v, GPA_CODE);
    expect_guest_exc(v, e, EXC_INT, "the guest's timer interrupts it");
    gcsrwr(TCFG, 0);
}

void lvz_test(void)
{
    static struct vcpu vcpu;

    test_swi();
    if (have_lvz()) {
        test_guest(&vcpu);
    }
    test_ipi();
    test_time();
    test_idle();
}
