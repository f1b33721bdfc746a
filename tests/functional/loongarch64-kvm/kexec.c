/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts another kernel in the place of the one that runs, by kexec_load.
 *
 *   kexec KERNEL INITRD "COMMAND LINE"
 *
 * KERNEL is an uncompressed image of Linux for LoongArch, in a machine that
 * QEMU has started without firmware.  There the device tree is where Linux has
 * the code that copies the new kernel to its place, so the tree is given on
 * elsewhere, with EFI tables that say where.  A kernel takes its seed for
 * random numbers out of the tree, so there is another one in those tables.
 *
 * There is no kernel for a crash, and no machine with firmware.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "files.h"

/* Linux keeps the first 2 MiB for such things; below this is kexec's own. */
#define INFO            0x140000ul
#define INFO_SIZE       0xa0000ul
/* What is where in there */
#define EFI_TABLE       0x100
#define EFI_ENTRIES     0x200
#define EFI_INITRD      0x300
#define EFI_SEED        0x400
#define SEED_SIZE       32
#define EFI_FDT         0x1000
#define COMMAND_LINE    0x1f0000ul
#define INITRD          0x08000000ul
#define FDT             "/sys/firmware/fdt"
#define PAGE            0x4000ul
#define PHYSICAL        0xfffffffffffful
#define CACHED          0x9000000000000000ul

/* docs.kernel.org/arch/loongarch/booting.html */
struct image {
    uint32_t magic, res0;
    uint64_t entry, size, load;
};

/* UEFI 2.10, 4.3 */
struct efi_table {
    uint64_t signature;
    uint32_t revision, header_size, crc, res;
    uint64_t vendor, vendor_revision, consoles[6], runtime, boottime;
    uint64_t count, tables;
};

struct efi_entry {
    uint32_t guid[4];
    uint64_t table;
};

/* Devicetree Specification 0.4, 5.2; all big-endian */
struct fdt {
    uint32_t magic, size, structure, strings, reserved, version, compatible;
    uint32_t cpu, strings_size, structure_size;
};

static const struct efi_table efi_table = {
    .signature = 0x5453595320494249ul,      /* "IBI SYST" */
    .revision = 2 << 16 | 100,
    .header_size = sizeof(efi_table),
};
/* Device tree; LINUX_EFI_INITRD_MEDIA_GUID; LINUX_EFI_RANDOM_SEED_TABLE_GUID */
static const uint32_t fdt_guid[] = {
    0xb1b621d5, 0x41a5f19c, 0x15d90b83, 0xe0aa692c,
};
static const uint32_t initrd_guid[] = {
    0x5568e427, 0x4f3d68fc, 0x55ca74ac, 0x68cc3152,
};
static const uint32_t seed_guid[] = {
    0x1ce1e5bc, 0x42f27ceb, 0xad8ae581, 0x7bf580f1,
};

/* From the kernel's end to the next one's start: the tables are in a2. */
struct start {
    uint32_t code[4];
    uint64_t tables, entry;
};

static const struct start start = {
    .code = {
        0x1800008c,     /* pcaddi $t0, 4 */
        0x28c00186,     /* ld.d   $a2, $t0, 0 */
        0x28c0218d,     /* ld.d   $t1, $t0, 8 */
        0x4c0001a0,     /* jr     $t1 */
    },
};

static void read_fdt(char *to, size_t room)
{
    int fd = open(FDT, O_RDONLY);
    size_t size = 0;
    ssize_t got;

    while (size < room && (got = read(fd, to + size, room - size)) > 0) {
        size += got;
    }
    if (size < sizeof(struct fdt)) {
        fail(FDT);
    }
    close(fd);
}

/* Of QEMU's device tree most is room for more. */
static void shrink_fdt(struct fdt *fdt, size_t room)
{
    size_t structure = be32toh(fdt->structure) + be32toh(fdt->structure_size);
    size_t strings = be32toh(fdt->strings) + be32toh(fdt->strings_size);
    size_t size = structure > strings ? structure : strings;

    if (size > room) {
        fprintf(stderr, "%s is too big\n", FDT);
        exit(1);
    }
    fdt->size = htobe32(size);
}

static struct kexec_segment segment(const void *data, size_t size,
                                    size_t room, uint64_t where)
{
    return (struct kexec_segment) {
        .buf = data, .bufsz = size,
        .mem = (void *)where, .memsz = (room + PAGE - 1) & ~(PAGE - 1),
    };
}

/* The code, the EFI tables and the device tree, one after the other. */
static const char *make_info(const struct image *kernel, uint64_t initrd_size)
{
    static _Alignas(8) char info[INFO_SIZE];
    struct start *first = (void *)info;
    struct efi_table *efi = (void *)(info + EFI_TABLE);
    struct efi_entry *entry = (void *)(info + EFI_ENTRIES);
    uint64_t *initrd = (void *)(info + EFI_INITRD);
    uint32_t *seed = (void *)(info + EFI_SEED);

    *first = start;
    first->tables = INFO + EFI_TABLE;
    first->entry = CACHED | (kernel->entry & PHYSICAL);
    *efi = efi_table;
    efi->count = 3;
    efi->tables = INFO + EFI_ENTRIES;
    memcpy(entry[0].guid, fdt_guid, sizeof(fdt_guid));
    entry[0].table = INFO + EFI_FDT;
    memcpy(entry[1].guid, initrd_guid, sizeof(initrd_guid));
    entry[1].table = INFO + EFI_INITRD;
    initrd[0] = INITRD;
    initrd[1] = initrd_size;
    memcpy(entry[2].guid, seed_guid, sizeof(seed_guid));
    entry[2].table = INFO + EFI_SEED;
    seed[0] = SEED_SIZE;
    if (getrandom(seed + 1, SEED_SIZE, 0) != SEED_SIZE) {
        fail("getrandom");
    }
    read_fdt(info + EFI_FDT, INFO_SIZE - EFI_FDT);
    shrink_fdt((void *)(info + EFI_FDT), INFO_SIZE - EFI_FDT);
    return info;
}

int main(int argc, char **argv)
{
    static char line[PAGE];
    struct kexec_segment segments[4];
    size_t kernel_size, initrd_size;
    const struct image *kernel;
    const void *initrd;
    const struct sched_param first = { .sched_priority = 99 };

    if (argc != 4) {
        fprintf(stderr, "usage: kexec KERNEL INITRD \"COMMAND LINE\"\n");
        return 2;
    }
    kernel = map_file(argv[1], &kernel_size);
    initrd = map_file(argv[2], &initrd_size);
    /* By the first word it is found. */
    snprintf(line, sizeof(line), "kexec %s", argv[3]);
    segments[0] = segment(make_info(kernel, initrd_size), INFO_SIZE, INFO_SIZE,
                          INFO);
    segments[1] = segment(line, sizeof(line), sizeof(line), COMMAND_LINE);
    segments[2] = segment(kernel, kernel_size, kernel->size,
                          kernel->load & PHYSICAL);
    segments[3] = segment(initrd, initrd_size, initrd_size, INITRD);
    if (syscall(SYS_kexec_load, INFO, 4ul, segments,
                (unsigned long)KEXEC_ARCH_LOONGARCH)) {
        fail("kexec_load");
    }
    /*
     * Linux stops the other CPUs wherever they are.  Whoever ran on this one
     * from then on could wait for ever for a lock of theirs.
     */
    if (sched_setscheduler(0, SCHED_FIFO, &first)) {
        fail("sched_setscheduler");
    }
    reboot(LINUX_REBOOT_CMD_KEXEC);
    fail("reboot");
    return 1;
}
