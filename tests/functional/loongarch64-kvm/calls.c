/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's program for the debugger's tests: enters the kernel an exact number
 * of times by a way that nothing else uses, and says how often.
 *
 *   calls priority|trap CPUS COUNT
 *
 * Each of CPUS processes, pinned to a CPU of its own, does COUNT times
 *   priority  sched_get_priority_max(NUMBER), which answers EINVAL to such a
 *             NUMBER; the kernel runs it with interrupts on
 *   trap      a break instruction with NUMBER in a0, which comes back as
 *             SIGTRAP; the kernel's handler starts with interrupts off
 * with NUMBER from 100 + 1000000 * CPU upwards.  It checks that the kernel gave
 * that answer: a call that a debugger has swallowed would come back with
 * something else.  In the end it calls sched_get_priority_min() once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define PER_CPU 1000000
#define FIRST 100

static volatile sig_atomic_t traps;

static void on_trap(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    (void)number;
    (void)info;
    traps++;
    uc->uc_mcontext.__pc += 4;
}

static int by_priority(long number)
{
    return syscall(SYS_sched_get_priority_max, number) == -1 &&
           errno == EINVAL;
}

static int by_trap(long number)
{
    register long a0 asm("a0") = number;
    int before = traps;

    asm volatile("break 0" : "+r"(a0) : : "memory");
    return traps == before + 1 && a0 == number;
}

static int enter(int (*way)(long), int cpu, long count)
{
    cpu_set_t set;
    long i, wrong = 0;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0) {
        perror("calls: sched_setaffinity");
        return 1;
    }
    for (i = 0; i < count; i++) {
        wrong += !way(FIRST + (long)cpu * PER_CPU + i);
    }
    printf("calls: cpu %d made %ld, %ld wrong\n", cpu, count, wrong);
    fflush(stdout);
    return wrong != 0;
}

int main(int argc, char **argv)
{
    struct sigaction action = {
        .sa_sigaction = on_trap,
        .sa_flags = SA_SIGINFO,
    };
    int cpus = argc == 4 ? atoi(argv[2]) : 0;
    long count = argc == 4 ? atol(argv[3]) : 0;
    int (*way)(long);
    int cpu, status, bad = 0;

    if (cpus < 1 || count < 1) {
        fprintf(stderr, "usage: calls priority|trap CPUS COUNT\n");
        return 2;
    }
    way = strcmp(argv[1], "trap") ? by_priority : by_trap;
    sigaction(SIGTRAP, &action, NULL);
    for (cpu = 0; cpu < cpus; cpu++) {
        switch (fork()) {
        case -1:
            perror("calls: fork");
            return 1;
        case 0:
            exit(enter(way, cpu, count));
        }
    }
    while (wait(&status) > 0) {
        bad |= status != 0;
    }
    printf("calls: %ld in all, %s\n", cpus * count, bad ? "bad" : "good");
    fflush(stdout);
    syscall(SYS_sched_get_priority_min, FIRST);
    return bad;
}
