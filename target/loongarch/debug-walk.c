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
#define PTE_D                   (1ull << 1)
#define PTE_PLV_SHIFT           2
#define PTE_HUGE                (1ull << 6)
#define PTE_P                   (1ull << 7)
#define PTE_W                   (1ull << 8)
#define PTE_HGLOBAL             (1ull << 12)
#define PTE_NX                  (1ull << 62)
#define PTE_RPLV                (1ull << 63)
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

/* The entry of a page, and in @base how many bits are the offset in it. */
static bool find_entry(const LoongArchDebugWalk *walk, uint64_t va,
                       uint64_t *entry, unsigned int *base)
{
    int64_t high = (int64_t)va >> (walk->va_bits - 1);
    uint64_t frame = low(walk->pa_bits) & ~low(PAGE_BITS);
    Level at;
    int n;

    *entry = va >> 63 ? walk->pgdh : walk->pgdl;
    if ((high != 0 && high != -1) || !(*entry & frame)) {
        return false;
    }
    for (n = 4; n >= 0; n--) {
        at = level(walk, n);
        if (n && !at.width) {
            continue;
        }
        if (!walk->read(walk->opaque, (*entry & frame) +
                        (va >> at.base & low(at.width)) * 8, entry)) {
            return false;
        }
        *base = at.base;
        if (n && *entry & PTE_HUGE) {
            *entry &= ~PTE_HGLOBAL;
            return true;
        }
        if (n && !(*entry & frame)) {
            return false;
        }
    }
    return true;
}

static uint64_t from_tables(const LoongArchDebugWalk *walk, uint64_t va)
{
    uint64_t frame = low(walk->pa_bits) & ~low(PAGE_BITS);
    unsigned int base;
    uint64_t entry;

    if (!find_entry(walk, va, &entry, &base) || !(entry & (PTE_V | PTE_P))) {
        return LOONGARCH_DEBUG_UNMAPPED;
    }
    return (entry & frame & ~low(base)) | (va & low(base));
}

static LoongArchDebugAccess access_by(const LoongArchDebugWalk *walk,
                                      uint64_t entry, bool store)
{
    unsigned int plv = walk->crmd & CRMD_PLV;
    unsigned int page_plv = entry >> PTE_PLV_SHIFT & 3;
    bool hardware = walk->pwch & PWCH_HPTW_EN;
    bool refused = store ? !(entry & (hardware ? PTE_D | PTE_W : PTE_D))
                         : entry & PTE_NX;

    if (!(entry & (PTE_V | PTE_P)) || refused ||
        (entry & PTE_RPLV ? plv != page_plv : plv > page_plv)) {
        return LOONGARCH_DEBUG_ACCESS_FAULTS;
    }
    return entry & PTE_V || hardware ? LOONGARCH_DEBUG_ACCESS_GOOD
                                     : LOONGARCH_DEBUG_ACCESS_LATE;
}

LoongArchDebugAccess loongarch_debug_access(const LoongArchDebugWalk *walk,
                                            uint64_t va, bool store)
{
    unsigned int base;
    uint64_t entry;

    if ((walk->crmd & CRMD_DA && !(walk->crmd & CRMD_PG)) ||
        from_window(walk, va, 1ull << (walk->crmd & CRMD_PLV)) !=
        LOONGARCH_DEBUG_UNMAPPED) {
        return LOONGARCH_DEBUG_ACCESS_GOOD;
    }
    return find_entry(walk, va, &entry, &base) ? access_by(walk, entry, store)
                                               : LOONGARCH_DEBUG_ACCESS_FAULTS;
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
