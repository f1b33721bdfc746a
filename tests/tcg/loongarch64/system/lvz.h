/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bare-metal hypervisor library for the LVZ tests: registers, instructions and
 * the calls that lvz-lib.c and lvz-start.S offer.
 *
 * A test is a hypervisor without an operating system.  It runs at PLV0 in a
 * direct map window, owns one vCPU at a time and talks TAP on the UART.  There
 * is no second CPU, no guest memory beyond GRAM_SIZE and no floating point.
 * LVZ instructions are written as words, so that any assembler will do.
 */
#ifndef LVZ_H
#define LVZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* CSR numbers; those of the guest bank are the same */
#define CRMD        0x0
#define PRMD        0x1
#define EUEN        0x2
#define MISC        0x3
#define ECFG        0x4
#define ESTAT       0x5
#define ERA         0x6
#define BADV        0x7
#define BADI        0x8
#define EENTRY      0xc
#define TLBIDX      0x10
#define TLBEHI      0x11
#define TLBELO0     0x12
#define TLBELO1     0x13
#define GTLBC       0x15
#define TRGP        0x16
#define ASID        0x18
#define PGDL        0x19
#define PGDH        0x1a
#define PGD         0x1b
#define PWCL        0x1c
#define PWCH        0x1d
#define STLBPS      0x1e
#define RVACFG      0x1f
#define CPUID       0x20
#define PRCFG1      0x21
#define PRCFG2      0x22
#define PRCFG3      0x23
#define KS(n)       (0x30 + (n))
#define TID         0x40
#define TCFG        0x41
#define TVAL        0x42
#define CNTC        0x43
#define TICLR       0x44
#define GSTAT       0x50
#define GCFG        0x51
#define GINTC       0x52
#define GCNTC       0x53
#define LLBCTL      0x60
#define TLBRENTRY   0x88
#define TLBRBADV    0x89
#define TLBRERA     0x8a
#define TLBRSAVE    0x8b
#define TLBRELO0    0x8c
#define TLBRELO1    0x8d
#define TLBREHI     0x8e
#define TLBRPRMD    0x8f
#define DMW(n)      (0x180 + (n))

/* Exception codes */
#define EXC_INT     0
#define EXC_PIL     1
#define EXC_PIS     2
#define EXC_PIF     3
#define EXC_PME     4
#define EXC_PNR     5
#define EXC_PNX     6
#define EXC_PPI     7
#define EXC_ADE     8
#define EXC_ALE     9
#define EXC_BCE     10
#define EXC_SYS     11
#define EXC_BRK     12
#define EXC_INE     13
#define EXC_IPE     14
#define EXC_FPD     15
#define EXC_SXD     16
#define EXC_ASXD    17
#define EXC_GSPR    22
#define EXC_HVC     23
/* What run() answers when there was no general exception */
#define RUN_REFILL  0x100       /* a refill hook asked to leave the guest */
#define RUN_TIMEOUT 0x101       /* the guest ran for WATCHDOG_TICKS */

/* Fields */
#define CRMD_IE         (1u << 2)
#define CRMD_DA         (1u << 3)
#define CRMD_PG         (1u << 4)
#define PRMD_PIE        (1u << 2)
#define IS_SWI0         (1u << 0)
#define IS_SWI1         (1u << 1)
#define IS_HWI(n)       (1u << (2 + (n)))
#define IS_TI           (1u << 11)
#define IS_IPI          (1u << 12)
#define IS_ALL          0x7fffu
#define ESTAT_ECODE(e)  (((e) >> 16) & 0x3f)
#define ESTAT_ESUB(e)   (((e) >> 22) & 0x1ff)
#define GSTAT_VM        (1u << 0)
#define GSTAT_PVM       (1u << 1)
#define GSTAT_GIDBITS   (0x3fu << 4)
#define GSTAT_GID(g)    ((uint64_t)(g) << 16)
#define GSTAT_GID_MASK  (0xffu << 16)
#define GTLBC_USETGID   (1u << 12)
#define GTLBC_TOTI      (1u << 13)
#define GTLBC_TGID(g)   ((uint64_t)(g) << 16)
#define GTLBC_TGID_MASK (0xffu << 16)
#define GINTC_VIP(n)    (1u << (n))
#define TLBRERA_ISTLBR  1u
#define TLBRPRMD_PGM    (1u << 3)
#define TLBIDX_NE       (1ul << 31)
#define TLBIDX_PS(n)    ((uint64_t)(n) << 24)
#define LLBCTL_ROLLB    1u
#define LLBCTL_WCLLB    2u
#define LLBCTL_KLO      4u

