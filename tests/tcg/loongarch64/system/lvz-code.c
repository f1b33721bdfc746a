/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Code: rewritten while it has been translated, the same in host and guest,
 * and in the 32-bit address mode that the guest's MISC chooses.
 */
#include "lvz.h"

#define GVA     0x40000000ul
#define HIGH    0x700000000ul           /* not in a 32-bit address */
#define VA32L3  (1ul << 3)

static struct vcpu vcpu;

GUEST_CODE(guest_modifies,
    "st.w $t0, $t1, 0\n"
    "ibar 0\n"
    "nop\n"
    "GUEST_DONE");

static void test_modified(struct vcpu *v)
{
    static const uint32_t words[] = { 1, 7, 1, 100 };
    uint64_t sum = 0;
    int bad = 0;

    gload(GPA_CODE, guest_modifies);
    v->gpr[23] = 0;
    for (size_t n = 0; n < sizeof(words) / sizeof(words[0]); n++) {
        int e;

        /* addi.d $s0, $s0, n */
        v->gpr[R_T0] = 0x02c002f7u | words[n] << 10;
        v->gpr[R_T1] = GPA_CODE + 8;
        e = run_at(v, GPA_CODE);
        sum += words[n];
        bad += hvc_code(v, e) != HVC_DONE || v->gpr[23] != sum;
    }
    check_eq(bad, 0, "a guest runs the code that it has just written");
    for (uint64_t n = 0; n < 200; n++) {
        int e = run_insn(v, 0x02800000u | (n & 0xfff) << 10 | R_T0);

        bad += hvc_code(v, e) != HVC_DONE || v->gpr[R_T0] != n;
    }
    check_eq(bad, 0, "a guest runs the code that the host has just written");
}

/* One page, at one address in both worlds, whose instruction only one has */
static void test_shared(struct vcpu *v)
{
    uint32_t code[] = { WORD("cpucfg $t0, $t1"), W_RET };
    struct insn i = { .word = 0 };
    int bad = 0;

    *phys(SPARE_HPA) = code[0] | (uint64_t)code[1] << 32;
    asm volatile("ibar 0" : : : "memory");
    map((void *)(v->pgd | CACHED), SPARE_HPA, SPARE_HPA, PAGE_SIZE, PTE_RW);
    guest_reset();
    gcsrwr(DMW(0), CACHED | 0x11);
    gcsrwr(CRMD, CRMD_PG);
    for (int n = 0; n < 20; n++) {
        int e;

        i.rd = 0;
        i.rj = 2;
        insn_call(&i, (void *)phys(SPARE_HPA));
        bad += i.rd != cpucfg(2);
        e = run_at(v, CACHED | SPARE_HPA);
        bad += e != EXC_GSPR || v->pc != (CACHED | SPARE_HPA);
    }
    check_eq(bad, 0, "one instruction, executed by host and guest in turns");
    guest_reset();
}

/* An entry of the guest's TLB, made by the host; $t0 is what it must load */
static void guest_entry(struct vcpu *v, uint64_t va, uint64_t gpa)
{
    gcsrwr(TLBRERA, 0);
    gcsrwr(TLBIDX, TLBIDX_PS(PAGE_SHIFT) | 2050);
    gcsrwr(TLBEHI, va);
    gcsrwr(TLBELO0, gpa | PTE_RW | PTE_PLV3);
    gcsrwr(TLBELO1, (gpa + PAGE_SIZE) | PTE_RW | PTE_PLV3);
    csrxchg(GTLBC, GTLBC_TGID(v->gid), GTLBC_TGID_MASK);
    insn_word(W_GTLBWR);
    csrxchg(GTLBC, 0, GTLBC_TGID_MASK);
}

static int user_load(struct vcpu *v, uint64_t misc, uint64_t pc, uint64_t addr)
{
    gcsrwr(CRMD, CRMD_PG | 3);
    gcsrwr(TLBRERA, 0);
    gcsrwr(MISC, misc);
    v->gpr[R_T0] = 0;
    v->gpr[R_T1] = addr;
    return run_at(v, pc);
}

static void test_va32(struct vcpu *v)
{
    uint32_t code[] = { WORD("ld.d $t0, $t1, 0"), W_SYSCALL };
    uint64_t gpa = GPA_DATA;
    int e;

    guest_reset();
    gcopy(gpa, code, sizeof(code));
    gwrite(gpa + 0x100, 0x3232);
    gcsrwr(DMW(0), CACHED | 0x11);
    gcsrwr(EENTRY, CACHED | GPA_EENTRY);
    guest_entry(v, GVA, gpa);
    for (int round = 0; round < 2; round++) {
        e = user_load(v, VA32L3, GVA, HIGH | (GVA + 0x100));
        expect_guest_exc(v, e, EXC_SYS, "VA32L3: a load's address is cut");
        check_eq(v->gpr[R_T0], 0x3232, "to the right word");
        e = user_load(v, 0, GVA, HIGH | (GVA + 0x100));
        expect_hvc(v, e, HVC_REFILL, "without VA32L3 it is not");
        check_eq(gcsrrd(TLBRBADV), HIGH | (GVA + 0x100), "TLBRBADV: all of it");
        e = user_load(v, VA32L3, HIGH | GVA, GVA + 0x100);
        expect_guest_exc(v, e, EXC_SYS, "VA32L3: the pc of an entry is cut");
        check_eq(gcsrrd(ERA), GVA + 4, "guest ERA");
        e = user_load(v, 0, HIGH | GVA, GVA + 0x100);
        expect_hvc(v, e, HVC_REFILL, "without VA32L3 it is not");
        check_eq(gcsrrd(TLBRERA), HIGH | GVA | TLBRERA_ISTLBR,
                 "TLBRERA: all of it");
    }
    /* At PLV0 there is no such mode, and the host's PLV is none of it */
    gcsrwr(CRMD, CRMD_PG);
    gcsrwr(TLBRERA, 0);
    gcsrwr(MISC, VA32L3);
    v->prmd = PRMD_PIE | 3;
    gcopy(GPA_CODE, (uint32_t[]) { W_HVCL(0x32) }, 4);
    expect_hvc(v, run_at(v, CACHED | GPA_CODE), 0x32,
               "VA32L3 at PLV0: pc is not cut");
    check_eq(v->era, CACHED | GPA_CODE, "ERA: all of it");
    v->prmd = PRMD_PIE;
    guest_reset();
}

void lvz_test(void)
{
    lvz_enable();
    vcpu_init(&vcpu, 1);
    test_modified(&vcpu);
    test_shared(&vcpu);
    test_va32(&vcpu);
}
