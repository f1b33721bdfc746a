/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's program for the debugger's tests of user space.
 *
 *   user loop COUNT     a process calls work()
 *   user wait COUNT     the same, after a line has been typed
 *   user two COUNT      so does its child, before it, at the same address
 *   user alias COUNT    so does itself, at another address of the same page
 *   user copy COUNT     so do it and its child, in pages that were one page
 *   user threads CPUS COUNT
 *                       CPUS threads call work(), each on a CPU of its own
 *   user own COUNT      executes hvcl 0x101 itself
 *   user illegal COUNT  executes another privileged instruction
 *   user busy           calls work() for as long as it lives
 *
 * First it prints the address of work().  Then it calls
 * sched_get_priority_max(), which a debugger can wait for; so the process that
 * is meant is there.  work(i) is "a0 += 1; a0 += 2; return", and every result
 * is checked: a program that a debugger has done harm to says so, or dies.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <ucontext.h>
#include <unistd.h>

#define PER_THREAD 1000000
#define WORK_SIZE 12
#define PAGE 0x4000
#define CODE ((void *)0x300000000)

typedef long Work(long value);

Work work;
asm(".text\n.balign 16\n.global work\nwork:\n"
    "addi.d $a0, $a0, 1\naddi.d $a0, $a0, 2\njr $ra\n");

static long traps;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* The debugger's moment: stopped in here, it sees this process. */
static void mark(void)
{
    syscall(SYS_sched_get_priority_max, 100);
}

static void announce(const void *address)
{
    printf("user: work at %p\n", address);
    fflush(stdout);
    /* A stopped machine sends nothing more. */
    tcdrain(STDOUT_FILENO);
    mark();
}

static int count_wrong(Work *way, long first, long count)
{
    long i, wrong = 0;

    for (i = 0; i < count; i++) {
        wrong += way(first + i) != first + i + 3;
    }
    return wrong != 0;
}

/* A child does it first, and we after it. */
static int in_child(Work *way, long first, long count)
{
    int status;
    pid_t child = fork();

    if (child < 0) {
        fail("user: fork");
    }
    if (child == 0) {
        _exit(count_wrong(way, first, count));
    }
    if (waitpid(child, &status, 0) != child) {
        fail("user: waitpid");
    }
    if (status) {
        printf("user: the child's status is %#x\n", status);
    }
    return status != 0;
}

static Work *map_again(void)
{
    const Elf64_Phdr *segment = (const void *)getauxval(AT_PHDR);
    unsigned long n = getauxval(AT_PHNUM), at = (unsigned long)work;
    int fd = open("/proc/self/exe", O_RDONLY);
    char *map;

    for (; n; n--, segment++) {
        if (segment->p_type == PT_LOAD && at >= segment->p_vaddr &&
            at - segment->p_vaddr < segment->p_filesz) {
            break;
        }
    }
    if (!n || fd < 0) {
        fail("user: /proc/self/exe");
    }
    map = mmap(NULL, segment->p_offset + segment->p_filesz,
               PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        fail("user: mmap");
    }
    return (Work *)(map + segment->p_offset + (at - segment->p_vaddr));
}