/* IOCSR registers */
#define IPI_STATUS      0x1000
#define IPI_ENABLE      0x1004
#define IPI_CLEAR       0x100c
#define IPI_BUFFER      0x1020
#define IPI_SEND        0x1040
#define EIO_IPMAP       0x14c0
#define EIO_ENABLE      0x1600
#define EIO_ISR         0x1800
#define EIO_COREMAP     0x1c00
#define MISC_FUNC       0x420

/* Page table entries */
#define PTE_V       (1ul << 0)
#define PTE_D       (1ul << 1)
#define PTE_PLV3    (3ul << 2)
#define PTE_MAT     (1ul << 4)
#define PTE_G       (1ul << 6)
#define PTE_HUGE    (1ul << 6)
#define PTE_P       (1ul << 7)
#define PTE_W       (1ul << 8)
#define PTE_HG      (1ul << 12)
#define PTE_NR      (1ul << 61)
#define PTE_NX      (1ul << 62)
#define PTE_RW      (PTE_V | PTE_D | PTE_MAT | PTE_P | PTE_W)
#define PTE_RO      (PTE_V | PTE_MAT | PTE_P)

/* Sixteen-kilobyte pages, three levels, as a Linux host has them */
#define PAGE_SHIFT      14
#define PAGE_SIZE       (1ul << PAGE_SHIFT)
#define HUGE_SHIFT      25
#define HUGE_SIZE       (1ul << HUGE_SHIFT)
#define PTRS_PER_TABLE  2048
#define PWCL_3LEVEL     (14 | 11 << 5 | 25 << 10 | 11 << 15)
#define PWCH_3LEVEL     (36 | 11 << 6)

/*
 * Host physical memory.  The guest sees GRAM from GPA 0 on, so no GPA of it is
 * equal to its host address.  HUGE_HPA is a 32 MiB block for huge pages.
 */
#define PHYS_MASK   0xfffffffffffful
#define CACHED      0x9000000000000000ul
#define UNCACHED    0x8000000000000000ul
#define USER_WINDOW 0xa000000000000000ul    /* open to every level */
#define GRAM_HPA    0x04000000ul
#define GRAM_SIZE   0x00800000ul
#define HUGE_HPA    0x06000000ul
#define SPARE_HPA   0x05000000ul            /* GRAM_SIZE more, not mapped */

/* Guest physical memory */
#define GPA_EENTRY  0x4000ul
#define GPA_TLBR    0x8000ul
#define GPA_CODE    0x10000ul
#define GPA_DATA    0x100000ul
#define GPA_TABLES  0x200000ul
/* What the guest's own vectors report by default */
#define HVC_EXC     0x7e0
#define HVC_REFILL  0x7e1
#define HVC_DONE    0x7ff

#define WATCHDOG_TICKS 300000000ul

/* The offsets are known to lvz-start.S */
struct vcpu {
    uint64_t gpr[32];
    uint64_t pc;            /* 256 */
    uint64_t pgd;           /* 264: second-level tables */
    uint64_t gid;           /* 272 */
    uint64_t prmd;          /* 280: host PRMD for the entry */
    uint64_t ecfg;          /* 288: host ECFG while the guest runs */
    uint64_t estat;         /* 296: the host's CSRs at the exit, from here */
    uint64_t era;           /* 304 */
    uint64_t badv;          /* 312 */
    uint64_t badi;          /* 320 */
    uint64_t crmd;          /* 328 */
    uint64_t xprmd;         /* 336 */
    uint64_t gstat;         /* 344 */
    uint64_t tlbrera;       /* 352 */
    uint64_t slot;          /* 360: number of the vector that was entered */
    uint64_t refill_exit;   /* 368 */
    uint64_t host_sp;       /* 376 */
    bool no_watchdog;
};

struct frame {
    uint64_t gpr[32];
    uint64_t era;
    uint64_t prmd;
};

/* What the host's refill handler saw, written by lvz-start.S */
struct refill_log {
    uint64_t count;
    uint64_t badv;
    uint64_t era;
    uint64_t ehi;
    uint64_t prmd;
    uint64_t crmd;
    uint64_t gstat;
    uint64_t save_t1;
    uint64_t hook;          /* 64: bool (*)(struct frame *), 0 = walk */
};

/* One instruction, tried in the host */
struct insn {
    uint32_t word;
    int plv;
    uint64_t rd;            /* $t0 before and after */
    uint64_t rj;            /* $t1 */
    bool trapped;
    uint64_t estat, badi, badv, era;
};

