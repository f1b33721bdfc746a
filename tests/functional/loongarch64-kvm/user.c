/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's program for the debugger's tests of user space.
 *
 *   user loop COUNT     a process calls work()
 *   user wait COUNT     the same, after a line has been typed
 *   user two COUNT      so does its child, before it, at the same address
 *   user alias COUNT    so does itself, at another address of the same page
 *   user old COUNT      as two and alias, each time after the kernel has marked
 *                       all pages of the process as not accessed
 *   user aged COUNT     the same, marked by another process all the time
 *   user gone COUNT     calls it at another address, of which a thread on the
 *                       second CPU drops the page all the time, and then at its
 *   user fault COUNT    a child and it call load(), which faults, for good too
 *   user call COUNT     calls call(), which has a system call
 *   user copy COUNT     work() in a page that its child gets a copy of
 *   user kept COUNT     the same, but the child keeps the page
 *   user share COUNT    work() in a page of its own, which its child has, too;
 *                       the child calls sched_get_priority_max() and work()
 *   user swap COUNT     the same, but the child has other code there
 *   user drop COUNT     the same, but the child has nothing there
 *   user anew COUNT     work() in a page of its own, which it drops after the
 *                       first call and writes anew
 *   user threads CPUS COUNT
 *                       CPUS threads call work(), each on a CPU of its own
 *   user own COUNT      executes hvcl 0x101 itself
 *   user illegal COUNT  executes another privileged instruction
 *   user busy           calls work() for as long as it lives
 *
 * First it prints the address of work(), or what is named instead.  Then it
 * calls sched_get_priority_max(), which a debugger can wait for; so the process
 * that is meant is there.  Most are on the first CPU.  work(i) is "a0 += 1;
 * a0 += 2; return", and every result is checked: a program that a debugger has
 * done harm to says so, or dies.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
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
#include "files.h"

#define PER_THREAD 1000000
#define WORK_SIZE 12
#define PAGE 0x4000
#define CODE ((void *)0x300000000)

typedef long Work(long value);

Work work, load, call, other_work;
asm(".text\n.balign 16\n.global work, load, call, other_work\nwork:\n"
    "addi.d $a0, $a0, 1\naddi.d $a0, $a0, 2\njr $ra\n"
    "load:\nld.d $a0, $a0, 0\njr $ra\n"
    "call:\nori $a7, $zero, 178\nsyscall 0\njr $ra\n"       /* gettid */
    "other_work:\naddi.d $a0, $a0, 3\njr $ra\nnop\n");

static long traps;

static void on_cpu(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0) {
        fail("user: sched_setaffinity");
    }
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

typedef int Count(Work *way, long first, long count);

static int count_wrong(Work *way, long first, long count)
{
    long i, wrong = 0;

    for (i = 0; i < count; i++) {
        wrong += way(first + i) != first + i + 3;
    }
    return wrong != 0;
}

/* The kernel clears the accessed bit of all pages, and flushes no TLB. */
static void age(int fd)
{
    if (write(fd, "1", 1) != 1) {
        fail("user: clear_refs");
    }
}

static int count_wrong_old(Work *way, long first, long count)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY);
    long i, wrong = 0;

    for (i = 0; i < count; i++) {
        age(fd);
        wrong += way(first + i) != first + i + 3;
    }
    close(fd);
    return wrong != 0;
}

static pid_t start_child(void)
{
    pid_t child = fork();

    if (child < 0) {
        fail("user: fork");
    }
    return child;
}

static int end_child(pid_t child)
{
    int status;

    if (waitpid(child, &status, 0) != child) {
        fail("user: waitpid");
    }
    if (status) {
        printf("user: the child's status is 0x%x\n", status);
    }
    return status != 0;
}

