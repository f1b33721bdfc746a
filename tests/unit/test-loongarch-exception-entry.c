/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unit test of target/loongarch/exception-entry.c: where exceptions enter, and
 * that only the very entry of the right one is undone.
 */

#include <glib.h>

#include "target/loongarch/exception-entry.h"

#define IPE     0xe
#define VS(n)   ((uint64_t)(n) << 16)

/* At the entry of IPE, from PLV3 with interrupts enabled; PG is set. */
static const LoongArchEntered entered = {
    .pc = 0x9000000000801c00,
    .crmd = 0x10,
    .prmd = 0x7,
    .estat = 0xeull << 16 | 0x800,
    .era = 0x120001160,
    .eentry = 0x9000000000800000,
    .ecfg = VS(7) | 0x1fff,
};

static void test_entry(void)
{
    g_assert_cmphex(loongarch_exception_entry(0x1000, VS(0), IPE), ==, 0x1000);
    g_assert_cmphex(loongarch_exception_entry(0x1000, VS(1), IPE), ==,
                    0x1000 + 14 * 8);
    g_assert_cmphex(loongarch_exception_entry(0x1000, VS(7) | 0x1fff, IPE), ==,
                    0x1000 + 14 * 512);
}

static void test_undo(void)
{
    LoongArchEntered cpu = entered;

    g_assert_true(loongarch_exception_undo(&cpu, IPE));
    g_assert_cmphex(cpu.pc, ==, entered.era);
    g_assert_cmphex(cpu.crmd, ==, 0x17);

    cpu = entered;
    cpu.prmd = 0x3 | 0x8;                   /* PWE, and no interrupts */
    g_assert_true(loongarch_exception_undo(&cpu, IPE));
    g_assert_cmphex(cpu.crmd, ==, 0x213);

    cpu = entered;
    cpu.prmd = 0x4;                         /* from PLV0 */
    g_assert_true(loongarch_exception_undo(&cpu, IPE));
    g_assert_cmphex(cpu.crmd, ==, 0x14);
}

static void refused(LoongArchEntered cpu)
{
    LoongArchEntered before = cpu;

    g_assert_false(loongarch_exception_undo(&cpu, IPE));
    g_assert_cmpmem(&cpu, sizeof(cpu), &before, sizeof(before));
}

static void test_refused(void)
{
    LoongArchEntered cpu = entered;

    cpu.pc += 4;                            /* the handler has begun */
    refused(cpu);
    cpu = entered;
    cpu.estat = 0xdull << 16;               /* INE */
    refused(cpu);
    cpu = entered;
    cpu.crmd |= 3;                          /* user code at that address */
    refused(cpu);
    cpu = entered;
    cpu.tlbrera = 1;                        /* in a TLB refill */
    refused(cpu);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/exception-entry/entry", test_entry);
    g_test_add_func("/exception-entry/undo", test_undo);
    g_test_add_func("/exception-entry/refused", test_refused);
    return g_test_run();
}