/* Instruction words; rd is $t0 (12), rj is $t1 (13) where there is a choice */
#define R_T0 12
#define R_T1 13
#define W_CSRRD(rd, csr)        (0x04000000u | (csr) << 10 | (rd))
#define W_CSRWR(rd, csr)        (0x04000020u | (csr) << 10 | (rd))
#define W_CSRXCHG(rd, rj, csr)  (0x04000000u | (csr) << 10 | (rj) << 5 | (rd))
#define W_GCSRRD(rd, csr)       (0x05000000u | (csr) << 10 | (rd))
#define W_GCSRWR(rd, csr)       (0x05000020u | (csr) << 10 | (rd))
#define W_GCSRXCHG(rd, rj, csr) (0x05000000u | (csr) << 10 | (rj) << 5 | (rd))
#define W_HVCL(code)            (0x002b8000u | (code))
#define W_DBCL(code)            (0x002a8000u | (code))
#define W_INVTLB(op, rj, rk)    (0x06498000u | (rk) << 10 | (rj) << 5 | (op))
#define W_GTLBCLR               0x06482001u
#define W_GTLBFLUSH             0x06482401u
#define W_GTLBSRCH              0x06482801u
#define W_GTLBRD                0x06482c01u
#define W_GTLBWR                0x06483001u
#define W_GTLBFILL              0x06483401u
#define W_NOP                   0x03400000u
#define W_ERTN                  0x06483800u
#define W_SYSCALL               0x002b0000u
#define W_BREAK                 0x002a0000u
#define W_IDLE                  0x06488000u
#define W_RET                   0x4c000020u

#define csrrd(csr) ({                                                   \
    uint64_t v_;                                                        \
    asm volatile("csrrd %0, %1" : "=r"(v_) : "i"(csr) : "memory");      \
    v_; })
#define csrwr(csr, val) ({                                              \
    uint64_t v_ = (val);                                                \
    asm volatile("csrwr %0, %1" : "+r"(v_) : "i"(csr) : "memory");      \
    v_; })
#define csrxchg(csr, val, mask) ({                                      \
    uint64_t v_ = (val), m_ = (mask);                                   \
    asm volatile("csrxchg %0, %1, %2"                                   \
                 : "+r"(v_) : "r"(m_), "i"(csr) : "memory");            \
    v_; })
#define gcsrrd(csr) ({                                                  \
    register uint64_t v_ asm("$r12");                                   \
    asm volatile(".word 0x0500000c | (%1 << 10)"                        \
                 : "=r"(v_) : "i"(csr) : "memory");                     \
    v_; })
#define gcsrwr(csr, val) ({                                             \
    register uint64_t v_ asm("$r12") = (val);                           \
    asm volatile(".word 0x0500002c | (%1 << 10)"                        \
                 : "+r"(v_) : "i"(csr) : "memory");                     \
    v_; })
#define gcsrxchg(csr, val, mask) ({                                     \
    uint64_t w_ = (val), n_ = (mask);                                   \
    register uint64_t v_ asm("$r12") = w_;                              \
    register uint64_t m_ asm("$r13") = n_;                              \
    asm volatile(".word 0x050001ac | (%2 << 10)"                        \
                 : "+r"(v_) : "r"(m_), "i"(csr) : "memory");            \
    v_; })
#define invtlb(op, info, addr) do {                                     \
    uint64_t w_ = (info), n_ = (addr);                                  \
    register uint64_t i_ asm("$r12") = w_;                              \
    register uint64_t a_ asm("$r13") = n_;                              \
    asm volatile(".word 0x06498000 | (13 << 10) | (12 << 5) | %2"       \
                 : : "r"(i_), "r"(a_), "i"(op) : "memory");              \
    } while (0)
#define insn_word(word) asm volatile(".word %0" : : "i"(word) : "memory")

static inline uint64_t cpucfg(uint64_t n)
{
    uint64_t v;

    asm volatile("cpucfg %0, %1" : "=r"(v) : "r"(n));
    return v;
}

static inline uint64_t rdtime(void)
{
    uint64_t v;

    asm volatile("rdtime.d %0, $zero" : "=r"(v) : : "memory");
    return v;
}

static inline void iocsr_write(uint64_t reg, uint32_t val)
{
    asm volatile("iocsrwr.w %0, %1" : : "r"(val), "r"(reg) : "memory");
}

static inline uint32_t iocsr_read(uint64_t reg)
{
    uint32_t val;

    asm volatile("iocsrrd.w %0, %1" : "=r"(val) : "r"(reg) : "memory");
    return val;
}