/* A child does it first, and we after it. */
static int in_child(Count *what, Work *way, long first, long count)
{
    pid_t child = start_child();

    if (child == 0) {
        _exit(what(way, first, count));
    }
    return end_child(child);
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
static Work *map_own(Work *code)
{
    char *page = mmap(CODE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    if (page == MAP_FAILED) {
        fail("user: mmap");
    }
    memcpy(page, (const void *)code, WORK_SIZE);
    /* The compiler is not to know that no function of its own is there. */
    asm volatile("ibar 0" : "+r"(page) : : "memory");
    return (Work *)page;
}

static void pass_on(int fd)
{
    if (write(fd, "", 1) != 1) {
        fail("user: pipe");
    }
}

static void wait_for(int fd)
{
    char byte;

    if (read(fd, &byte, 1) != 1) {
        fail("user: pipe");
    }
}

/*
 * Whoever writes first gets a copy, the other keeps the page.  Then the child
 * does it, and we after it.
 */
static int copies(bool child_first, long count)
{
    Work *code = map_own(work);
    /* volatile: another process reads it */
    volatile char *page = (volatile char *)code;
    int to_child[2], to_us[2];
    pid_t child;

    if (pipe(to_child) < 0 || pipe(to_us) < 0) {
        fail("user: pipe");
    }
    /* The debugger stands in this call, and plants when it goes on. */
    announce((const void *)code);
    child = start_child();
    if (child == 0) {
        if (!child_first) {
            wait_for(to_child[0]);
        }
        page[PAGE - 1] = 1;
        pass_on(to_us[1]);
        wait_for(to_child[0]);
        _exit(count_wrong(code, 100, count));
    }
    if (!child_first) {
        page[PAGE - 1] = 1;
        pass_on(to_child[1]);
    }
    wait_for(to_us[0]);
    page[PAGE - 1] = 1;
    /* Here the debugger may take its word away again. */
    mark();
    pass_on(to_child[1]);
    return end_child(child) | count_wrong(code, 100, count);
}

/*
 * The debugger stops the child, whose address space is then the only one on all
 * CPUs: an idle one keeps the last.  The breakpoint is ours.
 */
static int apart(const char *what, long count)
{
    Work *code = map_own(work);
    bool drops = !strcmp(what, "drop");
    pid_t child;
    int bad;

    announce((const void *)code);
    child = start_child();
    if (child == 0) {
        if (strcmp(what, "share")) {
            munmap(CODE, PAGE);
        }
        if (!strcmp(what, "swap")) {
            code = map_own(other_work);
        }
        on_cpu(1);
        on_cpu(0);
        mark();
        _exit(!drops && count_wrong(code, 100, count));
    }
    bad = end_child(child);
    return bad | count_wrong(code, 100, count);
}

/* For the debugger to find the new page there is some time between the calls. */
static int anew(long count)
{
    Work *code = map_own(work);
    long i;
    int bad;

    announce((const void *)code);
    bad = count_wrong(code, 100, 1);
    if (munmap(CODE, PAGE) < 0) {
        fail("user: munmap");
    }
    code = map_own(work);
    for (i = 1; i < count; i++) {
        bad |= count_wrong(code, 100 + i, 1);
        usleep(50000);
    }
    return bad;
}

typedef struct Thread {
    pthread_t id;
    int cpu;
    long count;
} Thread;

static void *thread_main(void *opaque)
{
    Thread *thread = opaque;

    on_cpu(thread->cpu);
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

/* Another process marks the pages of two others for as long as it lives. */
static pid_t start_ager(pid_t other)
{
    pid_t us = getpid(), ager = start_child();
    char path[64];
    int fd[2];

    if (ager) {
        return ager;
    }
    on_cpu(1);
    snprintf(path, sizeof(path), "/proc/%d/clear_refs", us);
    fd[0] = open(path, O_WRONLY);
    snprintf(path, sizeof(path), "/proc/%d/clear_refs", other);
    fd[1] = open(path, O_WRONLY);
    for (;;) {
        age(fd[0]);
        /* That one may have ended. */
        (void)!write(fd[1], "1", 1);
    }
}

static int aged(long count)
{
    Work *other = map_again();
    int bad = other(1) != 4, to_child[2];
    pid_t child, ager;

    if (pipe(to_child) < 0) {
        fail("user: pipe");
    }
    announce((const void *)work);
    child = start_child();
    if (child == 0) {
        wait_for(to_child[0]);
        _exit(count_wrong(work, 100, count));
    }
    ager = start_ager(child);
    pass_on(to_child[1]);
    bad |= count_wrong(other, 100, count);
    bad |= end_child(child);
    bad |= count_wrong(work, 100, count);
    kill(ager, SIGKILL);
    waitpid(ager, NULL, 0);
    return bad;
}

static int old(long count)
{
    Work *other = map_again();
    int bad = other(1) != 4;

    announce((const void *)work);
    bad |= in_child(count_wrong_old, work, 100, count);
    bad |= count_wrong_old(other, 100, count);
    return bad | count_wrong_old(work, 100, count);
}

static volatile long calls;             /* volatile: by another thread */
static volatile bool dropped_enough;    /* volatile: by another thread */

/*
 * The page goes out of the table first, and out of the other TLB after that.
 * Once in each call, at any moment, so that there is an end to it.
 */
static void *drop(void *page)
{
    long seen = 0;
    volatile int delay;     /* or the loop would be left out */

    on_cpu(1);
    while (!dropped_enough) {
        if (calls == seen) {
            continue;
        }
        seen = calls;
        for (delay = seen * 7919 % 20000; delay; delay--) {
            ;
        }
        if (madvise(page, PAGE, MADV_DONTNEED) < 0) {
            fail("user: madvise");
        }
    }
    return NULL;
}

static int gone(long count)
{
    Work *other = map_again();
    unsigned long page = (unsigned long)other & -PAGE;
    pthread_t id;
    int bad = 0;

    announce((const void *)work);
    if (pthread_create(&id, NULL, drop, (void *)page)) {
        fail("user: pthread_create");
    }
    for (; calls < count; calls++) {
        bad |= count_wrong(other, 100, 1);
    }
    dropped_enough = true;
    pthread_join(id, NULL);
    return bad | count_wrong(work, 100, count);
}

static sigjmp_buf after_fault;

static void on_fault(int number)
{
    siglongjmp(after_fault, number);
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction action = { .sa_handler = handler };

    if (sigaction(number, &action, NULL) < 0) {
        fail("user: sigaction");
    }
}

/* From pages that are not there yet, and from one that never is. */
static int load_wrong(Work *way, long first, long count)
{
    char *pages = mmap(NULL, count * PAGE, PROT_READ,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    volatile long i, wrong = 0;     /* volatile: kept over a siglongjmp() */

    (void)first;
    if (pages == MAP_FAILED) {
        fail("user: mmap");
    }
    handle(SIGSEGV, on_fault);
    for (i = 0; i < count; i++) {
        if (!sigsetjmp(after_fault, 1)) {
            way(8);
            wrong++;
        }
        wrong += way((long)(pages + i * PAGE)) != 0;
    }
    return wrong != 0;
}

static int fault(long count)
{
    long i, wrong = 0;
    int bad;

    announce((const void *)load);
    bad = in_child(load_wrong, load, 0, count);
    for (i = 0; i < count; i++) {
        long value = 100 + i;

        wrong += load((long)&value) != value;
    }
    return bad | (wrong != 0);
}

static int call_wrong(long count)
{
    long i, wrong = 0;

    announce((const void *)call);
    for (i = 0; i < count; i++) {
        wrong += call(i) != getpid();
    }
    return wrong != 0;
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

    /* Of one in the background, too, the terminal is waited for. */
    handle(SIGTTOU, SIG_IGN);
    if (strcmp(what, "threads") && strcmp(what, "busy") &&
        strcmp(what, "wait")) {
        on_cpu(0);
    }
    if (!strcmp(what, "threads") && argc == 4) {
        bad = threads(atoi(argv[2]), count);
    } else if (!strcmp(what, "copy") || !strcmp(what, "kept")) {
        bad = copies(!strcmp(what, "copy"), count);
    } else if (!strcmp(what, "share") || !strcmp(what, "swap") ||
               !strcmp(what, "drop")) {
        bad = apart(what, count);
    } else if (!strcmp(what, "anew")) {
        bad = anew(count);
    } else if (!strcmp(what, "old")) {
        bad = old(count);
    } else if (!strcmp(what, "aged")) {
        bad = aged(count);
    } else if (!strcmp(what, "gone")) {
        bad = gone(count);
    } else if (!strcmp(what, "fault")) {
        bad = fault(count);
    } else if (!strcmp(what, "call")) {
        bad = call_wrong(count);
    } else if (!strcmp(what, "own") || !strcmp(what, "illegal")) {
        bad = privileged(!strcmp(what, "own"), count);
    } else if (!strcmp(what, "busy")) {
        announce((const void *)work);
        puts("user: busy");
        fflush(stdout);
        while (!count_wrong(work, 100, 1000)) {
            ;
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
        bad |= !strcmp(what, "two") && in_child(count_wrong, work, 100, count);
        bad |= count_wrong(work, 100, count);
    } else {
        fprintf(stderr, "usage: user loop|wait|two|alias|old|aged|gone|fault|call|"
                        "copy|kept|share|swap|drop|anew|own|illegal COUNT\n"
                        "       user threads CPUS COUNT\n"
                        "       user busy\n");
        return 2;
    }
    printf("user: %s, %s\n", what, bad ? "bad" : "good");
    return bad;
}
