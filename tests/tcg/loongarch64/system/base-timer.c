/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stable timer and counter of a CPU without LVZ: what TVAL, TCFG and
 * ESTAT.TI say before, at and after an expiry, and what CNTC adds.
 * Nothing here depends on how fast the machine under the test is.
 */
#include "lvz.h"

#define TVAL_MASK   0xfffffffffffful
#define TCFG_EN     1u
#define TCFG_PERIOD 2u
#define TICKS       100000ul            /* 1 ms */

static bool ti(void)
{
    return csrrd(ESTAT) & IS_TI;
}

static bool wait_ti(uint64_t ticks)
{
    uint64_t start = rdtime();

    while (!ti() && rdtime() - start < ticks) {
        ;
    }
    return ti();
}

static void stop(void)
{
    csrwr(TCFG, 0);
    csrwr(TICLR, 1);
}

static void test_stopped(void)
{
    uint64_t val;

    stop();
    csrwr(TCFG, ~3ul);
    check_eq(csrrd(TCFG), TVAL_MASK & ~3ul, "TCFG has 48 bits");
    csrwr(TCFG, 1000000 * TICKS | TCFG_EN);
    val = csrrd(TVAL);
    check(val <= 1000000 * TICKS && val, "TVAL starts from InitVal");
    csrwr(TCFG, 1000000 * TICKS);
    val = csrrd(TVAL);
    check(val <= 1000000 * TICKS && val, "EN=0: TVAL stands where it was");
    wait_ticks(10 * TICKS);
    check_eq(csrrd(TVAL), val, "EN=0: TVAL does not move");
    check(!ti(), "EN=0: no TI");
    csrwr(TCFG, (TVAL_MASK & ~3ul) | TCFG_EN);
    wait_ticks(1000);
    check(!ti(), "the longest period does not expire");
    val = csrrd(TVAL);
    check(val <= TVAL_MASK && val > TVAL_MASK - 1000000 * TICKS,
          "and counts down from InitVal");
    stop();
}

static void test_one_shot(void)
{
    uint64_t val;

    stop();
    csrwr(TCFG, 10 * TICKS | TCFG_EN);
    check(wait_ti(1000000 * TICKS), "one-shot: TI");
    val = csrrd(TVAL);
    check(val > 10 * TICKS && val <= TVAL_MASK,
          "one-shot: TVAL is above TCFG afterwards, in 48 bits");
    wait_ticks(10 * TICKS);
    check_eq(csrrd(TVAL), val, "one-shot: and stands");
    check_eq(csrrd(TCFG), 10 * TICKS | TCFG_EN, "one-shot: EN is kept");
    csrwr(TICLR, 1);
    wait_ticks(20 * TICKS);
    check(!ti(), "one-shot: no second TI");
    csrwr(TCFG, 10 * TICKS | TCFG_EN);
    check(csrrd(TVAL) <= 10 * TICKS || ti(), "one-shot: started again");
    check(wait_ti(1000000 * TICKS), "one-shot: TI again");
    stop();
}

/* Whoever sees the count expired must see TI; between, no other value */
static void test_one_event(void)
{
    int lost = 0, twice = 0, garbage = 0;

    for (uint64_t n = 0; n < 300; n++) {
        uint64_t cfg = ((500 + 37 * n) & ~3ul) | TCFG_EN;
        uint64_t val;

        stop();
        csrwr(TCFG, cfg);
        do {
            val = csrrd(TVAL);
        } while (val <= cfg);
        if (val > TVAL_MASK) {
            garbage++;
        }
        if (!ti()) {
            lost++;
        }
        csrwr(TICLR, 1);
        wait_ticks(n % 8 * 500);
        if (ti()) {
            twice++;
        }
    }
    check_eq(garbage, 0, "300 expiries: TVAL is never more than 48 bits");
    check_eq(lost, 0, "TI is there when TVAL has expired");
    check_eq(twice, 0, "and does not come back after TICLR");
    stop();
}

/* Start the timer, and wait until the counter alone says that it is over */
static void expire_by_counter(void)
{
    uint64_t start;

    csrwr(TCFG, TICKS / 4 | TCFG_EN);
    start = rdtime();
    while (rdtime() - start < TICKS / 4) {
        ;
    }
}

/* The time alone tells, too: no interrupt is later than that. */
static void test_counter_tells(void)
{
    int late = 0, slow = 0;

    for (int n = 0; n < 300; n++) {
        stop();
        expire_by_counter();
        late += !ti();
    }
    check_eq(late, 0, "TI is there when the counter says that it is time");
    stop();
    csrwr(ECFG, IS_TI);
    for (int n = 0; n < 300; n++) {
        stop();
        irq_seen = 0;
        csrxchg(CRMD, CRMD_IE, CRMD_IE);
        expire_by_counter();
        csrxchg(CRMD, 0, CRMD_IE);
        slow += !irq_seen;
    }
    check_eq(slow, 0, "and it interrupts then");
    csrwr(ECFG, 0);
    stop();
}

/*
 * The end of every period is a multiple of it after the start.  Start and end
 * are known to lie between two readings of the counter, of which the closest
 * of some are taken.
 */
static void test_periodic(void)
{
    const uint64_t period = 2 * TICKS;
    uint64_t first, last, val;
    int drifted = 0, outside = 0, n;

    stop();
    first = rdtime();
    csrwr(TCFG, period | TCFG_EN | TCFG_PERIOD);
    last = rdtime();
    for (n = 0; n < 100; n++) {
        uint64_t low = 0, high = ~0ul >> 1;

        if (!wait_ti(1000000 * TICKS)) {
            break;
        }
        csrwr(TICLR, 1);
        for (int i = 0; i < 20; i++) {
            uint64_t before = rdtime(), after;

            val = csrrd(TVAL);
            after = rdtime();
            if (val > period) {
                outside++;
            }
            if (after - before < high - low) {
                low = before + val;
                high = after + val;
            }
        }
        if ((high - first) / period * period + last < low) {
            drifted++;
        }
    }
    check_eq(n, 100, "100 periods");
    check(rdtime() - first >= 100 * period, "take 100 periods' time");
    check_eq(outside, 0, "TVAL is within the period");
    check_eq(drifted, 0, "no period begins late because one was noticed late");
    check_eq(csrrd(TCFG), period | TCFG_EN | TCFG_PERIOD, "TCFG is kept");
    stop();
    wait_ticks(2 * period);
    check(!ti(), "and nothing follows after EN=0");
}

static bool close_to(uint64_t got, uint64_t want)
{
    return got - want < 1000000 * TICKS / 10;
}

static void test_counter(void)
{
    uint64_t now = rdtime();

    csrwr(CNTC, 1ul << 50);
    check(close_to(rdtime(), now + (1ul << 50)), "CNTC is added to rdtime");
    csrwr(CNTC, -(1ul << 50));
    check(close_to(rdtime(), now - (1ul << 50)), "CNTC can be negative");
    csrwr(TCFG, 10 * TICKS | TCFG_EN);
    check(csrrd(TVAL) <= 10 * TICKS || ti(), "CNTC does not move the timer");
    csrwr(CNTC, 0);
    check(close_to(rdtime(), now), "CNTC 0");
    stop();
}

void lvz_test(void)
{
    test_stopped();
    test_one_shot();
    test_one_event();
    test_counter_tells();
    test_periodic();
    test_counter();
}
