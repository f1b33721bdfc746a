/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loads that "make bench" runs in a host and in its guest, and the time
 * that they take by the machine's own clock.
 *
 *   load syscalls N  N system calls that do next to nothing
 *   load forks N     N forks, each with an exit and a wait
 *   load faults N    N page faults of fresh anonymous memory
 *   load calls N     N of the first, N / 100 of the second, N / 10 of the third
 *   load feed N COMMAND [ARGUMENT...]
 *                    N MiB of zeroes into the command, until it has ended
 *   load since-boot  nothing: prints the time since the counter began
 *
 * Prints one line in the end: the name and nanoseconds.  The clock is the stable counter,
 * which counts from the start of the machine, a guest's from the guest's.
 *
 * It knows nothing of what is compared with what: see bench.py.
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "measure.h"

#define CALLS_A_FORK    100
#define CALLS_A_FAULT   10
/* So many fresh pages at a time: 4 MiB of Debian's 16 KiB pages. */
#define PAGES           256

/* rdtime.d: ticks of 10 ns, CPUCFG4 and 5 of QEMU's models. */
static uint64_t counter_ns(void)
{
    uint64_t ticks;

    asm volatile("rdtime.d %0, $zero" : "=r"(ticks));
    return ticks * 10;
}

static void fork_once(void)
{
    int status;
    pid_t child = fork();

    if (child < 0) {
        die("fork");
    }
    if (child == 0) {
        _exit(7);
    }
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
        WEXITSTATUS(status) != 7) {
        die("waitpid");
    }
}

static void faults(long count)
{
    long page = sysconf(_SC_PAGESIZE);

    for (; count > 0; count -= PAGES) {
        char *p = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        int i;

        if (p == MAP_FAILED || madvise(p, PAGES * page, MADV_NOHUGEPAGE)) {
            die("mmap");
        }
        for (i = 0; i < PAGES && i < count; i++) {
            p[i * page] = i;
        }
        if (munmap(p, PAGES * page)) {
            die("munmap");
        }
    }
}

static void syscalls(long count)
{
    for (; count > 0; count--) {
        if (syscall(SYS_getppid) < 0) {
            die("getppid");
        }
    }
}

static void forks(long count)
{
    for (; count > 0; count--) {
        fork_once();
    }
}

static void calls(long count)
{
    syscalls(count);
    forks(count / CALLS_A_FORK);
    faults(count / CALLS_A_FAULT);
}

static void feed(long mib, char **command)
{
    static char block[1 << 20];
    int status, ends[2];
    pid_t child;

    if (pipe(ends) || (child = fork()) < 0) {
        die("pipe and fork");
    }
    if (child == 0) {
        dup2(ends[0], 0);
        close(ends[0]);
        close(ends[1]);
        execvp(command[0], command);
        die(command[0]);
    }
    close(ends[0]);
    for (; mib > 0; mib--) {
        size_t done = 0;

        while (done < sizeof(block)) {
            ssize_t some = write(ends[1], block + done, sizeof(block) - done);

            if (some <= 0) {
                die("write");
            }
            done += some;
        }
    }
    close(ends[1]);
    if (waitpid(child, &status, 0) != child || status) {
        die(command[0]);
    }
}

static const struct {
    const char *name;
    void (*run)(long count);
} loads[] = {
    { "syscalls", syscalls },
    { "forks", forks },
    { "faults", faults },
    { "calls", calls },
};

int main(int argc, char **argv)
{
    uint64_t start = now_ns();
    long count = argc > 2 ? atol(argv[2]) : 0;
    bool known = false;
    size_t i;

    if (argc == 2 && !strcmp(argv[1], "since-boot")) {
        printf("since-boot %llu\n", (unsigned long long)counter_ns());
        return 0;
    }
    for (i = 0; argc == 3 && i < sizeof(loads) / sizeof(loads[0]); i++) {
        if (count > 0 && !strcmp(argv[1], loads[i].name)) {
            known = true;
            loads[i].run(count);
        }
    }
    if (argc > 3 && count > 0 && !strcmp(argv[1], "feed")) {
        known = true;
        feed(count, argv + 3);
    }
    if (!known) {
        fprintf(stderr, "usage: load syscalls|forks|faults|calls N | "
                "load feed N COMMAND... | load since-boot\n");
        return 2;
    }
    printf("%s %llu\n", argv[1], (unsigned long long)(now_ns() - start));
    return 0;
}
