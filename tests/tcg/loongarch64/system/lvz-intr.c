/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupts: those that a hypervisor injects (GINTC, ESTAT), those that the
 * guest raises itself, those of the host that end a run, a physical line
 * handed through (GINTC.PIP), and how they get along.  GINTC.HC has no agreed
 * meaning and stays 0.
 */
#include "lvz.h"

#define TICKS   100000ul                /* 1 ms */
#define T_LOOP  23                      /* $s0 counts */

static struct vcpu vcpu;

GUEST_CODE(guest_loop,
    "1: addi.d $s0, $s0, 1\n"
    "b 1b");

/* A fresh guest that takes the interrupts of lie */
static void ready(uint64_t lie)
{
    guest_reset();
    gcsrwr(ECFG, lie);
    gcsrwr(CRMD, CRMD_DA | CRMD_IE);
}

static void expect_irq(struct vcpu *v, int e, uint64_t is, const char *name)
{
    if (!check(hvc_code(v, e) == HVC_EXC &&
               gcsrrd(ESTAT) == is, "%s", name)) {
        say("#   wanted guest ESTAT 0x%lx\n", is);
        dump(v, e);
    }
}

static void test_vip(struct vcpu *v)
{
    for (int n = 0; n < 8; n++) {
        ready(0x3fc);
        csrwr(GINTC, csrrd(GINTC) | GINTC_VIP(n));
        expect_irq(v, run_insn(v, W_NOP), IS_HWI(n), "VIP interrupts");
        check_eq(gcsrrd(ERA), GPA_CODE, "HWI%d: before the first instruction",
                 n);
        check_eq(csrrd(GINTC), GINTC_VIP(n), "HWI%d: GINTC is kept", n);
        /* The vector's second instruction is ertn: the level is still there */
        v->pc += 4;
        expect_irq(v, run(v), IS_HWI(n), "again after ertn: a level");
        csrwr(GINTC, csrrd(GINTC) & ~(uint64_t)GINTC_VIP(n));
        v->pc += 4;
        expect_hvc(v, run(v), HVC_DONE, "withdrawn: the guest goes on");
        check_eq(gcsrrd(ESTAT), 0, "HWI%d: withdrawn from ESTAT", n);
    }
    ready(0x3fc & ~IS_HWI(3));
    csrwr(GINTC, GINTC_VIP(3));
    expect_hvc(v, run_insn(v, W_NOP), HVC_DONE, "VIP, masked by ECFG");
    gcsrwr(ECFG, 0x3fc);
    gcsrwr(CRMD, CRMD_DA);
    expect_hvc(v, run_insn(v, W_NOP), HVC_DONE, "VIP, masked by IE");
    expect_exit(v, run_insn(v, W_IDLE), EXC_GSPR, "idle with it pending");
}

GUEST_CODE(guest_enable_ie,
    "ori $t0, $zero, 4\n"
    "csrxchg $t0, $t0, 0x0\n"
    "GUEST_DONE");
GUEST_CODE(guest_enable_lie,
    "csrwr $t0, 0x4\n"
    "addi.d $s0, $s0, 1\n"
    "b . - 4");
GUEST_CODE(guest_swi,
    "ori $t0, $zero, 1\n"
    "csrxchg $t0, $t0, 0x5\n"
    "1: addi.d $s0, $s0, 1\n"
    "b 1b");
GUEST_CODE(guest_ertn_ie,
    "ori $t0, $zero, 4\n"
    "csrwr $t0, 0x1\n"
    "pcaddi $t0, 4\n"
    "csrwr $t0, 0x6\n"
    "ertn\n"
    "HVCL 0x1\n"
    "HVCL 0x2");

