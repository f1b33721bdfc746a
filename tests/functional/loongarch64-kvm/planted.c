/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's memory as a file, searched for planted words; and a program in the
 * guest with something to stop at.
 *
 *   planted find FILE           counts hvcl 0x101 in FILE and says where
 *   planted keep FILE FIRST SIZE COPY
 *                               copies a range of FILE to COPY
 *   planted differ FILE FIRST SIZE COPY
 *                               says where the range is not as it was
 *   planted wait                tells the address of mark(), and calls it once
 *                               and for each SIGUSR1; for each SIGUSR2 it makes
 *                               a system call that a debugger can wait for, to
 *                               see this process: sched_get_priority_max()
 *
 * Of what it finds it prints the number, then the offsets in FILE of the first
 * ones.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "files.h"

#define HVCL    0x002b8101u
#define SHOWN   256

static size_t found;
static uint64_t where[SHOWN];

static void note(uint64_t offset)
{
    if (found < SHOWN) {
        where[found] = offset;
    }
    found++;
}

static void report(void)
{
    printf("%zu", found);
    for (size_t i = 0; i < found && i < SHOWN; i++) {
        printf(" %" PRIx64, where[i]);
    }
    printf("\n");
}

/*
 * Holes of the file are skipped: they are memory that the guest never used.
 * Two words at once take half the time.
 */
static void find(const char *path)
{
    size_t size;
    const void *memory = map_file(path, &size);
    const uint64_t *pairs = memory;
    const uint32_t *words = memory;
    int fd = open(path, O_RDONLY);
    off_t first = 0, end = 0;

    while ((first = lseek(fd, end, SEEK_DATA)) >= 0) {
        end = lseek(fd, first, SEEK_HOLE);
        for (off_t at = first; at + 8 <= end; at += 8) {
            uint64_t pair = pairs[at / 8];

            if ((uint32_t)pair != HVCL && pair >> 32 != HVCL) {
                continue;
            }
            for (off_t word = at; word < at + 8; word += 4) {
                if (words[word / 4] == HVCL) {
                    note(word);
                }
            }
        }
    }
    close(fd);
    report();
}

static const uint32_t *range(const char *path, uint64_t first, uint64_t size)
{
    size_t all;
    const uint32_t *memory = map_file(path, &all);

    if (first + size > all) {
        fprintf(stderr, "%s is too short\n", path);
        exit(1);
    }
    return memory + first / 4;
}

static void keep(const char *path, uint64_t first, uint64_t size,
                 const char *copy)
{
    const uint32_t *memory = range(path, first, size);
    FILE *file = fopen(copy, "w");

    if (!file || fwrite(memory, size, 1, file) != 1 || fclose(file)) {
        fail(copy);
    }
}

static void differ(const char *path, uint64_t first, uint64_t size,
                   const char *copy)
{
    const uint32_t *memory = range(path, first, size);
    const uint32_t *kept = range(copy, 0, size);

    for (uint64_t i = 0; i < size / 4; i++) {
        if (memory[i] != kept[i]) {
            note(first + i * 4);
        }
    }
    report();
}

static void __attribute__((noinline, noclone, aligned(16))) mark(int number)
{
    printf("planted: marked %d\n", number);
    fflush(stdout);
}

static void wait_for_signals(void)
{
    /* volatile: or the call would be another copy of the code */
    void (*volatile call)(int) = mark;
    sigset_t set;
    int number;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    /* Its page is there from now on. */
    call(0);
    printf("planted: mark at 0x%lx\n", (unsigned long)mark);
    fflush(stdout);
    for (int i = 1; !sigwait(&set, &number); ) {
        if (number == SIGUSR1) {
            call(i++);
        } else {
            sched_get_priority_max(SCHED_FIFO);
        }
    }
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";

    if (!strcmp(mode, "find") && argc == 3) {
        find(argv[2]);
    } else if (!strcmp(mode, "wait") && argc == 2) {
        wait_for_signals();
    } else if (argc == 6) {
        int64_t first, size;

        if (sscanf(argv[3], "%" SCNi64, &first) != 1 ||
            sscanf(argv[4], "%" SCNi64, &size) != 1) {
            fail("planted: a number is wanted");
        }
        (strcmp(mode, "keep") ? differ : keep)(argv[2], first, size, argv[5]);
    } else {
        fprintf(stderr, "usage: planted find FILE | keep|differ FILE FIRST "
                "SIZE COPY | wait\n");
        return 2;
    }
    return 0;
}
