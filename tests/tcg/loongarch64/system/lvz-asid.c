/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address spaces of a guest, switched between and changed at random by the
 * guest itself, while the host switches between processes of its own: each load
 * and each call finds what the tables of that process and of that world say.
 */
#include "address-spaces.h"

#define GPA_FRAMES      0x400000ul
#define FRAMES_HPA      (GRAM_HPA + GPA_FRAMES)
#define GPA_OF(space)   (GPA_TABLES + (space) * 3 * PAGE_SIZE)
#define CODE(n)         (GPA_CODE + (n) * 0x40)
#define WINDOW          (CACHED | 0x19)         /* of levels 0 and 3 */
#define HOST_ASID       0x101

enum { GO, LOAD, USER_LOAD, CALL, NOTHING, FLUSH };

static struct vcpu vcpu;
static int go_to = NOT_THERE;   /* where the guest has still to switch to */

static void put(int n, uint32_t word, uint32_t next, uint32_t last)
{
    uint32_t code[] = { word, next, last };

    gcopy(CODE(n), code, sizeof(code));
}

/* Once, since code that is written has to be translated again */
static void put_code(void)
{
    put(GO, WORD("csrwr $t4, 0x19"), WORD("csrwr $t5, 0x18"),
        WORD("jirl $zero, $t6, 0"));
    put(NOTHING, W_HVCL(HVC_DONE), W_NOP, W_NOP);
    put(LOAD, WORD("ld.wu $t0, $t1, 0"), W_HVCL(HVC_DONE), W_NOP);
    put(USER_LOAD, WORD("ld.wu $t0, $t1, 0"), W_SYSCALL, W_NOP);
    put(CALL, WORD("jirl $ra, $t1, 0"), W_HVCL(HVC_DONE), W_NOP);
    for (int op = 0; op <= 6; op++) {
        put(FLUSH + op, W_INVTLB(op, R_T0, R_T1), W_HVCL(HVC_DONE), W_NOP);
    }
}

/*
 * Switches to go_to first, if it is a space, with no exit in between.
 * Return: whether it came to its end, and not to a page that is not there.
 */
static bool guest(int n, uint64_t t0, uint64_t t1)
{
    uint64_t pc = CACHED | CODE(n), ecode;
    int e;

    if (go_to != NOT_THERE) {
        if (n == USER_LOAD) {
            guest(NOTHING, 0, 0);
        } else {
            vcpu.gpr[16] = GPA_OF(go_to);
            vcpu.gpr[17] = FIRST_ASID + go_to;
            vcpu.gpr[18] = pc;
            pc = CACHED | CODE(GO);
            go_to = NOT_THERE;
        }
    }
    gcsrwr(CRMD, CRMD_PG | (n == USER_LOAD ? 3 : 0));
    vcpu.gpr[R_T0] = t0;
    vcpu.gpr[R_T1] = t1;
    e = run_at(&vcpu, pc);
    if (hvc_code(&vcpu, e) == HVC_DONE) {
        return true;
    }
    ecode = ESTAT_ECODE(gcsrrd(ESTAT));
    if (hvc_code(&vcpu, e) != HVC_EXC ||
        (ecode != EXC_SYS && ecode != EXC_PIL && ecode != EXC_PIF)) {
        dump(&vcpu, e);
        bail("the guest left with 0x%x", e);
    }
    return ecode == EXC_SYS;
}

static void go(int space)
{
    csrwr(ASID, HOST_ASID + any(3));
    go_to = space;
}

static unsigned load(uint64_t va, bool user)
{
    return guest(user ? USER_LOAD : LOAD, 0, va)
           ? (vcpu.gpr[R_T0] >> 10) & 0xfff : FAULT;
}

static unsigned call(uint64_t va)
{
    return guest(CALL, 0, va) ? vcpu.gpr[4] : FAULT;
}

static void set(int space, uint64_t va, int frame, bool global)
{
    uint64_t slot = GPA_OF(space) + 2 * PAGE_SIZE +
                    (va >> PAGE_SHIFT) % PTRS_PER_TABLE * 8;
    uint64_t g = global ? PTE_G : 0;

    gwrite(slot, frame == NOT_THERE ? g : (GPA_FRAMES + frame * PAGE_SIZE) |
                                          PTE_RW | PTE_PLV3 | g);
    if (global) {
        gwrite(slot + 8, g);    /* a pair is global if both of its pages are */
    }
}

static void flush(int op, unsigned asid, uint64_t va)
{
    guest(FLUSH + op, asid, va);
}

/* Three levels each, of which the last has all the pages */
static void put_tables(void)
{
    for (int space = 0; space < SPACES; space++) {
        uint64_t gpa = GPA_OF(space);

        for (uint64_t at = 0; at < 3 * PAGE_SIZE; at += 8) {
            gwrite(gpa + at, 0);
        }
        gwrite(gpa + (SPACE_VA >> 36) % PTRS_PER_TABLE * 8, gpa + PAGE_SIZE);
        gwrite(gpa + PAGE_SIZE + (SPACE_VA >> HUGE_SHIFT) % PTRS_PER_TABLE * 8,
               gpa + 2 * PAGE_SIZE);
    }
}

void lvz_test(void)
{
    static const struct spaces spaces = {
        .go = go, .load = load, .call = call, .set = set, .flush = flush,
        .frames = FRAMES_HPA,
    };

    lvz_enable();
    vcpu_init(&vcpu, 1);
    guest_reset();
    put_code();
    put_tables();
    gload(GPA_TLBR, guest_refill);
    gcsrwr(DMW(0), WINDOW);
    gcsrwr(EENTRY, CACHED | GPA_EENTRY);
    walk_spaces(&spaces, 5000, "what a guest's process finds is in its tables");
    csrwr(ASID, 0);
}
