/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest timer and counter: expiry in the guest and in the host, what the host
 * may write, and the order in which a hypervisor saves and restores.
 * Times are checked loosely, the machine under the test may be slow.
 */
#include "lvz.h"

#define TVAL_MASK   0xfffffffffffful
#define TCFG_EN     1u
#define TCFG_PERIOD 2u
#define TICKS       100000ul            /* 1 ms */

static struct vcpu vcpu;

static bool ti(void)
{
    return gcsrrd(ESTAT) & IS_TI;
}

/* Waits for TI, no longer than ticks */
static bool wait_ti(uint64_t ticks)
{
    uint64_t start = rdtime();

    while (rdtime() - start < ticks) {
        if (ti()) {
            return true;
        }
    }
    return ti();
}

static void stop(void)
{
    gcsrwr(TCFG, 0);
    gcsrwr(TICLR, 1);
    gcsrwr(ESTAT, 0);
}

static void test_stopped(void)
{
    uint64_t first;

    stop();
    gcsrwr(TVAL, 0x12345678);
    first = gcsrrd(TVAL);
    check_eq(first, 0x12345678, "EN=0: TVAL is stored");
    wait_ticks(1000);
    check_eq(gcsrrd(TVAL), first, "EN=0: TVAL does not move");
    gcsrwr(TVAL, 0);
    wait_ticks(1000);
    check(!ti(), "EN=0: TVAL = 0 raises no TI");
    check_eq(gcsrrd(TVAL), 0, "EN=0: TVAL stays 0");
    gcsrwr(TCFG, TICKS);
    check_eq(gcsrrd(TCFG), TICKS, "EN=0: TCFG reads back");
    wait_ticks(2 * TICKS);
    check(!ti(), "EN=0: TCFG starts nothing");
}

static void test_host_mode(void)
{
    uint64_t start, a, b;
    int grown = 0;

    stop();
    start = rdtime();
    gcsrwr(TCFG, 100 * TICKS | TCFG_EN);
    a = gcsrrd(TVAL);
    check(a <= 100 * TICKS && a > 0, "TVAL starts from InitVal");
    for (int n = 0; n < 1000; n++) {
        b = gcsrrd(TVAL);
        if (b > a && !ti()) {
            grown++;
        }
        a = b;
    }
    check(!grown, "TVAL never grows before expiry");
    check(wait_ti(1000 * TICKS), "TI is set while the host runs");
    check(rdtime() - start >= 100 * TICKS, "not before its time");
    a = gcsrrd(TVAL);
    check(a > 100 * TICKS && a <= TVAL_MASK,
          "one-shot: TVAL is above TCFG afterwards, in 48 bits");
    gcsrwr(TICLR, 1);
    check(!ti(), "TICLR by the host");
    wait_ticks(10 * TICKS);
    check(!ti(), "one-shot: no second TI");
    check(gcsrrd(TVAL) > 100 * TICKS, "one-shot: TVAL still above TCFG");
    check_eq(csrrd(ESTAT) & IS_TI, 0, "the host's TI is not concerned");
}

static void test_not_host_irq(void)
{
    stop();
    irq_seen = 0;
    csrwr(TCFG, 0);
    csrwr(TICLR, 1);
    csrwr(ECFG, IS_TI);
    csrxchg(CRMD, CRMD_IE, CRMD_IE);
    gcsrwr(TCFG, TICKS | TCFG_EN);
    check(wait_ti(100 * TICKS), "TI of the guest");
    csrxchg(CRMD, 0, CRMD_IE);
    csrwr(ECFG, 0);
    check_eq(irq_seen, 0, "does not interrupt the host");
}

/* Whoever sees the count expired must see TI, and only one TI comes of it */
static void test_one_event(void)
{
    int lost = 0, twice = 0, slow = 0;

    for (uint64_t n = 0; n < 300; n++) {
        uint64_t cfg = ((500 + 37 * n) & ~3ul) | TCFG_EN;
        uint64_t start = rdtime();
        bool expired;

        stop();
        gcsrwr(TCFG, cfg);
        do {
            uint64_t c = gcsrrd(TCFG);

            expired = gcsrrd(TVAL) > c || !(c & TCFG_EN);
        } while (!expired && rdtime() - start < 1000 * TICKS);
        if (!expired) {
            slow++;
        } else if (!ti()) {
            lost++;
        }
        gcsrwr(TICLR, 1);
        wait_ticks(n % 8 * 500);
        if (ti()) {
            twice++;
        }
    }
    check_eq(slow, 0, "300 short timers expire");
    check_eq(lost, 0, "TI is there when TVAL has expired");
    check_eq(twice, 0, "and does not come back after TICLR");
}

