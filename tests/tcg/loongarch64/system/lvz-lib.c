/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Library of the LVZ tests: TAP on the UART, host exceptions, page tables,
 * one vCPU.  It decides nothing about LVZ: what an exit must look like is for
 * the tests to say.  It does not free what it allocates.
 */
#include <stdarg.h>
#include "lvz.h"

#define UART_BASE   (UNCACHED | 0x1fe001e0ul)
#define UART_THR    0
#define UART_IER    1
#define UART_LSR    5
#define IER_THRE    2
#define LSR_THRE    0x20
#define UART_IRQ    2
#define PCH_PIC     (UNCACHED | 0x10000000ul)
#define GED_SLEEP   (UNCACHED | 0x100e001cul)
#define GED_S5      0x34
#define TABLES_HPA  0x08000000ul
#define TABLES_MAX  1024

uint64_t host_pgd;
volatile uint64_t irq_seen;     /* set by the interrupt handler */
uint64_t exc_gstat;
void (*irq_hook)(struct frame *f);
void (*exc_hook)(struct frame *f);

static int tests_done, tests_failed;
static int tables_used;
static void *invalid_table[4];
static struct insn *trying;
static bool lvz_on;
static uint32_t try_code[4] __attribute__((aligned(64)));

/* The compiler may call these on its own */
void *memset(void *to, int c, size_t n)
{
    volatile char *p = to;      /* or it becomes a call of itself */

    while (n--) {
        *p++ = c;
    }
    return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
    volatile char *p = to;      /* or it becomes a call of itself */
    const char *q = from;

    while (n--) {
        *p++ = *q++;
    }
    return to;
}

static void poweroff(void)
{
    *(volatile uint8_t *)GED_SLEEP = GED_S5;    /* device register */
    for (;;) {
        asm volatile("idle 0");
    }
}

static void put(char c)
{
    volatile uint8_t *uart = (void *)UART_BASE; /* device registers */

    while (!(uart[UART_LSR] & LSR_THRE)) {
        ;
    }
    uart[UART_THR] = c;
}

static void put_number(uint64_t n, unsigned base, unsigned width)
{
    char buf[24];
    unsigned i = 0;

    do {
        buf[i++] = "0123456789abcdef"[n % base];
        n /= base;
    } while (n);
    while (width > i) {
        put('0');
        width--;
    }
    while (i) {
        put(buf[--i]);
    }
}

/* %s %c %d %x, with l for 64 bits, and a width for leading zeros */
static void vsay(const char *fmt, va_list ap)
{
    for (; *fmt; fmt++) {
        bool is_long = false;
        unsigned width = 0;
        int64_t n;

        if (*fmt != '%') {
            put(*fmt);
            continue;
        }
        for (fmt++; *fmt >= '0' && *fmt <= '9'; fmt++) {
            width = width * 10 + *fmt - '0';
        }
        if (*fmt == 'l') {
            is_long = true;
            fmt++;
        }
        switch (*fmt) {
        case 's':
            for (const char *s = va_arg(ap, const char *); *s; s++) {
                put(*s);
            }
            break;
        case 'c':
            put(va_arg(ap, int));
            break;
        case 'd':
            n = is_long ? va_arg(ap, int64_t) : va_arg(ap, int);
            if (n < 0) {
                put('-');
                n = -n;
            }
            put_number(n, 10, width);
            break;
        case 'x':
            put_number(is_long ? va_arg(ap, uint64_t)
                               : va_arg(ap, uint32_t), 16, width);
            break;
        default:
            put(*fmt);
        }
    }
}

void say(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsay(fmt, ap);
    va_end(ap);
}

static bool report(bool cond, const char *fmt, va_list ap)
{
    if (!cond) {
        tests_failed++;
        say("not ");
    }
    say("ok %d - ", ++tests_done);
    vsay(fmt, ap);
    say("\n");
    return cond;
}

bool check(bool cond, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    report(cond, fmt, ap);
    va_end(ap);
    return cond;
}

bool check_eq(uint64_t got, uint64_t want, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (!report(got == want, fmt, ap)) {
        say("#   got 0x%lx, want 0x%lx\n", got, want);
    }
    va_end(ap);
    return got == want;
}

