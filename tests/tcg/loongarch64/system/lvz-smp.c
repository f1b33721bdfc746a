/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two CPUs: each has its own guest bank and LVZ CSRs, and a CPU that runs a
 * guest is reached by the other's IPI at once.  With one CPU all is skipped.
 * The second CPU stays in direct address mode and runs no guest.
 */
#include "lvz.h"

#define MAIL_SEND       0x1048
#define KICKS           2000

static struct vcpu vcpu;

/* In this order for the code below; volatile, both CPUs use it */
static volatile struct {
    uint64_t started;       /* by CPU 1 */
    uint64_t go;            /* CPU 0: kick me; CPU 1: 0 when done */
    uint64_t stop;
    uint64_t stopped;
    uint64_t ks0, gintc, gstat, estat;
} shared __attribute__((used));

asm(".pushsection .text\n"
    ".balign 8\n"
    "smp_entry:\n"
    "la.pcrel $s0, shared\n"
    "li.d   $t0, 0x2222\n"
    ".word  0x0500002c | (0x30 << 10)\n"        /* gcsrwr KS0 */
    "li.d   $t0, 0xff\n"
    "csrwr  $t0, 0x52\n"                        /* GINTC */
    "li.d   $t0, 0x90000\n"
    "csrwr  $t0, 0x50\n"                        /* GSTAT: GID 9 */
    "li.w   $s1, 1\n"
    "st.d   $s1, $s0, 0\n"
    "1: ld.d $t0, $s0, 16\n"
    "bnez   $t0, 3f\n"
    "ld.d   $t0, $s0, 8\n"
    "beqz   $t0, 1b\n"
    /* a while of any length, so that the kick meets all states */
    "addi.d $s2, $s2, 37\n"
    "andi   $t1, $s2, 0xfff\n"
    "2: addi.d $t1, $t1, -1\n"
    "bge    $t1, $zero, 2b\n"
    "st.d   $zero, $s0, 8\n"
    "dbar   0\n"
    "lu12i.w $t0, -0x80000\n"                   /* blocking, CPU 0, IPI 3 */
    "ori    $t0, $t0, 3\n"
    "li.w   $t1, 0x1040\n"
    "iocsrwr.w $t0, $t1\n"
    ".word  0x06498012\n"                       /* invtlb 0x12 */
    "b      1b\n"
    "3: .word 0x0500000c | (0x30 << 10)\n"      /* gcsrrd KS0 */
    "st.d   $t0, $s0, 32\n"
    "csrrd  $t0, 0x52\n"
    "st.d   $t0, $s0, 40\n"
    "csrrd  $t0, 0x50\n"
    "st.d   $t0, $s0, 48\n"
    ".word  0x0500000c | (0x5 << 10)\n"         /* gcsrrd ESTAT */
    "st.d   $t0, $s0, 56\n"
    "dbar   0\n"
    "st.d   $s1, $s0, 24\n"
    "4: idle 0\n"
    "b      4b\n"
    ".popsection");

static void iocsr_write_d(uint64_t reg, uint64_t val)
{
    asm volatile("iocsrwr.d %0, %1" : : "r"(val), "r"(reg) : "memory");
}

/* volatile: the other CPU sets the flag */
static bool wait_for(volatile uint64_t *flag, uint64_t ticks)
{
    uint64_t start = rdtime();

    while (!*flag) {
        if (rdtime() - start > ticks) {
            return false;
        }
    }
    return true;
}

/*
 * Mailbox 0 of CPU 1 gets the entry, an IPI wakes it.  The board's start-up
 * code clears the mailbox when it gets going, and nothing tells when that is:
 * mail sent too early is lost, so it is sent until it has been read.
 */
static bool start_second(void)
{
    uint64_t entry, to = 1ul << 31 | 1ul << 16;

    asm("la.pcrel %0, smp_entry" : "=r"(entry));
    entry &= PHYS_MASK;
    for (int n = 0; n < 200; n++) {
        iocsr_write_d(MAIL_SEND, to | 1 << 2 | (entry & ~0xfffffffful));
        iocsr_write_d(MAIL_SEND, to | entry << 32);
        iocsr_write(IPI_SEND, to | 1);
        if (wait_for(&shared.started, 1000000)) {
            return true;
        }
    }
    return false;
}

GUEST_CODE(guest_loop,
    "1: addi.d $s0, $s0, 1\n"
    "b 1b");

static void test_kicks(struct vcpu *v)
{
    int lost = 0;

    iocsr_write(IPI_ENABLE, ~0u);
    gload(GPA_CODE, guest_loop);
    v->ecfg = IS_IPI;
    v->pc = GPA_CODE;
    for (int n = 0; n < KICKS && !lost; n++) {
        int e;

        shared.go = 1;
        e = run(v);
        if (e != EXC_INT || (v->estat & (IS_IPI | 0x3f0000)) != IS_IPI) {
            dump(v, e);
            lost++;
        }
        while (shared.go) {
            ;
        }
        while (!(csrrd(ESTAT) & IS_IPI)) {
            ;
        }
        iocsr_write(IPI_CLEAR, ~0u);
    }
    check(!lost, "%d kicks by the other CPU end a run", KICKS);
}

void lvz_test(void)
{
    struct vcpu *v = &vcpu;

    lvz_enable();
    vcpu_init(v, 1);
    gcsrwr(KS(0), 0x1111);
    if (!start_second()) {
        skip("needs -smp 2", "two CPUs");
        return;
    }
    check_eq(gcsrrd(KS(0)), 0x1111, "the guest bank of this CPU is its own");
    check_eq(csrrd(GINTC), 0, "so is GINTC");
    check_eq(csrrd(GSTAT) & GSTAT_GID_MASK, GSTAT_GID(1), "so is GSTAT");
    test_kicks(v);
    check_eq(gcsrrd(KS(0)), 0x1111, "guest KS0 at the end");
    shared.stop = 1;
    check(wait_for(&shared.stopped, 300000000), "the other CPU stops");
    check_eq(shared.ks0, 0x2222, "the other CPU's guest KS0");
    check_eq(shared.gintc, 0xff, "the other CPU's GINTC");
    check_eq(shared.gstat & GSTAT_GID_MASK, GSTAT_GID(9),
             "the other CPU's GSTAT");
    check_eq(shared.estat, 0x3fc, "the other CPU's guest ESTAT");
}