static void test_tval_write(void)
{
    uint64_t val;

    stop();
    gcsrwr(TCFG, 1000000 * TICKS | TCFG_EN);
    check(!ti(), "starting raises no TI");
    gcsrwr(TVAL, 0);
    wait_ticks(2);
    check(ti(), "TVAL = 0 with EN=1 fires at once");
    val = gcsrrd(TVAL);
    check(val > 1000000 * TICKS && val <= TVAL_MASK, "TVAL reads as -1");
    gcsrwr(TICLR, 1);
    check(!ti(), "TICLR undoes it");
    check(gcsrrd(TVAL) > 1000000 * TICKS, "TVAL stays -1");
    wait_ticks(10 * TICKS);
    check(!ti(), "and nothing follows");

    gcsrwr(TCFG, 0);
    gcsrwr(ESTAT, 0);
    gcsrwr(TCFG, 1000000 * TICKS | TCFG_EN);
    gcsrwr(TVAL, 20 * TICKS);
    check(gcsrrd(TVAL) <= 20 * TICKS, "TVAL sets the remaining count");
    check(wait_ti(1000 * TICKS), "which then expires");
    stop();
    gcsrwr(TCFG, 1000000 * TICKS | TCFG_EN);
    gcsrwr(TVAL, TVAL_MASK & ~3ul);
    wait_ticks(10 * TICKS);
    check(!ti(), "TVAL = all ones does not fire");
    stop();
    gcsrwr(TCFG, (TVAL_MASK & ~3ul) | TCFG_EN);
    wait_ticks(1000);
    check(!ti(), "the longest period does not fire");
    val = gcsrrd(TVAL);
    check(val <= TVAL_MASK && val > TVAL_MASK - 1000000 * TICKS,
          "and counts down from InitVal");

    stop();
    gcsrwr(TCFG, 10 * TICKS | TCFG_EN | TCFG_PERIOD);
    gcsrwr(TVAL, 0);
    wait_ticks(2);
    check(ti(), "periodic, TVAL = 0: fires");
}

static void test_periodic(void)
{
    uint64_t start, val;
    int n;

    stop();
    start = rdtime();
    gcsrwr(TCFG, 10 * TICKS | TCFG_EN | TCFG_PERIOD);
    for (n = 0; n < 10; n++) {
        if (!wait_ti(1000 * TICKS)) {
            break;
        }
        gcsrwr(TICLR, 1);
    }
    check_eq(n, 10, "ten periods");
    check(rdtime() - start >= 95 * TICKS, "take ten periods' time");
    val = gcsrrd(TVAL);
    check(val <= 10 * TICKS, "TVAL is within the period");
    check_eq(gcsrrd(TCFG), 10 * TICKS | TCFG_EN | TCFG_PERIOD, "TCFG is kept");
    stop();
}

GUEST_CODE(guest_wait,
    "1: addi.d $s0, $s0, 1\n"
    "b 1b\n");

GUEST_CODE(guest_own_timer,
    "csrwr $t0, 0x41\n"                 /* TCFG */
    "1: csrrd $t1, 0x5\n"               /* ESTAT */
    "bstrpick.d $t1, $t1, 11, 11\n"
    "beqz  $t1, 1b\n"
    "csrrd $t2, 0x42\n"                 /* TVAL */
    "addi.d $t1, $zero, 1\n"
    "csrwr $t1, 0x44\n"                 /* TICLR */
    "csrrd $t3, 0x5\n"
    "GUEST_DONE");

static void test_in_guest(struct vcpu *v)
{
    int e;

    stop();
    gload(GPA_CODE, guest_wait);
    gcsrwr(ECFG, IS_TI);
    gcsrwr(CRMD, CRMD_DA | CRMD_IE);
    gcsrwr(TCFG, 10 * TICKS | TCFG_EN);
    e = run_at(v, GPA_CODE);
    expect_guest_exc(v, e, EXC_INT, "the guest takes its timer interrupt");
    check_eq(gcsrrd(ESTAT) & IS_ALL, IS_TI, "guest ESTAT shows TI alone");
    check(gcsrrd(ERA) - GPA_CODE <= 4, "guest ERA is in its loop");
    check_eq(gcsrrd(CRMD) & 7, 0, "guest CRMD: IE and PLV 0");
    check_eq(gcsrrd(PRMD) & 7, PRMD_PIE, "guest PRMD");

    guest_reset();
    gload(GPA_CODE, guest_own_timer);
    v->gpr[R_T0] = 5 * TICKS | TCFG_EN;
    e = run_at(v, GPA_CODE);
    expect_hvc(v, e, HVC_DONE, "the guest polls a timer of its own");
    check(v->gpr[14] > 5 * TICKS && v->gpr[14] <= TVAL_MASK, "TVAL after it");
    check_eq(v->gpr[15] & IS_TI, 0, "TICLR in the guest");
    check(!ti(), "seen by the host");

    /* Pending while masked, taken when the guest unmasks */
    guest_reset();
    gcsrwr(ECFG, IS_TI);
    gcsrwr(TCFG, 4 | TCFG_EN);
    check(wait_ti(100 * TICKS), "TI before the entry");
    e = run_insn(v, W_NOP);
    expect_hvc(v, e, HVC_DONE, "guest IE 0: not taken");
    gcsrwr(CRMD, CRMD_DA | CRMD_IE);
    gcsrwr(ECFG, 0);
    e = run_insn(v, W_NOP);
    expect_hvc(v, e, HVC_DONE, "guest LIE 0: not taken");
    gcsrwr(ECFG, IS_TI);
    e = run_insn(v, W_NOP);
    expect_guest_exc(v, e, EXC_INT, "both: taken");
    check_eq(gcsrrd(ERA), GPA_CODE, "before the first instruction");
    guest_reset();
}

