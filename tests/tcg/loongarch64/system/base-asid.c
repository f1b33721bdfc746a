/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address spaces of a CPU without LVZ, switched between and changed at random:
 * each load and each call finds what its own page tables say.
 */
#include "address-spaces.h"

static uint64_t *tables[SPACES];
static volatile bool faulted;               /* by the exception's handler */

static void go(int space)
{
    csrwr(PGDL, table_pa(tables[space]));
    csrwr(ASID, FIRST_ASID + space);
}

/* Over a load, and back from a jump to nowhere */
static void fault(struct frame *f)
{
    uint64_t ecode = ESTAT_ECODE(csrrd(ESTAT));

    if (ecode != EXC_PIL && ecode != EXC_PIF) {
        bail("an exception 0x%lx at 0x%lx", ecode, f->era);
    }
    faulted = true;
    f->era = ecode == EXC_PIF ? f->gpr[1] : f->era + 4;
}

static unsigned value_of(uint64_t word)
{
    return (word >> 10) & 0xfff;
}

static unsigned load(uint64_t va, bool user)
{
    struct insn i = { .word = WORD("ld.wu $t0, $t1, 0"), .plv = 3, .rj = va };
    uint64_t word;

    if (user) {
        try_insn(&i);
        return i.trapped ? FAULT : value_of(i.rd);
    }
    faulted = false;
    word = host_load(va);
    return faulted ? FAULT : value_of(word);
}

static unsigned call(uint64_t va)
{
    uint64_t value;

    faulted = false;
    value = host_call(va);
    return faulted ? FAULT : value;
}

static void set(int space, uint64_t va, int frame, bool global)
{
    uint64_t *slot = table_slot(tables[space], va, false);
    uint64_t g = global ? PTE_G : 0;

    *slot = frame == NOT_THERE ? g : (SPARE_HPA + frame * PAGE_SIZE) | PTE_RW |
                                     PTE_PLV3 | g;
    if (global) {
        slot[1] = g;            /* a pair is global if both of its pages are */
    }
}

static void flush(int op, unsigned asid, uint64_t va)
{
    switch (op) {
    case 0:
        invtlb(0, asid, va);
        break;
    case 2:
        invtlb(2, asid, va);
        break;
    case 3:
        invtlb(3, asid, va);
        break;
    case 4:
        invtlb(4, asid, va);
        break;
    case 5:
        invtlb(5, asid, va);
        break;
    default:
        invtlb(6, asid, va);
        break;
    }
}

/* Level 1 has pages of its own that it must not find another's in, either */
static void test_other_level(void)
{
    struct insn i = { .word = WORD("ld.wu $t0, $t1, 0"), .plv = 1 };
    int wrong = 0;

    flush(0, 0, 0);
    for (int space = 0; space < 2; space++) {
        set(space, page_va(0), space, false);
    }
    for (int n = 0; n < 20; n++) {
        go(n & 1);
        i.rj = page_va(0);
        try_insn(&i);
        wrong += i.trapped || value_of(i.rd) != content[n & 1];
        wrong += load(page_va(0), false) != content[n & 1];
    }
    check_eq(wrong, 0, "two address spaces by turns at level 1: each its own");
}

void lvz_test(void)
{
    static const struct spaces spaces = {
        .go = go, .load = load, .call = call, .set = set, .flush = flush,
        .frames = SPARE_HPA,
    };

    for (int space = 0; space < SPACES; space++) {
        tables[space] = alloc_table(3);
    }
    exc_hook = fault;
    walk_spaces(&spaces, 60000, "what a process finds is in its page tables");
    test_other_level();
    walk_spaces(&spaces, 20000, "and is so when level 1 has been in use");
    exc_hook = NULL;
}
