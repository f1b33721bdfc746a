/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch: where an exception enters, and the way back from there
 *
 * See exception-entry.h.  TLB refills and machine errors, which have entries
 * and registers of their own, are not known here.
 */

#include "exception-entry.h"

/* The same bits in CRMD and, as they were before, in PRMD. */
#define MODE_PLV        3ull
#define MODE_IE         (1ull << 2)
#define CRMD_WE         (1ull << 9)
#define PRMD_PWE        (1ull << 3)

static uint64_t field(uint64_t value, unsigned int low, unsigned int bits)
{
    return value >> low & ((1ull << bits) - 1);
}

uint64_t loongarch_exception_entry(uint64_t eentry, uint64_t ecfg,
                                   unsigned int ecode)
{
    unsigned int vs = field(ecfg, 16, 3);

    return eentry + (vs ? ecode * (4ull << vs) : 0);
}

bool loongarch_exception_undo(LoongArchEntered *cpu, unsigned int ecode)
{
    uint64_t entry = loongarch_exception_entry(cpu->eentry, cpu->ecfg, ecode);

    if (cpu->pc != entry || cpu->tlbrera & 1 || cpu->crmd & MODE_PLV ||
        field(cpu->estat, 16, 6) != ecode) {
        return false;
    }
    cpu->pc = cpu->era;
    cpu->crmd &= ~(MODE_PLV | MODE_IE | CRMD_WE);
    cpu->crmd |= cpu->prmd & (MODE_PLV | MODE_IE);
    if (cpu->prmd & PRMD_PWE) {
        cpu->crmd |= CRMD_WE;
    }
    return true;
}
