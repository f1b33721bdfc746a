/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLB instructions of a CPU without LVZ: indexes, page sizes, ASIDs, what an
 * overwritten entry leaves behind, the permissions of huge pages, and which
 * code is executed where two address spaces have different code at one address.
 */
#include "lvz.h"

#define VA          0x2340000ul
#define HUGE_VA     0x40000000ul
#define STLB        2048
#define TLB_MAX     (STLB + 64)
#define ELO(hpa)    ((hpa) | PTE_V | PTE_D | PTE_MAT)

#define tlbsrch()   insn_word(0x06482800)
#define tlbrd()     insn_word(0x06482c00)
#define tlbwr()     insn_word(0x06483000)
#define tlbfill()   insn_word(0x06483400)
#define tlbclr()    insn_word(0x06482000)

static void invtlb_all(void)
{
    insn_word(W_INVTLB(0, 0, 0));
}

/* A pair of pages at va in an entry of the fully associative part */
static void write_entry(unsigned index, uint64_t va, uint64_t hpa,
                        unsigned asid, uint64_t flags)
{
    csrwr(ASID, asid);
    csrwr(TLBIDX, index | TLBIDX_PS(PAGE_SHIFT));
    csrwr(TLBEHI, va & ~(2 * PAGE_SIZE - 1));
    csrwr(TLBELO0, ELO(hpa) | flags);
    csrwr(TLBELO1, ELO(hpa + PAGE_SIZE) | flags);
    tlbwr();
}

static void test_stlbps(void)
{
    csrwr(STLBPS, 12);
    check_eq(csrrd(STLBPS), 12, "STLBPS 12 reads back");
    csrwr(STLBPS, 16);
    check_eq(csrrd(STLBPS), 16, "STLBPS 16 reads back");
    csrwr(STLBPS, PAGE_SHIFT);
    check_eq(csrrd(STLBPS), PAGE_SHIFT, "STLBPS 14 reads back");

    invtlb_all();
    csrwr(ASID, 0);
    csrwr(TLBIDX, TLBIDX_PS(PAGE_SHIFT));
    csrwr(TLBEHI, VA);
    csrwr(TLBELO0, ELO(SPARE_HPA));
    csrwr(TLBELO1, ELO(SPARE_HPA + PAGE_SIZE));
    tlbfill();
    tlbsrch();
    check((csrrd(TLBIDX) & (TLBIDX_NE | 0xfff)) < STLB,
          "tlbfill of that size goes to the STLB");
    *phys(SPARE_HPA) = 0x11;
    *phys(SPARE_HPA + PAGE_SIZE) = 0x22;
    check_eq(host_load(VA), 0x11, "even page");
    check_eq(host_load(VA + PAGE_SIZE), 0x22, "odd page");
    invtlb_all();
}

static void test_index(void)
{
    struct insn i = { .word = 0x064809acu /* iocsrrd.w $t0, $t1 */ };
    uint64_t before;
    int read = 0, written = 0;

    for (unsigned index = TLB_MAX; index < 4096; index += 31) {
        csrwr(TLBEHI, 0x5000000);
        csrwr(TLBELO0, 0x77);
        csrwr(TLBIDX, index | TLBIDX_PS(PAGE_SHIFT));
        before = csrrd(KS(0));
        tlbrd();
        if (csrrd(TLBEHI) != 0x5000000 && csrrd(TLBEHI) != 0) {
            read++;
        }
        csrwr(TLBIDX, index | TLBIDX_PS(PAGE_SHIFT));
        tlbwr();
        if (csrrd(KS(0)) != before) {
            written++;
        }
    }
    check_eq(read, 0, "tlbrd of an index that is none gives nothing");
    check_eq(written, 0, "tlbwr of one changes nothing");
    /* What QEMU keeps behind the entries is its IOCSR address space */
    try_insn(&i);
    check(!i.trapped, "and QEMU has survived it");
    invtlb_all();
}