/* The word of an instruction, from the assembler */
#define WORD(text) ({                                                   \
    const uint32_t *p_;                                                 \
    asm(".pushsection .rodata\n.balign 4\n7701: " text                  \
        "\n.popsection\nla.pcrel %0, 7701b" : "=r"(p_));                \
    *p_; })

/* Guest code is assembled here, copied to a GPA and must not care where */
asm(".macro HVCL code\n\t.word 0x002b8000 | (\\code)\n\t.endm\n"
    ".macro GUEST_DONE\n\tHVCL 0x7ff\n\t.endm\n");
struct guest_code {
    const char *start, *end;
};
#define GUEST_CODE(name, text)                                          \
    extern const struct guest_code name;                                \
    asm(".pushsection .text\n.balign 8\n" #name "_start:\n" text        \
        "\n" #name "_end:\n.popsection\n"                               \
        ".pushsection .rodata\n.balign 8\n" #name ":\n"                 \
        ".dword " #name "_start, " #name "_end\n.popsection")
#define gload(gpa, code) gcopy(gpa, (code).start, (code).end - (code).start)

/* Host memory by its physical address; volatile since guests write it, too */
static inline volatile uint64_t *phys(uint64_t hpa)
{
    return (volatile uint64_t *)(CACHED | hpa); /* never cached in registers */
}

/* lvz-start.S */
void enter_guest(struct vcpu *v);
void insn_call(struct insn *i, const void *code);
void insn_call_user(struct insn *i, uint64_t code);
extern char insn_user_return[], refill_exit_guest[], refill_entry[],
            host_vector[], exit_vectors[];
extern struct refill_log refill;

/* lvz-lib.c, called by lvz-start.S */
void lvz_main(void);
void host_exception(struct frame *f);
void refill_hook_call(struct frame *f);

/* lvz-lib.c: reporting */
void say(const char *fmt, ...);
bool check(bool cond, const char *fmt, ...);
bool check_eq(uint64_t got, uint64_t want, const char *fmt, ...);
void skip(const char *why, const char *name);
void bail(const char *fmt, ...) __attribute__((noreturn));

/* lvz-lib.c: the host */
void lvz_test(void);            /* every program defines it */
void lvz_early(void);           /* a program may define it */
bool have_lvz(void);
void wait_ticks(uint64_t ticks);
void lvz_enable(void);
void try_insn(struct insn *i);
uint64_t host_load(uint64_t va);
/* ori $a0, $zero, value; ret: what host_call() of its address answers */
void write_value_code(uint64_t hpa, unsigned value);
uint64_t host_call(uint64_t va);
uint64_t *host_tables(void);
void route_uart(void);          /* through both controllers to HWI0 of CPU 0 */
void uart_irq(bool on);         /* whenever its transmitter is empty */
/* ESTAT of interrupts taken in the host; volatile, their handler sets it */
extern volatile uint64_t irq_seen;
extern uint64_t exc_gstat;      /* GSTAT at the last exception of the host */
extern void (*irq_hook)(struct frame *f);
extern void (*exc_hook)(struct frame *f);   /* other exceptions, or NULL */

/* lvz-lib.c: tables, of either stage */
void *alloc_table(int level);
uint64_t *table_slot(uint64_t *pgd, uint64_t addr, bool huge);
void map(uint64_t *pgd, uint64_t addr, uint64_t hpa, uint64_t size,
         uint64_t flags);
uint64_t *s2_new(void);         /* GRAM at GPA 0 */
uint64_t table_pa(const void *table);

/* lvz-lib.c: the guest */
extern const struct guest_code guest_refill;    /* of three levels, by PGD */
void vcpu_init(struct vcpu *v, uint64_t gid);
void guest_reset(void);
void set_gid(struct vcpu *v, uint64_t gid);
void gcopy(uint64_t gpa, const void *from, size_t len);
void gwrite(uint64_t gpa, uint64_t value);
uint64_t gread(uint64_t gpa);
int run(struct vcpu *v);
int run_at(struct vcpu *v, uint64_t pc);
int run_insn(struct vcpu *v, uint32_t word);
int hvc_code(const struct vcpu *v, int exit);
bool expect_hvc(struct vcpu *v, int exit, int code, const char *name);
bool expect_exit(struct vcpu *v, int exit, int want, const char *name);
bool expect_guest_exc(struct vcpu *v, int exit, int ecode, const char *name);
void dump(const struct vcpu *v, int exit);
void flush_gpa(struct vcpu *v, uint64_t gpa);

#endif