void skip(const char *why, const char *name)
{
    say("ok %d - %s # SKIP %s\n", ++tests_done, name, why);
}

void bail(const char *fmt, ...)
{
    va_list ap;

    say("Bail out! ");
    va_start(ap, fmt);
    vsay(fmt, ap);
    va_end(ap);
    say("\n");
    for (;;) {
        poweroff();
    }
}

/* ---- the host ---- */

static uint64_t virt(uint64_t addr)
{
    return (addr & PHYS_MASK) | CACHED;
}

/* The instruction under test has trapped, or its code came to its end */
static void tried(struct frame *f, uint64_t estat)
{
    struct insn *i = trying;
    uint64_t at = f->era & PHYS_MASK;
    uint64_t code = (uint64_t)try_code & PHYS_MASK;
    bool at_end = i->plv && at == code + 4;

    if (!at_end && at != code) {
        bail("trap 0x%x at 0x%lx while an instruction was tried",
             (uint32_t)ESTAT_ECODE(estat), f->era);
    }
    if (!at_end) {
        i->trapped = true;
        i->estat = estat;
        i->badi = csrrd(BADI);
        i->badv = csrrd(BADV);
        i->era = f->era - (i->plv ? USER_WINDOW : CACHED) - code;
        f->era += 4;
    }
    if (i->plv) {
        f->era = virt((uint64_t)insn_user_return);
        f->prmd = 0;
    }
}

void host_exception(struct frame *f)
{
    uint64_t estat = csrrd(ESTAT);
    uint32_t ecode = ESTAT_ECODE(estat);

    if (lvz_on) {
        /* The ertn of host_vector must not enter a guest, whatever happens */
        exc_gstat = csrrd(GSTAT);
        csrxchg(GSTAT, 0, GSTAT_PVM);
    }
    if (ecode == EXC_INT) {
        irq_seen |= estat & IS_ALL;
        if (irq_hook) {
            irq_hook(f);
        } else {
            f->prmd &= ~(uint64_t)PRMD_PIE;
        }
    } else if (trying) {
        tried(f, estat);
    } else if (exc_hook) {
        exc_hook(f);
    } else {
        bail("host exception 0x%x.%x at 0x%lx, BADV 0x%lx, BADI 0x%x", ecode,
             (uint32_t)ESTAT_ESUB(estat), f->era, csrrd(BADV),
             (uint32_t)csrrd(BADI));
    }
}

/* Direct address mode, see lvz-start.S */
void refill_hook_call(struct frame *f)
{
    bool (*hook)(struct frame *) = (void *)refill.hook;
    struct vcpu *v;

    if (!hook(f)) {
        return;
    }
    v = (struct vcpu *)csrrd(KS(4));
    for (int i = 0; i < 32; i++) {
        v->gpr[i] = f->gpr[i];
    }
    v->gpr[0] = 0;
    v->pc = csrrd(TLBRERA) & ~3ul;
    csrwr(TLBRERA, virt((uint64_t)refill_exit_guest) | TLBRERA_ISTLBR);
    csrwr(TLBRPRMD, 0);
}

/* Runs i->word with $t0 = rd and $t1 = rj; a trap is noted, not fatal */
void try_insn(struct insn *i)
{
    try_code[0] = i->word;
    try_code[1] = i->plv ? W_SYSCALL : W_RET;
    asm volatile("ibar 0" : : : "memory");
    i->trapped = false;
    i->estat = 0;
    trying = i;
    if (i->plv) {
        insn_call_user(i, ((uint64_t)try_code & PHYS_MASK) | USER_WINDOW);
    } else {
        insn_call(i, try_code);
    }
    trying = NULL;
}

bool have_lvz(void)
{
    return cpucfg(2) & (1u << 10);
}

/* As Linux enables virtualization on a CPU */
void lvz_enable(void)
{
    uint64_t env;

    if (!have_lvz()) {
        bail("CPUCFG2 has no LVZ, the CPU needs lvz=on");
    }
    env = csrrd(GCFG);
    csrwr(GCFG, 0);
    csrwr(GSTAT, 0);
    csrwr(GINTC, 0);
    csrxchg(GTLBC, 0, GTLBC_USETGID | GTLBC_TOTI);
    csrwr(GCFG, (env & (1u << 18) ? 2u << 20 : 0) |
                (env & (1u << 1) ? 1u << 4 : 0));
    insn_word(W_INVTLB(0x12, 0, 0));
    csrxchg(GTLBC, GTLBC_USETGID, GTLBC_USETGID);
    lvz_on = true;
}

