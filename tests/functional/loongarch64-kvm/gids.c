/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes LoongArch KVM give its guests new GIDs as fast as it can, round and
 * round through all 255 of them, while the guests' pages change place:
 *
 *   gids SEED PROCESSES CHANGES
 *
 * PROCESSES processes, each on a CPU of its own, have two small guests, which
 * they run in turn.  Each of CHANGES times one page of a guest's memory is
 * replaced by another one (now and then its whole slot), for which KVM flushes
 * by taking the next GID, or the guest goes to another CPU, where it gets one
 * too.  The guest then adds up a few of its pages and leaves the running sums
 * in them.  An entry of an old GID that is still used, after a wrap for
 * instance by the other guest, shows in the sum, or as a sum that is in no
 * page.  The pages are taken from so many that the entries of one GID are not
 * yet evicted by those of the others when that GID comes round.
 *
 * One of the two guests runs in direct address mode, the other one with paging
 * and a refill handler of its own, so that entries of both stages are at stake.
 * No VMM is involved, and no interrupt.  GIDs are not seen from here; that
 * they change is the tracepoint kvm_vpid_change's to tell.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/kvm.h>

#define PAGE            0x4000ul
#define CODE_GPA        0x200000ul
#define HANDLER_OFFSET  PAGE
#define CODE_SIZE       (2 * PAGE)
#define DATA_GPA        0x400000ul
/* A set of the STLB, of 256, for each pair of pages. */
#define PAGES_LOG2      9
#define PAGES           (1 << PAGES_LOG2)
#define DATA_SIZE       (PAGES * PAGE)
/* What the guest touches in one run, and how it chooses. */
#define TOUCHED         4
#define FACTOR          5
#define ADDEND          0x7a5
#define MMIO_GPA        0x10000000ul
#define PROCESSES_MAX     64
/* CPUCFG2: FP with both widths, version 1; constant timer, version 1. */
#define CPUCFG2_VALUE   (0x7u | 1 << 3 | 1 << 14 | 1 << 15)

#define A0 4
#define A1 5
#define A2 6
#define A3 7
#define A4 8

/*
 * The guest's program.  a0: its memory, a1: number of pages to touch, a2: where
 * no memory is, a3: whether to switch paging on, a4: state of the generator
 * that chooses the pages.
 */
asm(".pushsection .rodata\n"
    ".balign 8\n"
    "guest_start:\n"
    "beqz $a3, 1f\n"
    "lu12i.w $t0, 0x204\n"              /* CODE_GPA + HANDLER_OFFSET */
    "csrwr $t0, 0x88\n"                 /* TLBRENTRY */
    "addi.d $t0, $zero, 14\n"
    "csrwr $t0, 0x1e\n"                 /* STLBPS: 16 KiB */
    "addi.d $t0, $zero, 0x10\n"
    "addi.d $t1, $zero, 0x18\n"
    "csrxchg $t0, $t1, 0\n"             /* CRMD: PG and not DA */
    "1: move $t1, $zero\n"
    "move $t3, $a1\n"
    "2: alsl.d $a4, $a4, $a4, 2\n"      /* FACTOR */
    "addi.d $a4, $a4, 0x7a5\n"         /* ADDEND */
    "srli.d $t0, $a4, 20\n"
    "bstrpick.d $t0, $t0, 8, 0\n"      /* PAGES_LOG2 */
    "slli.d $t0, $t0, 14\n"
    "add.d $t2, $t0, $a0\n"
    "ld.d $t4, $t2, 0\n"
    "add.d $t1, $t1, $t4\n"
    "st.d $t1, $t2, 8\n"
    "addi.d $t3, $t3, -1\n"
    "bnez $t3, 2b\n"
    "st.d $t1, $a2, 0\n"                /* KVM_EXIT_MMIO with the sum */
    "b 1b\n"
    "guest_end:\n"
    ".balign 8\n"
    "handler_start:\n"                  /* maps each address to itself */
    "csrwr $t0, 0x8b\n"                 /* TLBRSAVE */
    "csrwr $t1, 0x30\n"                 /* SAVE0 */
    "csrrd $t0, 0x89\n"                 /* TLBRBADV */
    "srli.d $t0, $t0, 15\n"
    "slli.d $t0, $t0, 15\n"
    "ori $t0, $t0, 0x53\n"              /* V, D, cached, G */
    "lu12i.w $t1, 4\n"
    "add.d $t1, $t0, $t1\n"
    "csrwr $t0, 0x8c\n"                 /* TLBRELO0, TLBRELO1 */
    "csrwr $t1, 0x8d\n"
    "csrrd $t0, 0x8e\n"                 /* TLBREHI.PS */
    "addi.d $t1, $zero, 14\n"
    "bstrins.d $t0, $t1, 5, 0\n"
    "csrwr $t0, 0x8e\n"
    "tlbfill\n"
    "csrrd $t1, 0x30\n"
    "csrrd $t0, 0x8b\n"
    "ertn\n"
    "handler_end:\n"
    ".popsection\n");