static void test_overwrite(void)
{
    *phys(SPARE_HPA) = 0x11;
    *phys(SPARE_HPA + PAGE_SIZE) = 0x12;
    *phys(SPARE_HPA + 2 * PAGE_SIZE) = 0x21;
    *phys(SPARE_HPA + 3 * PAGE_SIZE) = 0x22;
    invtlb_all();
    write_entry(STLB + 3, VA, SPARE_HPA, 5, 0);
    check_eq(host_load(VA), 0x11, "an entry written");
    check_eq(host_load(VA + PAGE_SIZE), 0x12, "its odd page");
    write_entry(STLB + 3, VA, SPARE_HPA + 2 * PAGE_SIZE, 5, 0);
    check_eq(host_load(VA), 0x21, "and written over, even page");
    check_eq(host_load(VA + PAGE_SIZE), 0x22, "odd page");
    invtlb_all();
    csrwr(ASID, 0);
}

static void test_asid(void)
{
    *phys(SPARE_HPA) = 0x55;
    *phys(SPARE_HPA + 2 * PAGE_SIZE) = 0x66;
    invtlb_all();
    write_entry(STLB + 1, VA, SPARE_HPA, 5, 0);
    write_entry(STLB + 2, VA, SPARE_HPA + 2 * PAGE_SIZE, 6, 0);
    check_eq(host_load(VA), 0x66, "ASID 6 has a page");
    csrwr(TLBIDX, STLB + 1);
    tlbrd();
    check_eq(csrrd(ASID) & 0x3ff, 5, "tlbrd loads the entry's ASID");
    check_eq(csrrd(ASID) >> 16 & 0xff, 10, "and leaves ASIDBITS");
    check_eq(csrrd(TLBEHI), VA, "VPPN");
    check_eq(csrrd(TLBELO0), ELO(SPARE_HPA), "the even page");
    check_eq(csrrd(TLBELO1), ELO(SPARE_HPA + PAGE_SIZE), "the odd page");
    check_eq(csrrd(TLBIDX) & (TLBIDX_NE | TLBIDX_PS(0x3f)),
             TLBIDX_PS(PAGE_SHIFT), "PS, and NE clear");
    check_eq(host_load(VA), 0x55, "the address space is that of ASID 5 now");
    csrwr(TLBIDX, STLB + 9);
    tlbrd();
    check_eq(csrrd(ASID), 10 << 16, "tlbrd of an invalid entry: ASID 0");
    check_eq(csrrd(TLBIDX) & TLBIDX_NE, TLBIDX_NE, "NE");
    check_eq(csrrd(TLBEHI) | csrrd(TLBELO0) | csrrd(TLBELO1), 0, "the rest 0");
    map(host_tables(), VA, SPARE_HPA + 4 * PAGE_SIZE, PAGE_SIZE, PTE_RW);
    *phys(SPARE_HPA + 4 * PAGE_SIZE) = 0x77;
    check_eq(host_load(VA), 0x77, "and the address space that of ASID 0");
    *table_slot(host_tables(), VA, false) = 0;
    invtlb_all();
    csrwr(ASID, 0);
}

/* No load may make a page readable that is NR, nor may a store or a fetch */
static void test_nr(void)
{
    struct insn i = { .word = WORD("st.d $t0, $t1, 0"), .rj = VA, .rd = 0x88 };

    invtlb_all();
    write_entry(STLB + 1, VA, SPARE_HPA, 0, PTE_NR);
    try_insn(&i);
    check(!i.trapped && *phys(SPARE_HPA) == 0x88, "NR page: a store");
    i = (struct insn) { .word = WORD("ld.d $t0, $t1, 0"), .rj = VA };
    try_insn(&i);
    check(i.trapped && ESTAT_ECODE(i.estat) == EXC_PNR, "then a load: PNR");
    invtlb_all();
}

static void huge_load(uint64_t flags, int ecode, const char *name)
{
    struct insn i = { .word = WORD("ld.d $t0, $t1, 0"), .rj = HUGE_VA + 8 };

    *table_slot(host_tables(), HUGE_VA, true) = HUGE_HPA | PTE_HUGE | PTE_RW |
                                                flags;
    invtlb_all();
    try_insn(&i);
    if (ecode) {
        check(i.trapped && ESTAT_ECODE(i.estat) == (uint64_t)ecode, "%s", name);
    } else {
        check(!i.trapped && i.rd == 0x1111, "%s", name);
    }
}

static volatile uint64_t fetch_fault;       /* by the exception's handler */

/* Back to where the jump came from */
static void fetch_failed(struct frame *f)
{
    fetch_fault = ESTAT_ECODE(csrrd(ESTAT));
    f->era = f->gpr[1];
}

