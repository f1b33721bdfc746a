/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch: a debugger's address translation
 *
 * See debug-walk.h.  The TLB is not looked at: KVM does not show it, and what
 * an operating system keeps in it comes from its page tables.  32-bit windows
 * (LA32) are not known here.
 */

#include "debug-walk.h"

#define CRMD_PLV                3ull
#define CRMD_DA                 (1ull << 3)
#define CRMD_PG                 (1ull << 4)
#define TLBRERA_ISTLBR          1ull
#define DMW_ANY_PLV             0xfull
#define DMW_VSEG_SHIFT          60
#define PTE_V                   (1ull << 0)
#define PTE_HUGE                (1ull << 6)
#define PTE_P                   (1ull << 7)
#define PTE_HGLOBAL             (1ull << 12)
#define PWCH_HPTW_EN            (1ull << 24)
#define PAGE_BITS               12

typedef struct Level {
    unsigned int base, width;
} Level;

static uint64_t low(unsigned int bits)
{
    return bits < 64 ? (1ull << bits) - 1 : UINT64_MAX;
}

/* 0 is the page table, 1 to 4 are the directories above it. */
static Level level(const LoongArchDebugWalk *walk, int n)
{
    if (n < 3) {
        return (Level) { walk->pwcl >> (n * 10) & 0x1f,
                         walk->pwcl >> (n * 10 + 5) & 0x1f };
    }
    return (Level) { walk->pwch >> ((n - 3) * 12) & 0x3f,
                     walk->pwch >> ((n - 3) * 12 + 6) & 0x3f };
}

static uint64_t from_window(const LoongArchDebugWalk *walk, uint64_t va,
                            uint64_t plvs)
{
    int i;

    for (i = 0; i < 4; i++) {
        if ((walk->dmw[i] & plvs) &&
            walk->dmw[i] >> DMW_VSEG_SHIFT == va >> DMW_VSEG_SHIFT) {
            return va & low(walk->pa_bits);
        }
    }
    return LOONGARCH_DEBUG_UNMAPPED;
}

static bool is_present(const LoongArchDebugWalk *walk, uint64_t pte)
{
    /* A hardware walker sets V only at the first access. */
    return pte & PTE_V || (walk->pwch & PWCH_HPTW_EN && pte & PTE_P);
}

static uint64_t from_tables(const LoongArchDebugWalk *walk, uint64_t va)
{
    int64_t high = (int64_t)va >> (walk->va_bits - 1);
    uint64_t frame = low(walk->pa_bits) & ~low(PAGE_BITS);
    uint64_t entry = va >> 63 ? walk->pgdh : walk->pgdl;
    Level at;
    int n;

    if ((high != 0 && high != -1) || !(entry & frame)) {
        return LOONGARCH_DEBUG_UNMAPPED;
    }
    for (n = 4; n >= 0; n--) {
        at = level(walk, n);
        if (n && !at.width) {
            continue;
        }
        if (!walk->read(walk->opaque, (entry & frame) +
                        (va >> at.base & low(at.width)) * 8, &entry)) {
            return LOONGARCH_DEBUG_UNMAPPED;
        }
        if (n && entry & PTE_HUGE) {
            entry &= ~PTE_HGLOBAL;
            break;
        }
        if (n && !(entry & frame)) {
            return LOONGARCH_DEBUG_UNMAPPED;
        }
    }
    if (!is_present(walk, entry)) {
        return LOONGARCH_DEBUG_UNMAPPED;
    }
    return (entry & frame & ~low(at.base)) | (va & low(at.base));
}

uint64_t loongarch_debug_walk(const LoongArchDebugWalk *walk, uint64_t va)
{
    bool direct = walk->crmd & CRMD_DA && !(walk->crmd & CRMD_PG);
    bool refill = direct && walk->tlbrera & TLBRERA_ISTLBR;
    uint64_t pa;

    if (direct && (!refill || va >> PAGE_BITS == walk->pc >> PAGE_BITS)) {
        return va & low(walk->pa_bits);
    }
    pa = LOONGARCH_DEBUG_UNMAPPED;
    if (!direct) {
        pa = from_window(walk, va, 1ull << (walk->crmd & CRMD_PLV));
    }
    if (pa == LOONGARCH_DEBUG_UNMAPPED) {
        pa = from_tables(walk, va);
    }
    if (pa == LOONGARCH_DEBUG_UNMAPPED) {
        pa = from_window(walk, va, DMW_ANY_PLV);
    }
    if (pa == LOONGARCH_DEBUG_UNMAPPED && refill && !(va >> walk->pa_bits)) {
        pa = va;
    }
    return pa;
}