GUEST_CODE(guest_reads_time,
    "1: rdtime.d $t1, $zero\n"
    "bltu $t1, $t0, 1b\n"
    "b 2f\n"
    "2: GUEST_DONE");

/* When the counter tells the guest that it is time, it is interrupted */
static void test_counter_tells(struct vcpu *v)
{
    int late = 0;

    for (int n = 0; n < 300; n++) {
        guest_reset();
        gload(GPA_CODE, guest_reads_time);
        gcsrwr(ECFG, IS_TI);
        gcsrwr(CRMD, CRMD_DA | CRMD_IE);
        gcsrwr(TCFG, TICKS | TCFG_EN);
        v->gpr[R_T0] = rdtime() + TICKS;
        late += hvc_code(v, run_at(v, GPA_CODE)) == HVC_DONE;
    }
    check_eq(late, 0, "no timer interrupt of the guest is late by its clock");
    guest_reset();
}

GUEST_CODE(guest_ticks,
    "addi.d $s0, $s0, 1\n"
    "addi.d $s1, $zero, 1\n"
    "csrwr $s1, 0x44\n"
    "addi.d $s2, $zero, 50\n"
    "bge   $s0, $s2, 1f\n"
    "ertn\n"
    "1: HVCL 0x66");

/* Fifty periodic interrupts handled in the guest, with exits on the way */
static void test_many(struct vcpu *v)
{
    uint32_t code[] = { W_HVCL(0x11), WORD("b -4") };
    int e, exits = 0;

    guest_reset();
    gload(GPA_EENTRY, guest_ticks);
    gcopy(GPA_CODE, code, sizeof(code));
    gcsrwr(ECFG, IS_TI);
    gcsrwr(CRMD, CRMD_DA | CRMD_IE);
    v->gpr[23] = 0;
    gcsrwr(TCFG, 2 * TICKS | TCFG_EN | TCFG_PERIOD);
    v->pc = GPA_CODE;
    for (;;) {
        e = run(v);
        if (hvc_code(v, e) != 0x11) {
            break;
        }
        v->pc += 4;
        exits++;
    }
    expect_hvc(v, e, 0x66, "50 periodic interrupts handled in the guest");
    say("# %d exits meanwhile\n", exits);
    guest_reset();
}

static uint64_t guest_rdtime(struct vcpu *v)
{
    if (hvc_code(v, run_insn(v, WORD("rdtime.d $t0, $t1"))) != HVC_DONE) {
        return 0;
    }
    return v->gpr[R_T0];
}

static bool close_to(uint64_t got, uint64_t want)
{
    return got - want < 1000000 * TICKS / 10;
}

static void test_counter(struct vcpu *v)
{
    uint64_t now;
    int e;

    guest_reset();
    gcsrwr(TID, 0x1234);
    now = rdtime();
    check(close_to(guest_rdtime(v), now), "rdtime in the guest is the host's");
    check_eq(v->gpr[R_T1], 0x1234, "with the guest's TID");
    csrwr(GCNTC, 1ul << 50);
    now = rdtime();
    check(close_to(guest_rdtime(v), now + (1ul << 50)), "GCNTC is added");
    check(close_to(rdtime(), now), "but not for the host");
    gcsrwr(CNTC, 1ul << 40);
    now = rdtime();
    check(close_to(guest_rdtime(v), now + (1ul << 50) + (1ul << 40)),
          "guest CNTC is added, too");
    gcsrwr(CNTC, 0);
    csrwr(GCNTC, -rdtime());
    now = guest_rdtime(v);
    check(now < 1000000 * TICKS / 10, "GCNTC can start the guest from 0");
    csrwr(CNTC, 1ul << 50);
    csrwr(GCNTC, -rdtime());
    now = guest_rdtime(v);
    check(now < 1000000 * TICKS / 10, "whatever the host's own CNTC is");
    check(guest_rdtime(v) > now, "and it goes on from there");
    csrwr(CNTC, 0);
    csrwr(GCNTC, 0);

    gcsrwr(CRMD, CRMD_DA | 3);
    gcsrwr(MISC, 1 << 7);
    e = run_insn(v, WORD("rdtime.d $t0, $t1"));
    expect_guest_exc(v, e, EXC_IPE, "MISC.DRDTL3 forbids it at PLV3");
    check_eq(gcsrrd(ERA), GPA_CODE, "guest ERA");
    guest_reset();
}

void lvz_test(void)
{
    lvz_enable();
    vcpu_init(&vcpu, 1);
    test_stopped();
    test_host_mode();
    test_not_host_irq();
    test_one_event();
    test_tval_write();
    test_periodic();
    test_in_guest(&vcpu);
    test_counter_tells(&vcpu);
    test_many(&vcpu);
    test_counter(&vcpu);
}