/* What the guest does to unmask or raise is seen at once */
static void test_guest_unmasks(struct vcpu *v)
{
    ready(0x3fc);
    gcsrwr(CRMD, CRMD_DA);
    csrwr(GINTC, GINTC_VIP(1));
    gload(GPA_CODE, guest_enable_ie);
    expect_irq(v, run_at(v, GPA_CODE), IS_HWI(1), "guest sets IE");
    check_eq(gcsrrd(ERA), GPA_CODE + 8, "taken right behind it");

    ready(0);
    csrwr(GINTC, GINTC_VIP(1));
    gload(GPA_CODE, guest_enable_lie);
    v->gpr[R_T0] = IS_HWI(1);
    expect_irq(v, run_at(v, GPA_CODE), IS_HWI(1), "guest sets LIE");

    ready(IS_SWI0);
    gload(GPA_CODE, guest_swi);
    expect_irq(v, run_at(v, GPA_CODE), IS_SWI0, "guest raises SWI0");

    ready(0x3fc);
    gcsrwr(CRMD, CRMD_DA);
    csrwr(GINTC, GINTC_VIP(7));
    gload(GPA_CODE, guest_ertn_ie);
    expect_irq(v, run_at(v, GPA_CODE), IS_HWI(7), "guest ertn sets IE");
    check_eq(gcsrrd(ERA), GPA_CODE + 24, "taken at its target");
}

static void test_latched(struct vcpu *v)
{
    static const uint32_t bits[] = { IS_SWI0, IS_SWI1, IS_TI, IS_IPI };

    for (int n = 0; n < 4; n++) {
        ready(0x1fff);
        gcsrxchg(ESTAT, bits[n], bits[n]);
        expect_irq(v, run_insn(v, W_NOP), bits[n],
                   "SWI0, SWI1, TI, IPI set by the host");
        gcsrxchg(ESTAT, ~(uint64_t)bits[n], bits[n]);
        v->pc += 4;
        expect_hvc(v, run(v), HVC_DONE, "and cleared by it");
    }
}

static void test_vectors(struct vcpu *v)
{
    uint32_t hvc[] = { W_HVCL(0x321) };

    ready(0x1fff | 3 << 16);
    gcsrwr(EENTRY, 0x20000);
    gcopy(0x20000 + (64 + 2 + 5) * 32, hvc, sizeof(hvc));
    csrwr(GINTC, GINTC_VIP(5));
    expect_hvc(v, run_insn(v, W_NOP), 0x321, "HWI5 with guest ECFG.VS = 3");
    guest_reset();
}

static void host_timer(uint64_t ticks)
{
    csrwr(TICLR, 1);
    csrwr(TCFG, ticks | 1);
}

static void host_timer_stop(void)
{
    csrwr(TCFG, 0);
    csrwr(TICLR, 1);
}

static void wait_host_ti(void)
{
    while (!(csrrd(ESTAT) & IS_TI)) {
        ;
    }
}

