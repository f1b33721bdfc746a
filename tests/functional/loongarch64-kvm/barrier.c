/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread on one CPU has the kernel interrupt another one on another CPU, and
 * waits until that has been done:
 *
 *   barrier
 *
 * The second has CPU 0 and spins; the first has CPU 1 and calls membarrier(),
 * which is done with a CPU when that has taken the interrupt.  Before, it calls
 * sched_get_priority_max(), so that a debugger can stop it there.
 */
#define _GNU_SOURCE
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_bool spinning, over;

static void must(int good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

static void stay_on(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    must(sched_setaffinity(0, sizeof(set), &set) == 0, "sched_setaffinity");
}

static void *spin(void *nothing)
{
    stay_on(0);
    spinning = true;
    while (!over) {
        /* It is interrupted here. */
    }
    return nothing;
}

static int membarrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0);
}

int main(void)
{
    pthread_t thread;

    stay_on(1);
    must(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0,
         "membarrier");
    must(pthread_create(&thread, NULL, spin, NULL) == 0, "pthread_create");
    while (!spinning) {
        /* It is on its way. */
    }
    sched_get_priority_max(SCHED_OTHER);
    must(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0, "membarrier");
    over = true;
    must(pthread_join(thread, NULL) == 0, "pthread_join");
    printf("barrier: done\n");
    return 0;
}
