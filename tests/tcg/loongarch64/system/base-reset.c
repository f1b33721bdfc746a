/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A system reset of a CPU without LVZ while its timer counts.  The program runs
 * twice; only the second time reports.
 */
#include "lvz.h"

#define MARK_HPA    (SPARE_HPA + 0x200000)
#define MARK        0x5e5e8ul
#define GED_RESET   ((volatile uint8_t *)(UNCACHED | 0x100e001eul)) /* device */
#define RESET_VALUE 0x42
#define TICKS       100000ul            /* 1 ms */

static uint64_t tcfg, estat;

/* Before the library touches the timer */
void lvz_early(void)
{
    if (*phys(MARK_HPA) == MARK) {
        tcfg = csrrd(TCFG);
        csrwr(TICLR, 1);
        wait_ticks(300 * TICKS);
        estat = csrrd(ESTAT);
    }
}

void lvz_test(void)
{
    if (*phys(MARK_HPA) == MARK) {
        *phys(MARK_HPA) = 0;
        check_eq(tcfg & 1, 0, "TCFG.EN after reset");
        check_eq(estat & IS_TI, 0, "a timer from before the reset is stopped");
        return;
    }
    *phys(MARK_HPA) = MARK;
    csrwr(TCFG, 200 * TICKS | 1);
    *GED_RESET = RESET_VALUE;
    wait_ticks(10000 * TICKS);
    *phys(MARK_HPA) = 0;
    bail("the reset did not happen");
}
