/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the programs here that measure have in common: a clock, and an end with
 * a reason.  Not for bare.c, which has no C library.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* End with status 1, and say of what errno is. */
static inline void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Nanoseconds since some moment in the past. */
static inline uint64_t now_ns(void)
{
    struct timespec t;

    if (clock_gettime(CLOCK_MONOTONIC, &t)) {
        die("clock_gettime");
    }
    return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

#endif
