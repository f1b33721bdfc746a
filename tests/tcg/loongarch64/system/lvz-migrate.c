/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a machine must not lose when it is saved and loaded: the timer, pending
 * interrupts, the rounding mode, the code in memory, the interrupt controller's
 * lines.  Needs no LVZ.
 *
 * Each test keeps something going for a while.  It can only fail if the machine
 * is migrated or goes back to a snapshot meanwhile: run-tests --migrate does.
 */
#include "lvz.h"

#define TCFG_EN     1u
#define TCFG_PERIOD 2u
#define MS          100000ul            /* ticks */
#define A_WHILE     (300 * MS)
#define SLACK       100ul               /* a migration may round */

#define CODE_HPA    GRAM_HPA            /* not what a reset loads again */
#define MSI         (UNCACHED | 0x2ff00000ul)
#define VECTOR_A    200                 /* both of one group of 32 */
#define VECTOR_B    210

static void stop_timer(void)
{
    csrwr(TCFG, 0);
    csrwr(TICLR, 1);
}

static bool ti(void)
{
    return csrrd(ESTAT) & IS_TI;
}

static void test_one_shot(void)
{
    uint64_t start;

    stop_timer();
    start = rdtime();
    csrwr(TCFG, A_WHILE | TCFG_EN);
    while (rdtime() - start < A_WHILE - 10 * MS) {
        if (ti()) {
            break;
        }
    }
    check(rdtime() - start >= A_WHILE - 10 * MS, "one-shot: not early");
    /* QEMU's main loop may be late. */
    while (!ti() && rdtime() - start < 10 * A_WHILE) {
        ;
    }
    check(ti(), "one-shot: it has expired");
    stop_timer();
}

/* However long it takes from one instruction to the next */
static void test_count(void)
{
    uint64_t before, val, after, first, last;
    bool good = true;

    stop_timer();
    first = rdtime() + 2 * A_WHILE;
    csrwr(TCFG, 2 * A_WHILE | TCFG_EN);
    last = rdtime() + 2 * A_WHILE;
    do {
        before = rdtime();
        val = csrrd(TVAL);
        after = rdtime();
        good = before + val <= last + SLACK && after + val + SLACK >= first;
    } while (good && after < first - A_WHILE);
    if (!check(good, "TVAL and the counter go together")) {
        say("#   0x%lx ticks at 0x%lx to 0x%lx, to end at 0x%lx to 0x%lx\n",
            val, before, after, first, last);
    }
    stop_timer();
}

static void test_periodic(void)
{
    uint64_t start, ticks = 0;

    stop_timer();
    start = rdtime();
    csrwr(TCFG, 10 * MS | TCFG_PERIOD | TCFG_EN);
    while (rdtime() - start < A_WHILE) {
        if (ti()) {
            csrwr(TICLR, 1);
            ticks++;
        }
    }
    check(ticks > 3 && ticks <= 31, "periodic: neither none nor too many");
    stop_timer();
}

static void test_pending(void)
{
    uint64_t start;

    stop_timer();
    irq_seen = 0;
    csrwr(ECFG, IS_TI);
    csrwr(TCFG, MS | TCFG_EN);
    start = rdtime();
    while (rdtime() - start < A_WHILE ||
           (!ti() && rdtime() - start < 10 * A_WHILE)) {
        ;
    }
    check(ti(), "pending: it has expired");
    csrxchg(CRMD, CRMD_IE, CRMD_IE);
    wait_ticks(MS);
    csrxchg(CRMD, 0, CRMD_IE);
    check(irq_seen & IS_TI, "pending: it is taken once interrupts are on");
    csrwr(ECFG, 0);
    stop_timer();
}

/* 1.0 / 3.0, rounded upwards; FCSR0 is written once, before */
static uint64_t third(void)
{
    uint64_t bits;

    asm volatile("movgr2fr.d $f0, %1\n\t"
                 "movgr2fr.d $f1, %2\n\t"
                 "fdiv.d $f2, $f0, $f1\n\t"
                 "movfr2gr.d %0, $f2"
                 : "=r"(bits)
                 : "r"(0x3ff0000000000000ul), "r"(0x4008000000000000ul)
                 : "$f0", "$f1", "$f2");
    return bits;
}

static void test_rounding(void)
{
    uint64_t start = rdtime(), bits;

    csrwr(EUEN, 1);
    asm volatile("movgr2fcsr $fcsr0, %0" : : "r"(2u << 8));
    do {
        bits = third();
    } while (bits == 0x3fd5555555555556ul && rdtime() - start < A_WHILE);
    check_eq(bits, 0x3fd5555555555556ul, "rounding: upwards as before");
    asm volatile("movgr2fcsr $fcsr0, $zero");
    csrwr(EUEN, 0);
}

static uint64_t call_body(void)
{
    register uint64_t a0 asm("a0");

    asm volatile("jirl $ra, %1, 0" : "=r"(a0)
                 : "r"(CACHED | CODE_HPA) : "ra", "memory");
    return a0;
}

/* The number that the code returns changes every few milliseconds. */
static void test_code(void)
{
    volatile uint32_t *body = (void *)(CACHED | CODE_HPA);  /* rewritten */
    uint64_t start = rdtime(), got = 0, want = 0;

    body[1] = W_RET;
    while (rdtime() - start < A_WHILE && got == want) {
        uint64_t begun = rdtime();

        want = (want + 1) & 0x3ff;
        body[0] = 0x02c00004 | want << 10;          /* addi.d $a0, $zero, want */
        asm volatile("ibar 0" : : : "memory");
        do {
            got = call_body();
        } while (got == want && rdtime() - begun < 20 * MS);
    }
    check_eq(got, want, "code: what is in memory is what runs");
}

static bool line(bool level)
{
    uint64_t start = rdtime();

    do {
        if (!(csrrd(ESTAT) & IS_HWI(1)) == !level) {
            return true;
        }
    } while (rdtime() - start < 20 * MS);
    return false;
}

static void ack(unsigned vector)
{
    iocsr_write(EIO_ISR + vector / 32 * 4, 1u << vector % 32);
}

/* Two messages that share a line of the CPU, again and again */
static void test_line(void)
{
    volatile uint32_t *msi = (void *)MSI;           /* device register */
    uint64_t start = rdtime();
    bool up = true, held = true, down = true;

    iocsr_write(EIO_IPMAP + 4, 2u << 16);           /* vectors 192 to 223: IP1 */
    iocsr_write(EIO_COREMAP + VECTOR_A / 4 * 4, 0);
    iocsr_write(EIO_COREMAP + VECTOR_B / 4 * 4, 0);
    iocsr_write(EIO_ENABLE + VECTOR_A / 32 * 4,
                1u << VECTOR_A % 32 | 1u << VECTOR_B % 32);
    while (up && held && down && rdtime() - start < A_WHILE) {
        *msi = VECTOR_A;
        *msi = VECTOR_B;
        up = line(true);
        wait_ticks(5 * MS);
        ack(VECTOR_A);
        held = line(true);
        wait_ticks(5 * MS);
        ack(VECTOR_B);
        down = line(false);
        wait_ticks(5 * MS);
    }
    check(up, "line: it is raised each time");
    check(held, "line: the second message holds it");
    check(down, "line: it is lowered each time");
}

void lvz_test(void)
{
    test_one_shot();
    test_count();
    test_periodic();
    test_pending();
    test_rounding();
    test_code();
    test_line();
}