static void test_host_exit(struct vcpu *v)
{
    int e;

    guest_reset();
    run_insn(v, W_HVCL(5));             /* Ecode of the last exit is not 0 */
    v->no_watchdog = true;
    v->ecfg = IS_TI;
    gload(GPA_CODE, guest_loop);
    v->gpr[T_LOOP] = 0;
    host_timer(10 * TICKS);
    e = run_at(v, GPA_CODE);
    expect_exit(v, e, EXC_INT, "the host's timer ends a run");
    check_eq(v->estat, IS_TI, "ESTAT: TI, Ecode 0");
    check(v->gpr[T_LOOP] > 100, "the guest ran meanwhile");
    check(v->pc - GPA_CODE <= 4, "ERA is in the guest's loop");
    check_eq(v->gstat & 3, GSTAT_PVM, "GSTAT");
    check_eq(csrrd(ESTAT) & IS_TI, IS_TI, "the request is still there");
    check_eq(gcsrrd(ESTAT), 0, "and not in the guest");
    e = run(v);
    expect_exit(v, e, EXC_INT, "pending at entry: leaves again");
    check(v->pc - GPA_CODE <= 4, "pc is kept");

    v->ecfg = IS_TI | 5 << 16;
    e = run(v);
    check(e == EXC_INT && v->slot == 64 + 11, "with ECFG.VS = 5: its vector");
    v->ecfg = IS_TI;
    v->gpr[R_T0] = 0x1111;
    e = run_insn(v, WORD("addi.d $t0, $t0, 1"));
    expect_exit(v, e, EXC_INT, "pending: before the first instruction");
    check(v->pc == GPA_CODE && v->gpr[R_T0] == 0x1111, "nothing has run");

    v->prmd = 0;
    e = run_insn(v, W_NOP);
    expect_hvc(v, e, HVC_DONE, "host IE 0: the guest runs");
    v->prmd = PRMD_PIE;
    v->ecfg = 0;
    e = run_insn(v, W_NOP);
    expect_hvc(v, e, HVC_DONE, "host LIE 0: the guest runs");
    host_timer_stop();
    v->ecfg = IS_TI;
    e = run_insn(v, W_NOP);
    expect_hvc(v, e, HVC_DONE, "cleared: the guest runs");

    gload(GPA_CODE, guest_loop);
    gcsrwr(CRMD, CRMD_DA | 3);
    host_timer(10 * TICKS);
    e = run_at(v, GPA_CODE);
    expect_exit(v, e, EXC_INT, "from guest PLV3");
    check_eq(v->xprmd & 7, PRMD_PIE, "host PRMD is the host's");
    host_timer_stop();

    v->ecfg = IS_SWI0;
    csrxchg(ESTAT, IS_SWI0, IS_SWI0);
    e = run_at(v, GPA_CODE);
    expect_exit(v, e, EXC_INT, "the host's own SWI0 ends a run");
    check_eq(v->estat, IS_SWI0, "ESTAT: SWI0");
    csrxchg(ESTAT, 0, IS_SWI0);

    iocsr_write(IPI_ENABLE, ~0u);
    iocsr_write(IPI_SEND, 1u << 31 | 3);
    v->ecfg = IS_IPI;
    e = run_at(v, GPA_CODE);
    expect_exit(v, e, EXC_INT, "an IPI ends a run");
    check_eq(v->estat, IS_IPI, "ESTAT: IPI");
    check_eq(iocsr_read(IPI_STATUS), 1u << 3, "IPI status");
    iocsr_write(IPI_CLEAR, ~0u);
    check_eq(csrrd(ESTAT) & IS_IPI, 0, "IPI cleared");
    v->ecfg = 0;
    v->no_watchdog = false;
    guest_reset();
}

/* Both worlds have something pending */
static void test_both(struct vcpu *v)
{
    int e;

    ready(0x1fff);
    csrwr(GINTC, GINTC_VIP(2));
    v->no_watchdog = true;
    host_timer(4);
    wait_host_ti();
    v->ecfg = IS_TI;
    e = run_insn(v, W_NOP);
    expect_exit(v, e, EXC_INT, "both pending: the host first");
    check_eq(v->pc, GPA_CODE, "nothing of the guest has run");
    check_eq(gcsrrd(CRMD), CRMD_DA | CRMD_IE, "guest CRMD untouched");

    /* A request that the host does not take must not hide the guest's */
    v->ecfg = 0;
    expect_irq(v, run_insn(v, W_NOP), IS_HWI(2),
               "host request masked by LIE: the guest's is taken");
    ready(0x1fff);
    csrwr(GINTC, GINTC_VIP(2));
    v->ecfg = IS_TI;
    v->prmd = 0;
    expect_irq(v, run_insn(v, W_NOP), IS_HWI(2),
               "host request masked by IE: the guest's is taken");
    v->prmd = PRMD_PIE;
    v->ecfg = 0;
    ready(0x1fff);
    gload(GPA_CODE, guest_loop);
    gcsrwr(TCFG, 5 * TICKS | 1);
    expect_irq(v, run_at(v, GPA_CODE), IS_TI,
               "host request masked: a guest timer arrives while it runs");
    /* And the reverse */
    guest_reset();
    host_timer_stop();
    gload(GPA_CODE, guest_loop);
    csrwr(GINTC, 0xff);
    v->ecfg = IS_TI;
    host_timer(5 * TICKS);
    e = run_at(v, GPA_CODE);
    expect_exit(v, e, EXC_INT, "guest request masked: a host timer arrives");
    host_timer_stop();
    v->ecfg = 0;
    v->no_watchdog = false;
    guest_reset();
}