uint64_t host_load(uint64_t va)
{
    return *(volatile uint64_t *)va;    /* the access itself is the point */
}

void write_value_code(uint64_t hpa, unsigned value)
{
    volatile uint32_t *code = (void *)phys(hpa);        /* is executed */

    code[0] = 0x03800004 | value << 10;
    code[1] = W_RET;
    asm volatile("ibar 0" : : : "memory");
}

uint64_t host_call(uint64_t va)
{
    register uint64_t a0 asm("$r4") = 0;

    asm volatile("jirl $ra, %1, 0" : "+r"(a0) : "r"(va) : "$r1", "memory");
    return a0;
}

void wait_ticks(uint64_t ticks)
{
    uint64_t start = rdtime();

    while (rdtime() - start < ticks) {
        ;
    }
}

void route_uart(void)
{
    volatile uint32_t *mask = (void *)(PCH_PIC + 0x20); /* volatile: device */
    volatile uint32_t *msi = (void *)(PCH_PIC + 0x40);  /* volatile: device */
    volatile uint8_t *vector = (void *)(PCH_PIC + 0x200); /* volatile: device */

    iocsr_write(MISC_FUNC + 4, iocsr_read(MISC_FUNC + 4) | 1u << 16);
    iocsr_write(EIO_IPMAP, 0x01010101);
    iocsr_write(EIO_COREMAP, 0x01010101);
    iocsr_write(EIO_ENABLE, 1u << UART_IRQ);
    *msi |= 1u << UART_IRQ;
    vector[UART_IRQ] = UART_IRQ;
    *mask &= ~(1u << UART_IRQ);
}

void uart_irq(bool on)
{
    volatile uint8_t *uart = (void *)UART_BASE; /* device registers */

    uart[UART_IER] = on ? IER_THRE : 0;
}

/* ---- page tables ---- */

uint64_t table_pa(const void *table)
{
    return (uint64_t)table & PHYS_MASK;
}

/* Level 0 holds pages, 1 and 3 are directories; empty ones lead to level 0 */
void *alloc_table(int level)
{
    uint64_t *table;
    uint64_t fill = 0;

    if (tables_used == TABLES_MAX) {
        bail("no page table left");
    }
    if (level > 0) {
        int below = level == 3 ? 1 : 0;

        if (!invalid_table[below]) {
            invalid_table[below] = alloc_table(below);
        }
        fill = (uint64_t)invalid_table[below];
    }
    table = (void *)(CACHED | (TABLES_HPA + tables_used++ * PAGE_SIZE));
    for (int i = 0; i < PTRS_PER_TABLE; i++) {
        table[i] = fill;
    }
    return table;
}

static uint64_t *next_table(uint64_t *slot, int below)
{
    if (*slot == (uint64_t)invalid_table[below] || (*slot & PTE_HUGE)) {
        *slot = table_pa(alloc_table(below));
    }
    return (void *)virt(*slot);
}

/* The entry for addr: a page's, or with huge the 32 MiB block's */
uint64_t *table_slot(uint64_t *pgd, uint64_t addr, bool huge)
{
    uint64_t *table = next_table(&pgd[(addr >> 36) % PTRS_PER_TABLE], 1);
    uint64_t *slot = &table[(addr >> HUGE_SHIFT) % PTRS_PER_TABLE];

    if (huge) {
        return slot;
    }
    table = next_table(slot, 0);
    return &table[(addr >> PAGE_SHIFT) % PTRS_PER_TABLE];
}

void map(uint64_t *pgd, uint64_t addr, uint64_t hpa, uint64_t size,
         uint64_t flags)
{
    for (uint64_t done = 0; done < size; done += PAGE_SIZE) {
        *table_slot(pgd, addr + done, false) = (hpa + done) | flags;
    }
}

uint64_t *host_tables(void)
{
    return (void *)virt(host_pgd);
}

uint64_t *s2_new(void)
{
    uint64_t *pgd = alloc_table(3);

    map(pgd, 0, GRAM_HPA, GRAM_SIZE, PTE_RW);
    return pgd;
}