/* A page that can be written, so that each process gets one of its own. */
static Work *map_own(void)
{
    char *page = mmap(CODE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    if (page == MAP_FAILED) {
        fail("user: mmap");
    }
    memcpy(page, (const void *)work, WORK_SIZE);
    asm volatile("ibar 0" : : : "memory");
    return (Work *)page;
}

static int copies(long count)
{
    volatile char *page = CODE;
    int status, bad;
    pid_t child;

    /* The debugger stands in this call, and plants when it goes on. */
    announce(map_own());
    child = fork();
    if (child < 0) {
        fail("user: fork");
    }
    /* Whoever comes first gets the copy, the other keeps the page. */
    page[PAGE - 1] = 1;
    if (child == 0) {
        _exit(count_wrong(CODE, 100, count));
    }
    if (waitpid(child, &status, 0) != child) {
        fail("user: waitpid");
    }
    if (status) {
        printf("user: the child's status is %#x\n", status);
    }
    bad = count_wrong(CODE, 100, count);
    return bad || status;
}

typedef struct Thread {
    pthread_t id;
    int cpu;
    long count;
} Thread;

static void *thread_main(void *opaque)
{
    Thread *thread = opaque;
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(thread->cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0) {
        fail("user: sched_setaffinity");
    }
    return (void *)(long)count_wrong(work, 100 + thread->cpu * PER_THREAD,
                                     thread->count);
}

static int threads(int cpus, long count)
{
    Thread *all = calloc(cpus, sizeof(*all));
    void *bad;
    int i, result = 0;

    announce((const void *)work);
    for (i = 0; i < cpus; i++) {
        all[i].cpu = i;
        all[i].count = count;
        if (pthread_create(&all[i].id, NULL, thread_main, &all[i])) {
            fail("user: pthread_create");
        }
    }
    for (i = 0; i < cpus; i++) {
        pthread_join(all[i].id, &bad);
        result |= bad != NULL;
    }
    return result;
}

static void on_illegal(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    (void)number;
    (void)info;
    traps++;
    uc->uc_mcontext.__pc += 4;
}

/*
 * Registers that an exception's handler uses first must come back.  An
 * instruction that does not trap would leave -1 in a0.
 */
static int privileged(int own, long count)
{
    struct sigaction action = {
        .sa_sigaction = on_illegal,
        .sa_flags = SA_SIGINFO,
    };
    register long a0 asm("a0");
    register long t0 asm("t0");
    register long t1 asm("t1");
    long i, wrong = 0, invalid = 0;

    sigaction(SIGILL, &action, NULL);
    announce((const void *)work);
    for (i = 0; i < count; i++) {
        a0 = i;
        t0 = ~i;
        t1 = i << 8;
        if (own) {
            asm volatile(".word 0x002b8101" : "+r"(a0), "+r"(t0), "+r"(t1));
        } else {
            asm volatile("csrrd $zero, 0" : "+r"(a0), "+r"(t0), "+r"(t1));
        }
        invalid += a0 == -1;
        wrong += (a0 != i && a0 != -1) || t0 != ~i || t1 != i << 8;
        wrong += work(i) != i + 3;
    }
    printf("user: %ld signals, %ld invalid, %ld wrong\n", traps, invalid,
           wrong);
    return wrong || traps + invalid != count;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    long count = argc > 2 ? atol(argv[argc - 1]) : 0;
    Work *other;
    int bad = 0;

    if (!strcmp(what, "threads") && argc == 4) {
        bad = threads(atoi(argv[2]), count);
    } else if (!strcmp(what, "copy")) {
        bad = copies(count);
    } else if (!strcmp(what, "own") || !strcmp(what, "illegal")) {
        bad = privileged(!strcmp(what, "own"), count);
    } else if (!strcmp(what, "busy")) {
        announce((const void *)work);
        while (!count_wrong(work, 100, 1000)) {
        }
        bad = 1;
    } else if (!strcmp(what, "alias")) {
        other = map_again();
        bad = other(1) != 4;
        announce((const void *)work);
        bad |= count_wrong(other, 100, count) | count_wrong(work, 100, count);
    } else if (!strcmp(what, "two") || !strcmp(what, "loop") ||
               !strcmp(what, "wait")) {
        announce((const void *)work);
        if (!strcmp(what, "wait")) {
            getchar();
        }
        bad |= !strcmp(what, "two") && in_child(work, 100, count);
        bad |= count_wrong(work, 100, count);
    } else {
        fprintf(stderr, "usage: user loop|wait|two|alias|copy|own|illegal COUNT\n"
                        "       user threads CPUS COUNT\n"
                        "       user busy\n");
        return 2;
    }
    printf("user: %s, %s\n", what, bad ? "bad" : "good");
    return bad;
}