#define ADDRESS_OF(LABEL) ({                                            \
    const char *address;                                                \
    asm("la.local %0, " LABEL : "=r"(address));                         \
    address;                                                            \
})

typedef struct Machine {
    int vm;
    int vcpu;
    struct kvm_run *run;
    uint8_t *memory[2];         /* one is the guest's, the other one spare */
    int current;
    uint64_t state;             /* of the guest's generator */
    int touched[TOUCHED];       /* what the guest touched last */
} Machine;

static int kvm, cpus, process;
static unsigned long change;

static void fail(const char *what)
{
    fprintf(stderr, "gids: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* splitmix64 */
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static void *map_at(void *where, size_t size, int flags)
{
    void *p = mmap(where, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

    if (p == MAP_FAILED) {
        fail("mmap");
    }
    return p;
}

static void set_slot(Machine *m, int slot, uint64_t gpa, void *host,
                     size_t size)
{
    struct kvm_userspace_memory_region region = {
        .slot = slot,
        .guest_phys_addr = gpa,
        .memory_size = size,
        .userspace_addr = (uintptr_t)host,
    };

    if (ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0) {
        fail("KVM_SET_USER_MEMORY_REGION");
    }
}

static uint64_t *word(Machine *m, int page, int i)
{
    return (uint64_t *)(m->memory[m->current] + page * PAGE) + i;
}

static void fill(Machine *m, uint64_t *state)
{
    for (int i = 0; i < PAGES; i++) {
        *word(m, i, 0) = next(state);
    }
}

static void make_vcpu(Machine *m, bool paging)
{
    uint64_t cpucfg2 = CPUCFG2_VALUE;
    struct kvm_one_reg reg = { .id = KVM_IOC_CPUCFG(2),
                               .addr = (uintptr_t)&cpucfg2 };
    struct kvm_regs regs = { .pc = CODE_GPA };
    int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

    m->vcpu = ioctl(m->vm, KVM_CREATE_VCPU, 0);
    if (m->vcpu < 0 || size < 0) {
        fail("KVM_CREATE_VCPU");
    }
    m->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
    if (m->run == MAP_FAILED || ioctl(m->vcpu, KVM_SET_ONE_REG, &reg) < 0) {
        fail("setting up a vCPU");
    }
    regs.gpr[A0] = DATA_GPA;
    regs.gpr[A1] = TOUCHED;
    regs.gpr[A2] = MMIO_GPA;
    regs.gpr[A3] = paging;
    regs.gpr[A4] = m->state;
    if (ioctl(m->vcpu, KVM_SET_REGS, &regs) < 0) {
        fail("KVM_SET_REGS");
    }
}

static void copy(uint8_t *to, const char *start, const char *end)
{
    memcpy(to, start, end - start);
}

static void make_machine(Machine *m, bool paging, uint64_t *state)
{
    uint8_t *code = map_at(NULL, CODE_SIZE, 0);

    m->vm = ioctl(kvm, KVM_CREATE_VM, 0);
    if (m->vm < 0) {
        fail("KVM_CREATE_VM");
    }
    copy(code, ADDRESS_OF("guest_start"), ADDRESS_OF("guest_end"));
    copy(code + HANDLER_OFFSET, ADDRESS_OF("handler_start"),
         ADDRESS_OF("handler_end"));
    __builtin___clear_cache((char *)code, (char *)code + CODE_SIZE);
    set_slot(m, 0, CODE_GPA, code, CODE_SIZE);
    for (m->current = 1; m->current >= 0; m->current--) {
        m->memory[m->current] = map_at(NULL, DATA_SIZE, 0);
        fill(m, state);
    }
    m->current = 0;
    m->state = next(state);
    memset(m->touched, 0, sizeof(m->touched));
    set_slot(m, 1, DATA_GPA, m->memory[0], DATA_SIZE);
    make_vcpu(m, paging);
}

static void wrong(const char *what, long value)
{
    fprintf(stderr, "gids: process %d, change %lu: %s %ld\n", process, change,
            what, value);
    exit(1);
}

static int extract_page(uint64_t state)
{
    return state >> 20 & (PAGES - 1);
}

/* Sums of what the guest has, against what it says and has left. */
static void run_and_check(Machine *m)
{
    uint64_t sum = 0, said, sums[TOUCHED];

    if (ioctl(m->vcpu, KVM_RUN, 0) < 0) {
        fail("KVM_RUN");
    }
    if (m->run->exit_reason != KVM_EXIT_MMIO || !m->run->mmio.is_write ||
        m->run->mmio.phys_addr != MMIO_GPA) {
        wrong("the guest left with reason", m->run->exit_reason);
    }
    memcpy(&said, m->run->mmio.data, sizeof(said));
    for (int i = 0; i < TOUCHED; i++) {
        m->state = m->state * FACTOR + ADDEND;
        m->touched[i] = extract_page(m->state);
        sum += *word(m, m->touched[i], 0);
        sums[i] = sum;
    }
    for (int i = 0; i < TOUCHED; i++) {
        bool again = false;

        for (int j = i + 1; j < TOUCHED; j++) {
            again |= m->touched[j] == m->touched[i];
        }
        if (!again && *word(m, m->touched[i], 1) != sums[i]) {
            wrong("what the guest wrote is not in page", m->touched[i]);
        }
    }
    if (said != sum) {
        wrong("the guest's sum is wrong by", said - sum);
    }
}

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu % cpus, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0) {
        fail("sched_setaffinity");
    }
}

static void change_something(Machine *m, uint64_t *state)
{
    uint64_t choice = next(state);
    /* One that KVM has mapped, so that it has to flush */
    int page = m->touched[choice % TOUCHED];
    void *where = m->memory[m->current] + page * PAGE;

    switch (choice >> 32 & 0x1ff) {
    case 0:
        set_slot(m, 1, DATA_GPA, NULL, 0);
        m->current ^= 1;
        set_slot(m, 1, DATA_GPA, m->memory[m->current], DATA_SIZE);
        break;
    case 1:
        pin(process + choice % 2);
        break;
    case 2 ... 0xff:
        map_at(where, PAGE, MAP_FIXED);
        break;
    default:
        if (madvise(where, PAGE, MADV_DONTNEED) < 0) {
            fail("madvise");
        }
        break;
    }
    *word(m, page, 0) = next(state);
}

static void run_process(uint64_t state, unsigned long changes)
{
    Machine machines[2];

    pin(process);
    for (int i = 0; i < 2; i++) {
        make_machine(&machines[i], i, &state);
    }
    for (change = 0; change < changes; change++) {
        Machine *m = &machines[change % 2];

        change_something(m, &state);
        run_and_check(m);
    }
}

int main(int argc, char **argv)
{
    int count = argc == 4 ? atoi(argv[2]) : 0, status, failed = 0;
    unsigned long changes;
    uint64_t seed;

    if (count < 1 || count > PROCESSES_MAX) {
        fprintf(stderr, "Usage: gids SEED PROCESSES CHANGES\n");
        return 2;
    }
    seed = atoll(argv[1]);
    changes = atoll(argv[3]);
    cpus = sysconf(_SC_NPROCESSORS_ONLN);
    kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) {
        fail("/dev/kvm");
    }
    for (process = 0; process < count; process++) {
        pid_t pid = fork();

        if (pid < 0) {
            fail("fork");
        }
        if (pid == 0) {
            run_process(seed * PROCESSES_MAX + process, changes);
            return 0;
        }
    }
    while (wait(&status) > 0) {
        failed |= status;
    }
    if (failed) {
        return 1;
    }
    printf("gids: %lu changes of a GID on each of %d CPUs\n", changes, count);
    return 0;
}
