/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the programs of the tests do with files: read one that is mapped, and
 * end with a reason where that, or anything else, fails.
 */
#ifndef LOONGARCH64_KVM_FILES_H
#define LOONGARCH64_KVM_FILES_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* What has failed is in errno. */
static inline void fail(const char *what)
{
    perror(what);
    exit(1);
}

/*
 * Mapped, since a copy would take as much memory again; and shared: of a guest's
 * memory what is there now.
 */
static inline const void *map_file(const char *path, size_t *size)
{
    int fd = open(path, O_RDONLY);
    struct stat info;
    void *data;

    if (fd < 0 || fstat(fd, &info)) {
        fail(path);
    }
    *size = info.st_size;
    data = mmap(NULL, *size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
        fail(path);
    }
    close(fd);
    return data;
}

#endif
