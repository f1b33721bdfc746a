/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unit test of target/loongarch/debug-walk.c
 *
 * A small memory with the page tables that Linux makes for 16 KiB pages: three
 * levels of 11 bits each.
 */

#include <glib.h>

#include "target/loongarch/debug-walk.h"

#define CRMD_DA         0x8u
#define CRMD_PG         0x10u
#define PLV3            3u
#define UNMAPPED        LOONGARCH_DEBUG_UNMAPPED
#define USER            0x120004000ull
#define HUGE_USER       0x7000000000ull
#define MODULE          0xffff800002004000ull
#define KERNEL          0x9000000000204120ull
#define OLD             (USER + 0x4000)         /* not accessed lately */
#define OLD_HUGE        (HUGE_USER + 0x2000000)
#define V               (1ull << 0)
#define D               (1ull << 1)
#define P               (1ull << 7)
#define W               (1ull << 8)
#define NX_NR           (3ull << 61)
#define NX              (1ull << 62)
#define RPLV            (1ull << 63)
#define HPTW            (1ull << 24)            /* in PWCH */
#define GOOD            LOONGARCH_DEBUG_ACCESS_GOOD
#define LATE            LOONGARCH_DEBUG_ACCESS_LATE
#define FAULTS          LOONGARCH_DEBUG_ACCESS_FAULTS

static GHashTable *memory;

static void put(uint64_t pa, uint64_t value)
{
    uint64_t *key = g_new(uint64_t, 1), *data = g_new(uint64_t, 1);

    *key = pa;
    *data = value;
    g_hash_table_insert(memory, key, data);
}

static bool get(G_GNUC_UNUSED void *opaque, uint64_t pa, uint64_t *value)
{
    uint64_t *data = g_hash_table_lookup(memory, &pa);

    *value = data ? *data : 0;
    return pa < 0x10000000;
}

/* The tables of a level are at 0x10000 times its number, as index 8 bytes. */
static void map(uint64_t root, uint64_t va, uint64_t pte)
{
    uint64_t dir = root + 0x10000, table = root + 0x20000;

    put(root + (va >> 36 & 0x7ff) * 8, dir);
    put(dir + (va >> 25 & 0x7ff) * 8, table);
    put(table + (va >> 14 & 0x7ff) * 8, pte);
}

static LoongArchDebugWalk start(uint64_t crmd)
{
    return (LoongArchDebugWalk) {
        .crmd = crmd,
        .dmw = { 0x8000000000000001, 0x9000000000000011 },
        .pgdl = 0x100000, .pgdh = 0x200000,
        .pwcl = 14 | 11 << 5 | 25 << 10 | 11 << 15,
        .pwch = 36 | 11 << 6,
        .va_bits = 48, .pa_bits = 48,
        .read = get,
    };
}

static void fill(void)
{
    memory = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    map(0x100000, USER, 0x4008000 | 0xd | NX_NR);
    map(0x200000, MODULE, 0x400c000 | 0x1);
    put(0x100000 + (HUGE_USER >> 36 & 0x7ff) * 8, 0x110000);
    put(0x110000 + (HUGE_USER >> 25 & 0x7ff) * 8,
        0x6000000 | 1 << 12 | 1 << 6 | 0xd);
    put(0x110000 + (OLD_HUGE >> 25 & 0x7ff) * 8, 0x8000000 | 1 << 6 | P | 0xc);
    map(0x100000, OLD, 0x4010000 | P);
}

/* Everything is seen from everywhere, but for the mode without translation. */
static void test_paging(void)
{
    static const uint64_t modes[] = { CRMD_PG, CRMD_PG | PLV3 };
    unsigned int i;

    fill();
    for (i = 0; i < G_N_ELEMENTS(modes); i++) {
        LoongArchDebugWalk walk = start(modes[i]);

        g_assert_cmphex(loongarch_debug_walk(&walk, KERNEL), ==, 0x204120);
        g_assert_cmphex(loongarch_debug_walk(&walk, USER + 0x12), ==,
                        0x4008012);
        g_assert_cmphex(loongarch_debug_walk(&walk, MODULE + 8), ==, 0x400c008);
        g_assert_cmphex(loongarch_debug_walk(&walk, HUGE_USER + 0x123456), ==,
                        0x6123456);
        g_assert_cmphex(loongarch_debug_walk(&walk, USER + 0x8000), ==,
                        UNMAPPED);
        g_assert_cmphex(loongarch_debug_walk(&walk, 0xa000000000000000), ==,
                        UNMAPPED);
        g_assert_cmphex(loongarch_debug_walk(&walk, 0x1000000000000), ==,
                        UNMAPPED);
    }
}

/* Present but not valid, be it for a hardware walker or not accessed lately. */
static void test_not_valid(void)
{
    LoongArchDebugWalk walk = start(CRMD_PG);

    fill();
    g_assert_cmphex(loongarch_debug_walk(&walk, OLD), ==, 0x4010000);
    walk.pwch |= HPTW;
    g_assert_cmphex(loongarch_debug_walk(&walk, OLD), ==, 0x4010000);
    walk = start(CRMD_PG);
    g_assert_cmphex(loongarch_debug_walk(&walk, OLD_HUGE + 0x1234), ==,
                    0x8001234);
}