/* ---- the guest ---- */

asm(".globl guest_refill");
GUEST_CODE(guest_refill,
    "csrwr $t0, 0x8b\n"
    "csrrd $t0, 0x1b\n"
    "lddir $t0, $t0, 3\n"
    "lddir $t0, $t0, 1\n"
    "ldpte $t0, 0\n"
    "ldpte $t0, 1\n"
    "tlbfill\n"
    "csrrd $t0, 0x30\n"                 /* KS0 counts refills */
    "addi.d $t0, $t0, 1\n"
    "csrwr $t0, 0x30\n"
    "csrrd $t0, 0x8b\n"
    "ertn");

void gcopy(uint64_t gpa, const void *from, size_t len)
{
    memcpy((void *)(CACHED | (GRAM_HPA + gpa)), from, len);
    asm volatile("ibar 0" : : : "memory");
}

void gwrite(uint64_t gpa, uint64_t value)
{
    *phys(GRAM_HPA + gpa) = value;
}

uint64_t gread(uint64_t gpa)
{
    return *phys(GRAM_HPA + gpa);
}

/* A guest fresh from reset: direct address mode, nothing enabled */
void guest_reset(void)
{
    static const uint32_t on_exc[] = { W_HVCL(HVC_EXC), W_ERTN };
    static const uint32_t on_refill[] = { W_HVCL(HVC_REFILL), W_ERTN };

    gcsrwr(TCFG, 0);
    gcsrwr(CRMD, CRMD_DA);
    gcsrwr(PRMD, 0);
    gcsrwr(EUEN, 0);
    gcsrwr(MISC, 0);
    gcsrwr(ECFG, 0);
    gcsrwr(ESTAT, 0);
    gcsrwr(ERA, 0);
    gcsrwr(BADV, 0);
    gcsrwr(BADI, 0);
    gcsrwr(EENTRY, GPA_EENTRY);
    gcsrwr(TLBIDX, 0);
    gcsrwr(TLBEHI, 0);
    gcsrwr(ASID, 0);
    gcsrwr(PGDL, 0);
    gcsrwr(PGDH, 0);
    gcsrwr(PWCL, PWCL_3LEVEL);
    gcsrwr(PWCH, PWCH_3LEVEL);
    gcsrwr(STLBPS, PAGE_SHIFT);
    gcsrwr(RVACFG, 0);
    gcsrwr(CPUID, 0);
    gcsrwr(TID, 0);
    gcsrwr(TVAL, 0);
    gcsrwr(CNTC, 0);
    gcsrwr(TICLR, 1);
    gcsrwr(LLBCTL, LLBCTL_WCLLB);
    gcsrwr(TLBRENTRY, GPA_TLBR);
    gcsrwr(TLBRERA, 0);
    gcsrwr(TLBREHI, PAGE_SHIFT);
    gcsrwr(TLBRPRMD, 0);
    gcsrwr(DMW(0), 0);
    gcsrwr(DMW(1), 0);
    gcsrwr(DMW(2), 0);
    gcsrwr(DMW(3), 0);
    csrwr(GINTC, 0);
    csrwr(GCNTC, 0);
    gcopy(GPA_EENTRY, on_exc, sizeof(on_exc));
    gcopy(GPA_TLBR, on_refill, sizeof(on_refill));
}

void set_gid(struct vcpu *v, uint64_t gid)
{
    v->gid = gid;
    csrwr(GSTAT, (csrrd(GSTAT) & ~(uint64_t)GSTAT_GID_MASK) | GSTAT_GID(gid));
}

/* A new guest: reset guest bank, GRAM behind its own tables */
void vcpu_init(struct vcpu *v, uint64_t gid)
{
    memset(v, 0, sizeof(*v));
    v->pgd = table_pa(s2_new());
    v->prmd = PRMD_PIE;
    guest_reset();
    set_gid(v, gid);
    insn_word(W_INVTLB(0x12, 0, 0));
}

