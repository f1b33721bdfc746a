/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A system reset of a CPU without LVZ while its timer counts and interrupts are
 * pending: the UART's, by way of both controllers, and one that the CPU has
 * sent to itself.  The program runs twice; only the second time reports.
 */
#include "lvz.h"

#define MARK_HPA    (SPARE_HPA + 0x200000)
#define MARK        0x5e5e8ul
#define GED_RESET   ((volatile uint8_t *)(UNCACHED | 0x100e001eul)) /* device */
#define RESET_VALUE 0x42
#define TICKS       100000ul            /* 1 ms */

static uint64_t tcfg, estat;

static void raise_interrupts(void)
{
    route_uart();
    uart_irq(true);
    iocsr_write(IPI_ENABLE, ~0u);
    iocsr_write(IPI_BUFFER, 1);
    iocsr_write(IPI_SEND, 1u << 31 | 3);        /* vector 3 to CPU 0 */
    wait_ticks(TICKS);
    if ((csrrd(ESTAT) & (IS_HWI(0) | IS_IPI)) != (IS_HWI(0) | IS_IPI)) {
        bail("the interrupts are not there before the reset");
    }
}

static void check_interrupts(void)
{
    check_eq(estat & (0x3fc | IS_IPI), 0, "no interrupt from before the reset");
    check_eq(iocsr_read(EIO_ISR) | iocsr_read(EIO_ENABLE), 0,
             "the controller of external ones has forgotten its own");
    check_eq(iocsr_read(IPI_STATUS) | iocsr_read(IPI_ENABLE) |
             iocsr_read(IPI_BUFFER), 0, "so has that of the CPUs' own");

    route_uart();
    uart_irq(true);
    wait_ticks(TICKS);
    check_eq(csrrd(ESTAT) & 0x3fc, IS_HWI(0), "the UART interrupts again");
    uart_irq(false);
    iocsr_write(EIO_ISR, ~0u);
    check_eq(csrrd(ESTAT) & 0x3fc, 0, "and no longer when it is done");
}

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
        check_interrupts();
        return;
    }
    *phys(MARK_HPA) = MARK;
    raise_interrupts();
    csrwr(TCFG, 200 * TICKS | 1);
    *GED_RESET = RESET_VALUE;
    wait_ticks(10000 * TICKS);
    *phys(MARK_HPA) = 0;
    bail("the reset did not happen");
}
