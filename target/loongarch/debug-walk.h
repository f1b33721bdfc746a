/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch: a debugger's address translation
 *
 * Pure: it knows the CSRs that it is given and reads page tables by a function
 * of the caller, so that it serves KVM and TCG and links into a unit test.
 */

#ifndef LOONGARCH_DEBUG_WALK_H
#define LOONGARCH_DEBUG_WALK_H

#include <stdbool.h>
#include <stdint.h>

#define LOONGARCH_DEBUG_UNMAPPED        UINT64_MAX

/**
 * struct LoongArchDebugWalk - a vCPU's translation
 * @crmd: CSR.CRMD, and so on
 * @pc: where it stands
 * @va_bits: width of a mapped virtual address
 * @pa_bits: width of a physical address
 * @read: gives the 8 bytes at a physical address; false if there is no memory
 * @opaque: for @read
 */
typedef struct LoongArchDebugWalk {
    uint64_t crmd, tlbrera, dmw[4], pgdl, pgdh, pwcl, pwch;
    uint64_t pc;
    unsigned int va_bits, pa_bits;
    bool (*read)(void *opaque, uint64_t pa, uint64_t *value);
    void *opaque;
} LoongArchDebugWalk;

/**
 * loongarch_debug_walk() - translate for a debugger
 * @walk: the vCPU
 * @va: virtual address, LA64
 *
 * The current mode comes first.  What it does not map is looked for in any
 * direct mapped window and in the page tables whatever privilege level, NR or
 * NX say: a debugger looks at the kernel from user mode, and the reverse.  In a
 * TLB refill, which runs without translation, it is that of the interrupted
 * code, but for the page that the vCPU itself stands on.
 *
 * A page is mapped if its entry has V or P.  Without a hardware walker V alone
 * lets the CPU use it; but Linux takes V for "accessed", clears it now and then
 * without flushing a TLB, and says by P that the page is there (_PAGE_PRESENT).
 * Entries that mean something else, of swapped pages and of PROT_NONE, have
 * neither.
 *
 * Return: the physical address, or LOONGARCH_DEBUG_UNMAPPED.
 * Source: LoongArch Reference Manual, volume 1, 5.2, 5.4.5 and 7.5.
 */
uint64_t loongarch_debug_walk(const LoongArchDebugWalk *walk, uint64_t va);

/**
 * enum LoongArchDebugAccess - what an access meets
 * @LOONGARCH_DEBUG_ACCESS_GOOD: the page
 * @LOONGARCH_DEBUG_ACCESS_LATE: a fault, unless a TLB still has the page; what
 *                               handles it is to set V
 * @LOONGARCH_DEBUG_ACCESS_FAULTS: a fault
 */
typedef enum LoongArchDebugAccess {
    LOONGARCH_DEBUG_ACCESS_GOOD,
    LOONGARCH_DEBUG_ACCESS_LATE,
    LOONGARCH_DEBUG_ACCESS_FAULTS,
} LoongArchDebugAccess;

/**
 * loongarch_debug_access() - can the vCPU fetch from there, or store there?
 * @walk: the vCPU, in the mode in which it does
 * @va: virtual address, LA64
 * @store: or it is the fetch of an instruction
 *
 * Other than above it is the mode alone that counts, with all its refusals.
 * What a TLB knows, maybe of an older state, is not seen.
 *
 * Source: LoongArch Reference Manual, volume 1, 5.4.5 and 5.4.6.
 */
LoongArchDebugAccess loongarch_debug_access(const LoongArchDebugWalk *walk,
                                            uint64_t va, bool store);

#endif