/* What Linux keeps in an entry when there is no page. */
static void test_not_present(void)
{
    static const uint64_t ptes[] = {
        0, 1 << 6,                              /* none; and global */
        0x123456000000 | 5 << 16,               /* swapped: offset, type */
        0x123456000000 | 5 << 16 | 1 << 23,     /* the same, exclusive */
        0x4010000 | 1 << 10 | 0xc | 1ull << 61, /* PROT_NONE */
    };
    LoongArchDebugWalk walk = start(CRMD_PG);

    fill();
    for (unsigned int i = 0; i < G_N_ELEMENTS(ptes); i++) {
        map(0x100000, OLD, ptes[i]);
        g_assert_cmphex(loongarch_debug_walk(&walk, OLD), ==, UNMAPPED);
        g_assert_cmpint(loongarch_debug_access(&walk, OLD, false), ==, FAULTS);
    }
    /* A huge page that is about to be split: PRESENT_INVALID. */
    put(0x110000 + (OLD_HUGE >> 25 & 0x7ff) * 8,
        0x8000000 | 1 << 6 | 0xc | 1ull << 60);
    g_assert_cmphex(loongarch_debug_walk(&walk, OLD_HUGE), ==, UNMAPPED);
}

/* What an access in the vCPU's own mode meets. */
static void test_access(void)
{
    static const struct {
        uint64_t pte, plv;
        bool hptw;
        LoongArchDebugAccess fetch, store;
    } cases[] = {
        { V | D | P | W | 0xc, 3, false, GOOD, GOOD },
        { V | P | 0xc, 3, false, GOOD, FAULTS },        /* not dirty */
        { P | D | W | 0xc, 3, false, LATE, LATE },      /* not accessed */
        { P | D | W | 0xc, 3, true, GOOD, GOOD },
        { P | W | 0xc, 3, true, GOOD, GOOD },           /* it sets D as well */
        { P | 0xc, 3, true, GOOD, FAULTS },
        { V | D | P | W | 0xc | NX, 3, false, FAULTS, GOOD },
        { V | D | P | W, 3, false, FAULTS, FAULTS },    /* the kernel's */
        { V | D | P | W, 0, false, GOOD, GOOD },
        { V | D | P | W | 0xc, 0, false, GOOD, GOOD },
        { V | D | P | W | 0xc | RPLV, 0, false, FAULTS, FAULTS },
        { V | D | P | W | 0xc | RPLV, 3, false, GOOD, GOOD },
    };

    fill();
    for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
        LoongArchDebugWalk walk = start(CRMD_PG | cases[i].plv);

        if (cases[i].hptw) {
            walk.pwch |= HPTW;
        }
        map(0x100000, USER, 0x4008000 | cases[i].pte);
        g_assert_cmpint(loongarch_debug_access(&walk, USER, false), ==,
                        cases[i].fetch);
        g_assert_cmpint(loongarch_debug_access(&walk, USER, true), ==,
                        cases[i].store);
    }
}

/* A window is for the privilege levels that it names, and for no page table. */
static void test_access_window(void)
{
    LoongArchDebugWalk walk = start(CRMD_PG);

    fill();
    g_assert_cmpint(loongarch_debug_access(&walk, KERNEL, true), ==, GOOD);
    walk.crmd |= PLV3;
    g_assert_cmpint(loongarch_debug_access(&walk, KERNEL, false), ==, FAULTS);
    walk.crmd = CRMD_DA | PLV3;
    g_assert_cmpint(loongarch_debug_access(&walk, KERNEL, false), ==, GOOD);
}

static void test_direct(void)
{
    LoongArchDebugWalk walk = start(CRMD_DA);

    fill();
    g_assert_cmphex(loongarch_debug_walk(&walk, 0x1c000000), ==, 0x1c000000);
    g_assert_cmphex(loongarch_debug_walk(&walk, KERNEL), ==, 0x204120);
}

/* In a TLB refill addresses are those of the code that missed. */
static void test_refill(void)
{
    LoongArchDebugWalk walk = start(CRMD_DA);

    fill();
    walk.tlbrera = USER | 1;
    walk.pc = 0x7d3040;
    g_assert_cmphex(loongarch_debug_walk(&walk, USER), ==, 0x4008000);
    g_assert_cmphex(loongarch_debug_walk(&walk, KERNEL), ==, 0x204120);
    g_assert_cmphex(loongarch_debug_walk(&walk, 0x7d3044), ==, 0x7d3044);
    g_assert_cmphex(loongarch_debug_walk(&walk, 0xa000000000000000), ==,
                    UNMAPPED);
}

/* Before there are page tables nothing is mapped, and nothing is read. */
static void test_no_tables(void)
{
    LoongArchDebugWalk walk = start(CRMD_PG);

    fill();
    walk.pgdl = 0;
    g_assert_cmphex(loongarch_debug_walk(&walk, USER), ==, UNMAPPED);
    walk.pgdl = 0xf0000000;
    g_assert_cmphex(loongarch_debug_walk(&walk, USER), ==, UNMAPPED);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/debug-walk/paging", test_paging);
    g_test_add_func("/debug-walk/not-valid", test_not_valid);
    g_test_add_func("/debug-walk/not-present", test_not_present);
    g_test_add_func("/debug-walk/access", test_access);
    g_test_add_func("/debug-walk/access/window", test_access_window);
    g_test_add_func("/debug-walk/direct", test_direct);
    g_test_add_func("/debug-walk/refill", test_refill);
    g_test_add_func("/debug-walk/no-tables", test_no_tables);
    return g_test_run();
}
