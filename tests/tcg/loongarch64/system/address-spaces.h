/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes as a kernel has them: address spaces with an ASID and page tables
 * each, which change while one of them runs, and are switched between in any
 * order, most often there and back.  What a load, or a call of the code in a
 * page, finds is compared with the tables; every change is followed by an
 * invtlb that concerns it, and by nothing else.
 *
 * The program that includes this says how to do each of these things, see
 * struct spaces.  There is one walk through them, the same in every run.
 */
#ifndef ADDRESS_SPACES_H
#define ADDRESS_SPACES_H

#include "lvz.h"

#define SPACES      5           /* more than an emulation may want to keep */
#define VPAGES      7
#define GLOBAL_PAGE 6           /* with a pair of its own */
#define FRAMES      8
#define FIRST_ASID  0x11
#define SPACE_VA    0x40000000ul
#define NOT_THERE   (-1)
#define FAULT       0x10000     /* what an access of a page that is not found */

struct spaces {
    void (*go)(int space);
    /* One word, at an offset in a page; at level 3 if @user */
    unsigned (*load)(uint64_t va, bool user);
    unsigned (*call)(uint64_t va);
    void (*set)(int space, uint64_t va, int frame, bool global);
    /* invtlb, as the architecture numbers its operations */
    void (*flush)(int op, unsigned asid, uint64_t va);
    uint64_t frames;            /* FRAMES pages, by physical address */
};

/* What is in the page tables; the global page is the same in all of them */
static int there[SPACES][VPAGES];
static unsigned content[FRAMES];
static uint64_t walk_state;

static unsigned any(unsigned count)
{
    walk_state = walk_state * 6364136223846793005ul + 1442695040888963407ul;
    return (walk_state >> 33) % count;
}

static uint64_t page_va(int page)
{
    return SPACE_VA + page * PAGE_SIZE;
}

/* The same code four times in the page */
static void fill_frame(const struct spaces *s, int frame, unsigned value)
{
    for (uint64_t at = 0; at < PAGE_SIZE; at += PAGE_SIZE / 4) {
        write_value_code(s->frames + frame * PAGE_SIZE + at, value);
    }
    content[frame] = value;
}

static void set_page(const struct spaces *s, int space, int page, int frame)
{
    s->set(space, page_va(page), frame, page == GLOBAL_PAGE);
    there[space][page] = frame;
}

static void change_page(const struct spaces *s)
{
    /* That page of an ASID; all of the ASID; all with G clear; all */
    static const int flushes[] = { 5, 6, 5, 4, 3, 0 };
    int space = any(SPACES), page = any(VPAGES);
    int frame = any(4) ? (int)any(FRAMES) : NOT_THERE;
    unsigned asid = FIRST_ASID + space;

    if (page == GLOBAL_PAGE) {
        for (int other = 0; other < SPACES; other++) {
            set_page(s, other, page, frame);
        }
        /* All with G set; all; that page of an ASID or with G set */
        s->flush(any(3) ? (any(2) ? 2 : 6) : 0, asid, page_va(page));
        return;
    }
    set_page(s, space, page, frame);
    s->flush(flushes[any(6)], asid, page_va(page));
}

static bool look(const struct spaces *s, int space)
{
    int page = any(VPAGES), frame = there[space][page];
    uint64_t va = page_va(page) + any(4) * (PAGE_SIZE / 4);
    unsigned want = frame == NOT_THERE ? FAULT : content[frame];
    unsigned kind = any(3), got;

    got = kind == 2 ? s->call(va) : s->load(va, kind == 1);
    if (got != want) {
        say("#   space %d, page %d, %s: 0x%x, want 0x%x\n", space, page,
            kind == 2 ? "call" : kind == 1 ? "load by level 3" : "load", got,
            want);
    }
    return got == want;
}

/* @steps switches, each with some changes and some looks */
static void walk_spaces(const struct spaces *s, int steps, const char *name)
{
    int now = 0, before = 1, wrong = 0;

    walk_state = 1;
    for (int frame = 0; frame < FRAMES; frame++) {
        fill_frame(s, frame, frame);
    }
    for (int space = 0; space < SPACES; space++) {
        for (int page = 0; page < VPAGES; page++) {
            set_page(s, space, page, NOT_THERE);
        }
    }
    s->flush(0, 0, 0);
    for (int step = 0; step < steps && wrong < 5; step++) {
        int next = any(8) ? before : (int)any(SPACES);

        if (next != now) {
            before = now;
            now = next;
        }
        s->go(now);
        for (unsigned n = any(3); n; n--) {
            change_page(s);
        }
        if (!any(4)) {
            fill_frame(s, any(FRAMES), any(0x1000));
        }
        for (unsigned n = any(8); n; n--) {
            wrong += !look(s, now);
        }
    }
    check_eq(wrong, 0, "%s", name);
}

#endif
