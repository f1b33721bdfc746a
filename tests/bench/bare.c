/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bare-metal load whose instructions can be counted: it has no timer and no
 * other CPU, and does the same in every run.  What it does is what the LVZ
 * patches pass by on a CPU without LVZ: TLB refills, a change of ASID, page
 * invalidations, exceptions, CSRs, and between them plain computing.
 *
 * It is made and runs as the programs of tests/tcg/loongarch64/system do.
 */
#include "lvz.h"

#define ROUNDS      200
#define PAGES       64
#define FIRST_VA    0x1230000ul
#define COMPUTE     20000

static uint64_t compute(uint64_t x)
{
    for (int i = 0; i < COMPUTE; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

static void touch_pages(uint64_t asid)
{
    csrxchg(ASID, asid, 0x3ff);
    for (int i = 0; i < PAGES; i++) {
        host_load(FIRST_VA + i * PAGE_SIZE);
    }
    for (int i = 0; i < PAGES; i += 8) {
        invtlb(5, asid, FIRST_VA + i * PAGE_SIZE);
        host_load(FIRST_VA + i * PAGE_SIZE);
    }
}

void lvz_test(void)
{
    uint64_t *pgd = host_tables();
    uint64_t x = 88172645463325252ul;
    unsigned int traps = 0;

    map(pgd, FIRST_VA, SPARE_HPA, PAGES * PAGE_SIZE, PTE_RW);
    for (int round = 0; round < ROUNDS; round++) {
        struct insn i = { .word = W_SYSCALL };

        touch_pages(1 + round % 8);
        for (int n = 0; n < 20; n++) {
            try_insn(&i);
            traps += i.trapped;
        }
        csrwr(KS(2), csrrd(KS(1)) + round);
        x = compute(x);
    }
    check_eq(traps, ROUNDS * 20, "every syscall trapped");
    check(refill.count >= PAGES, "pages were refilled");
    check(x != 0, "the computing went on");
}
