/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that are mapped now here, now there:
 *
 *   remapped
 *
 * Some addresses first have the even, then the odd pages of a file, and each
 * page has its own number in it.  For each line of its input it maps the other
 * half ("turn") or reads all of them again ("look"), and tells how many pages
 * were of which half.  Between two lines it does nothing, so that a processor
 * may keep every translation that it has.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * So few that the kernel has their translations dropped one by one and the
 * process keeps its ASID (arch/loongarch/mm/tlb.c, local_flush_tlb_range()).
 */
#define PAGES 64

static void must(int good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

/* One page after the other, as pages that follow each other are one entry. */
static void map_half(uint8_t *at, int file, size_t page, int half)
{
    for (int i = 0; i < PAGES; i++) {
        void *got = mmap(at + i * page, page, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_FIXED | MAP_POPULATE, file,
                         (2 * i + half) * page);

        must(got != MAP_FAILED, "mmap");
    }
}

static void look(const uint8_t *at, size_t page)
{
    int of_half[2] = { 0, 0 }, wrong = 0;

    for (int i = 0; i < PAGES; i++) {
        /* volatile: mapped anew behind the compiler's back */
        uint64_t is = *(const volatile uint64_t *)(at + i * page);

        if (is / 2 == (uint64_t)i) {
            of_half[is % 2]++;
        } else {
            wrong++;
        }
    }
    printf("remapped: %d even %d odd %d wrong\n", of_half[0], of_half[1],
           wrong);
    fflush(stdout);
}

int main(void)
{
    size_t page = getauxval(AT_PAGESZ);
    int file = memfd_create("remapped", 0), half = 0;
    uint8_t *at = mmap(NULL, PAGES * page, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char line[16];

    must(at != MAP_FAILED, "mmap");
    must(file >= 0 && ftruncate(file, 2 * PAGES * page) == 0, "memfd_create");
    for (uint64_t i = 0; i < 2 * PAGES; i++) {
        must(pwrite(file, &i, sizeof(i), i * page) == sizeof(i), "pwrite");
    }
    map_half(at, file, page, half);
    look(at, page);
    while (fgets(line, sizeof(line), stdin)) {
        if (strcmp(line, "turn\n") == 0) {
            half = !half;
            map_half(at, file, page, half);
        }
        look(at, page);
    }
    return 0;
}