/* A call of what is in the page: nothing but a return */
static void huge_call(uint64_t flags, int ecode, const char *name)
{
    volatile uint32_t *code = (void *)phys(HUGE_HPA);   /* is executed */

    code[0] = W_RET;
    asm volatile("ibar 0" : : : "memory");
    *table_slot(host_tables(), HUGE_VA, true) = HUGE_HPA | PTE_HUGE | PTE_RW |
                                                flags;
    invtlb_all();
    fetch_fault = 0;
    exc_hook = ecode ? fetch_failed : NULL;
    asm volatile("jirl $ra, %0, 0" : : "r"(HUGE_VA) : "$r1", "memory");
    exc_hook = NULL;
    check_eq(fetch_fault, ecode, "%s", name);
}

static void test_huge(void)
{
    *phys(HUGE_HPA + 8) = 0x1111;
    *phys(HUGE_HPA + HUGE_SIZE / 2) = 0x2222;
    huge_load(0, 0, "a huge page is read");
    check_eq(host_load(HUGE_VA + HUGE_SIZE / 2), 0x2222, "its odd half");
    huge_load(PTE_NR, EXC_PNR, "with NR: PNR");
    huge_call(0, 0, "a huge page is executed");
    huge_call(PTE_NX, EXC_PNX, "with NX: PNX");
    invtlb_all();
}

static uint64_t call_in(unsigned asid)
{
    csrwr(ASID, asid);
    return host_call(VA);
}

#define CODE(n) (SPARE_HPA + (n) * 2 * PAGE_SIZE)

/* What a process does when it is switched to must be its own code. */
static void test_code(void)
{
    int i, wrong = 0;

    for (i = 0; i < 4; i++) {
        write_value_code(CODE(i), 0x100 + i);
    }
    invtlb_all();
    write_entry(STLB + 1, VA, CODE(0), 5, 0);
    write_entry(STLB + 2, VA, CODE(1), 6, 0);
    for (i = 0; i < 100; i++) {
        wrong += call_in(5) != 0x100;
        wrong += call_in(6) != 0x101;
    }
    check_eq(wrong, 0, "two address spaces by turns: each its own code");

    write_value_code(CODE(0), 0x200);
    check_eq(call_in(6), 0x101, "other code is written for 5: that of 6");
    check_eq(call_in(5), 0x200, "and the new one of 5");

    call_in(6);
    write_entry(STLB + 1, VA, CODE(2), 5, 0);
    csrwr(ASID, 6);
    check_eq(host_call(VA), 0x101,
             "5 gets another page while 6 runs: that of 6");
    check_eq(call_in(5), 0x102, "and the new page's in 5");
    write_entry(STLB + 2, VA, CODE(3), 6, 0);
    check_eq(call_in(5), 0x102, "6 gets another page while 5 runs");
    check_eq(call_in(6), 0x103, "and has its code");

    csrwr(ASID, 5);
    invtlb(5, 6, VA);           /* of ASID 6 */
    fetch_fault = 0;
    exc_hook = fetch_failed;
    call_in(6);
    exc_hook = NULL;
    check_eq(fetch_fault, EXC_PIF, "6 has no page there any more: PIF");
    check_eq(call_in(5), 0x102, "5 has");
    invtlb_all();
    csrwr(ASID, 0);
}

static volatile uint64_t fpu_fault;         /* by the exception's handler */

static void fpu_missing(struct frame *f)
{
    fpu_fault = ESTAT_ECODE(csrrd(ESTAT));
    f->era += 4;
}

/* As a kernel does on behalf of processes with and without an FPU */
static void test_code_and_fpu(void)
{
    int i, wrong = 0;

    exc_hook = fpu_missing;
    for (i = 0; i < 100; i++) {
        csrwr(EUEN, i & 1);
        fpu_fault = 0;
        insn_word(0x0114a800 /* movgr2fr.d $fa0, $zero */);
        wrong += fpu_fault != (i & 1 ? 0 : EXC_FPD);
    }
    exc_hook = NULL;
    csrwr(EUEN, 0);
    check_eq(wrong, 0, "with and without the FPU by turns: FPD without it");
}

void lvz_test(void)
{
    test_stlbps();
    test_index();
    test_overwrite();
    test_asid();
    test_nr();
    test_huge();
    test_code();
    test_code_and_fpu();
}
