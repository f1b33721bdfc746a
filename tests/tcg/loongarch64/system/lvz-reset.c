/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A system reset that hits the CPU in guest mode.  The guest itself causes it,
 * through the board's reset register mapped into it.  The program thus runs
 * twice; only the second time reports.
 */
#include "lvz.h"

#define MARK_HPA    (SPARE_HPA + 0x200000)
#define MARK        0x5e5e7ul
#define GED_HPA     0x100e0000ul
#define GED_RESET   0x1e
#define GED_GPA     0x50000000ul
#define RESET_VALUE 0x42

static struct vcpu vcpu;

GUEST_CODE(guest_reset_board,
    "st.b $t0, $t1, 0\n"
    "1: addi.d $s0, $s0, 1\n"
    "b 1b");

static void first(void)
{
    struct vcpu *v = &vcpu;
    int e;

    vcpu_init(v, 7);
    map((void *)(v->pgd | CACHED), GED_GPA, GED_HPA, PAGE_SIZE, PTE_RW);
    gload(GPA_CODE, guest_reset_board);
    v->gpr[R_T0] = RESET_VALUE;
    v->gpr[R_T1] = GED_GPA + GED_RESET;
    gcsrwr(KS(3), 0x333);
    gcsrwr(ASID, 9);
    gcsrwr(EUEN, 7);
    gcsrwr(TCFG, 0xfffffff1);
    gcsrxchg(ESTAT, IS_IPI, IS_IPI);
    csrwr(GINTC, 0xffff);
    csrwr(GCNTC, 0x1234);
    csrwr(EUEN, 7);
    csrwr(ASID, 0x55);
    *phys(MARK_HPA) = MARK;
    e = run_at(v, GPA_CODE);
    *phys(MARK_HPA) = 0;
    dump(v, e);
    bail("the guest's reset did not happen");
}

static void second(void)
{
    struct vcpu *v = &vcpu;

    check_eq(csrrd(GSTAT) & (GSTAT_VM | GSTAT_PVM | GSTAT_GID_MASK), 0,
             "GSTAT after reset");
    check_eq(csrrd(GTLBC), 0, "GTLBC after reset");
    check_eq(csrrd(GINTC), 0, "GINTC after reset");
    check_eq(csrrd(GCNTC), 0, "GCNTC after reset");
    check_eq(gcsrrd(ASID), 10 << 16, "guest ASID after reset");
    check_eq(gcsrrd(PRCFG1), csrrd(PRCFG1), "guest PRCFG1 after reset");
    check_eq(gcsrrd(PRCFG3), csrrd(PRCFG3), "guest PRCFG3 after reset");
    check_eq(gcsrrd(TCFG) & 1, 0, "guest timer stopped");
    check_eq(gcsrrd(ESTAT), 0, "guest ESTAT after reset");
    check_eq(csrrd(ASID) >> 16, 10, "host ASIDBITS after reset");
    check(csrrd(PRCFG3) != 0, "host PRCFG3 after reset");
    lvz_enable();
    vcpu_init(v, 7);
    gwrite(GPA_DATA, 0x99);
    v->gpr[R_T1] = GPA_DATA;
    expect_hvc(v, run_insn(v, WORD("ld.d $t0, $t1, 0")), HVC_DONE,
               "a guest runs again");
    check_eq(v->gpr[R_T0], 0x99, "in its own memory");
    v->gpr[R_T1] = GED_GPA + 0x100;
    expect_exit(v, run_insn(v, WORD("ld.b $t0, $t1, 0")), EXC_PIL,
                "without what was mapped before");
}

void lvz_test(void)
{
    if (*phys(MARK_HPA) == MARK) {
        *phys(MARK_HPA) = 0;
        second();
    } else {
        lvz_enable();
        first();
    }
}
