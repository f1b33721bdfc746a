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

#define IPI_STATUS  0x1000
#define IPI_ENABLE  0x1004
#define IPI_BUFFER  0x1020
#define IPI_SEND    0x1040
#define EIO_IPMAP   0x14c0
#define EIO_ENABLE  0x1600
#define EIO_ISR     0x1800
#define EIO_COREMAP 0x1c00
#define MISC_FUNC   0x420
#define PCH_PIC     (UNCACHED | 0x10000000ul)
#define UART        (UNCACHED | 0x1fe001e0ul)
#define UART_IRQ    2

static uint64_t tcfg, estat;

static void iocsr_write(uint64_t reg, uint32_t val)
{
    asm volatile("iocsrwr.w %0, %1" : : "r"(val), "r"(reg) : "memory");
}

static uint32_t iocsr_read(uint64_t reg)
{
    uint32_t val;

    asm volatile("iocsrrd.w %0, %1" : "=r"(val) : "r"(reg) : "memory");
    return val;
}

static void uart_irq(bool on)
{
    /* device register: IER, transmitter empty */
    *(volatile uint8_t *)(UART + 1) = on ? 2 : 0;
}

/* The UART's line through both controllers to HWI0 of CPU 0 */
static void route_uart(void)
{
    volatile uint32_t *mask = (void *)(PCH_PIC + 0x20); /* volatile: device */
    volatile uint32_t *msi = (void *)(PCH_PIC + 0x40);  /* volatile: device */
    volatile uint8_t *vector = (void *)(PCH_PIC + 0x200); /* volatile: device */

    iocsr_write(MISC_FUNC + 4, iocsr_read(MISC_FUNC + 4) | 1u << 16);
    iocsr_write(EIO_IPMAP, 0x01010101);
    iocsr_write(EIO_COREMAP, 0x01010101);
    iocsr_write(EIO_ENABLE, 1u << UART_IRQ);
    *msi |= 1u << UART_IRQ;
    vector[UART_IRQ] = UART_IRQ;
    *mask &= ~(1u << UART_IRQ);
}

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