/* Enters the guest and answers the exit's Ecode, or RUN_* */
int run(struct vcpu *v)
{
    if (!v->no_watchdog) {
        v->ecfg |= IS_TI;
        csrwr(TICLR, 1);
        csrwr(TCFG, WATCHDOG_TICKS | 1);
    }
    enter_guest(v);
    if (!v->no_watchdog) {
        csrwr(TCFG, 0);
        csrwr(TICLR, 1);
    }
    if (v->refill_exit) {
        return RUN_REFILL;
    }
    if (ESTAT_ECODE(v->estat) == EXC_INT && !v->no_watchdog &&
        (v->estat & v->ecfg & IS_ALL) == IS_TI) {
        return RUN_TIMEOUT;
    }
    return ESTAT_ECODE(v->estat);
}

int run_at(struct vcpu *v, uint64_t pc)
{
    v->pc = pc;
    return run(v);
}

/* One instruction in the guest's direct address mode, with $t0, $t1 given */
int run_insn(struct vcpu *v, uint32_t word)
{
    uint32_t code[] = { word, W_HVCL(HVC_DONE) };

    gcopy(GPA_CODE, code, sizeof(code));
    return run_at(v, GPA_CODE);
}

int hvc_code(const struct vcpu *v, int exit)
{
    return exit == EXC_HVC ? (int)(v->badi & 0x7fff) : -1;
}

void dump(const struct vcpu *v, int exit)
{
    say("#   exit 0x%x ESTAT 0x%lx pc 0x%lx BADV 0x%lx BADI 0x%lx\n",
        exit, v->estat, v->pc, v->badv, v->badi);
    say("#   GSTAT 0x%lx, host refills %ld, last 0x%lx\n", v->gstat,
        refill.count, refill.badv);
    say("#   guest CRMD 0x%lx ESTAT 0x%lx ERA 0x%lx BADV 0x%lx BADI 0x%lx\n",
        gcsrrd(CRMD), gcsrrd(ESTAT), gcsrrd(ERA), gcsrrd(BADV), gcsrrd(BADI));
    say("#   guest TLBRERA 0x%lx TLBRBADV 0x%lx\n", gcsrrd(TLBRERA),
        gcsrrd(TLBRBADV));
}

bool expect_hvc(struct vcpu *v, int exit, int code, const char *name)
{
    if (!check(hvc_code(v, exit) == code, "%s", name)) {
        dump(v, exit);
        return false;
    }
    return true;
}

bool expect_exit(struct vcpu *v, int exit, int want, const char *name)
{
    if (!check(exit == want, "%s", name)) {
        say("#   wanted exit 0x%x\n", want);
        dump(v, exit);
        return false;
    }
    return true;
}

/* The guest's own general vector ran, for ecode */
bool expect_guest_exc(struct vcpu *v, int exit, int ecode, const char *name)
{
    if (!check(hvc_code(v, exit) == HVC_EXC &&
               ESTAT_ECODE(gcsrrd(ESTAT)) == (uint64_t)ecode, "%s", name)) {
        say("#   wanted guest exception 0x%x\n", ecode);
        dump(v, exit);
        return false;
    }
    return true;
}

void flush_gpa(struct vcpu *v, uint64_t gpa)
{
    invtlb(0x16, v->gid << 16, gpa & ~(2 * PAGE_SIZE - 1));
}

/* Of a test that wants to see the CPU as it comes from reset */
__attribute__((weak)) void lvz_early(void)
{
}

void lvz_main(void)
{
    lvz_early();
    csrwr(EUEN, 0);
    csrwr(ECFG, 0);
    csrwr(TCFG, 0);
    csrwr(TICLR, 1);
    csrwr(EENTRY, (uint64_t)host_vector);
    csrwr(TLBRENTRY, (uint64_t)refill_entry & PHYS_MASK);
    csrwr(PWCL, PWCL_3LEVEL);
    csrwr(PWCH, PWCH_3LEVEL);
    csrwr(STLBPS, PAGE_SHIFT);
    csrwr(TLBREHI, PAGE_SHIFT);
    csrwr(ASID, 0);
    host_pgd = table_pa(alloc_table(3));
    csrwr(PGDL, host_pgd);
    csrwr(PGDH, host_pgd);
    insn_word(W_INVTLB(0, 0, 0));
    lvz_test();
    say("1..%d\n", tests_done);
    if (tests_failed) {
        say("# %d of %d failed\n", tests_failed, tests_done);
    }
    poweroff();
}