/* A guest's pending interrupt is nothing to the host while it runs */
static void test_not_in_host(void)
{
    ready(0x1fff);
    csrwr(GINTC, 0xff);
    gcsrxchg(ESTAT, IS_IPI | IS_SWI0, IS_IPI | IS_SWI0);
    irq_seen = 0;
    csrwr(ECFG, 0x1fff);
    csrxchg(CRMD, CRMD_IE, CRMD_IE);
    wait_ticks(TICKS);
    csrxchg(CRMD, 0, CRMD_IE);
    csrwr(ECFG, 0);
    check_eq(irq_seen, 0, "guest interrupts do not reach the host");
    guest_reset();
}

/* Nor does it wake it: the host sleeps until something of its own happens */
static void test_idle_host(void)
{
    uint64_t start = rdtime();
    int woken = 0;

    ready(0x1fff);
    csrwr(GINTC, 0xff);
    gcsrxchg(ESTAT, IS_IPI | IS_SWI0, IS_IPI | IS_SWI0);
    gcsrwr(TCFG, 10 * TICKS | 1);
    irq_seen = 0;
    csrwr(ECFG, 0x1fff);
    host_timer(50 * TICKS);
    csrxchg(CRMD, CRMD_IE, CRMD_IE);
    while (!irq_seen) {
        asm volatile("idle 0" : : : "memory");
        woken++;
    }
    csrxchg(CRMD, 0, CRMD_IE);
    csrwr(ECFG, 0);
    host_timer_stop();
    check_eq(irq_seen, IS_TI, "idle in the host ends by its own interrupt");
    check(rdtime() - start >= 50 * TICKS && woken <= 1,
          "and not by the guest's interrupts and timer");
    check_eq(gcsrrd(ESTAT) & (IS_TI | IS_IPI | IS_SWI0 | 0x3fc),
             IS_TI | IS_IPI | IS_SWI0 | 0x3fc, "which are still there");
    guest_reset();
}

static void test_lines(struct vcpu *v)
{
    bool works;
    int e;

    route_uart();
    uart_irq(true);
    wait_ticks(TICKS);
    works = (csrrd(ESTAT) & 0x3fc) == IS_HWI(0);
    uart_irq(false);
    if (!check(works, "the UART interrupts as HWI0")) {
        say("# host ESTAT 0x%lx\n", csrrd(ESTAT));
        return;
    }
    iocsr_write(EIO_ISR, ~0u);
    ready(0x1fff);
    gload(GPA_CODE, guest_loop);
    v->ecfg = IS_HWI(0);
    v->pc = GPA_CODE;
    uart_irq(true);
    e = run(v);
    uart_irq(false);
    iocsr_write(EIO_ISR, ~0u);
    expect_exit(v, e, EXC_INT, "a device's interrupt ends a run");
    check_eq(v->estat & 0x3fc, IS_HWI(0), "ESTAT: HWI0");

    /* Handed through, and masked in the host */
    ready(0x1fff);
    csrwr(GINTC, 1 << 8);
    v->ecfg = 0;
    uart_irq(true);
    expect_irq(v, run_insn(v, W_NOP), IS_HWI(0),
               "with PIP the guest gets the line");
    uart_irq(false);
    iocsr_write(EIO_ISR, ~0u);
    check_eq(gcsrrd(ESTAT) & 0x3fc, 0, "and loses it with the line");
    ready(0x1fff);
    csrwr(GINTC, 0xfe << 8);
    uart_irq(true);
    e = run_insn(v, W_NOP);
    uart_irq(false);
    iocsr_write(EIO_ISR, ~0u);
    expect_hvc(v, e, HVC_DONE, "without its PIP bit it does not");
    guest_reset();
}

void lvz_test(void)
{
    lvz_enable();
    vcpu_init(&vcpu, 1);
    test_vip(&vcpu);
    test_guest_unmasks(&vcpu);
    test_latched(&vcpu);
    test_vectors(&vcpu);
    test_host_exit(&vcpu);
    test_both(&vcpu);
    test_not_in_host();
    test_idle_host();
    test_lines(&vcpu);
}
