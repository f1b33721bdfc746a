/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One virtual address that is two pages, by turns: with CRMD.DA it is itself,
 * with CRMD.PG it is mapped elsewhere.  Whoever writes to the one page must not
 * make the emulator believe that the other one has been written to: it would
 * miss the next write, hence run old code and migrate old memory.
 */
#include "lvz.h"

#define VA          SPARE_HPA           /* as such in DA mode */
#define MAPPED_HPA  (SPARE_HPA + 8 * PAGE_SIZE)
#define CRMD_MODE   (CRMD_DA | CRMD_PG)

/* addi.d $t0, $zero, n; and back */
static uint64_t code_giving(uint64_t n)
{
    return 0x02c00000u | n << 10 | R_T0 | (uint64_t)W_RET << 32;
}

static uint64_t result_of(uint64_t hpa)
{
    struct insn i = { .word = 0 };

    asm volatile("ibar 0" : : : "memory");
    insn_call(&i, (void *)phys(hpa));
    return i.rd;
}

static void store_mapped(uint64_t va, uint64_t value)
{
    asm volatile("st.d %1, %0, 0" : : "r"(va), "r"(value) : "memory");
}

/* This code itself is at its physical address, too: nothing is lost. */
static void store_direct(uint64_t addr, uint64_t value)
{
    uint64_t mode = CRMD_DA;

    asm volatile("csrxchg %0, %1, 0\n\t"
                 "st.d %3, %2, 0\n\t"
                 "csrxchg %0, %1, 0"
                 : "+&r"(mode) : "r"((uint64_t)CRMD_MODE), "r"(addr), "r"(value)
                 : "memory");
}

void lvz_test(void)
{
    int stale = 0, swapped = 0;

    map(host_tables(), VA, MAPPED_HPA, PAGE_SIZE, PTE_RW);
    for (uint64_t n = 1; n < 200; n += 2) {
        store_mapped(VA, code_giving(n));
        swapped += *phys(MAPPED_HPA) != code_giving(n);
        /* Both pages hold code now that has been translated. */
        stale += result_of(MAPPED_HPA) != n;
        *phys(VA) = code_giving(2000);
        stale += result_of(VA) != 2000;

        store_direct(VA, code_giving(1000));
        swapped += *phys(MAPPED_HPA) != code_giving(n);
        store_mapped(VA, code_giving(n + 1));
        swapped += *phys(VA) != code_giving(1000);
        stale += result_of(MAPPED_HPA) != n + 1;
        stale += result_of(VA) != 1000;
    }
    check_eq(swapped, 0, "each store goes to the page of its mode");
    check_eq(stale, 0, "and what was translated from that page is dropped");
    *table_slot(host_tables(), VA, false) = 0;
    insn_word(W_INVTLB(0, 0, 0));
}
