/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What it costs to leave a KVM guest and to enter it again: a guest that does
 * nothing but hypercalls of a number that KVM does not know, which its kernel
 * part answers at once.  Runs on a LoongArch host.
 *
 *   exits N
 *
 * Prints one line: "exits" and the nanoseconds that N of them took.  The VMM
 * has no part in it but for the start and the end.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/kvm.h>
#include "measure.h"

#define CODE_GPA        0x200000ull
#define CODE_SIZE       0x10000
#define MMIO_GPA        0x10000000ull
/* CPUCFG2: FP with both widths, version 1; constant timer, version 1. */
#define CPUCFG2_VALUE   (0x7u | 1 << 3 | 1 << 14 | 1 << 15)

#define A1 5
#define A2 6

/* a1 times hvcl 5, then a store to where no memory is: KVM_EXIT_MMIO. */
extern const char guest_code[], guest_end[];
asm(".pushsection .rodata\n"
    "guest_code:\n"
    "1: .word 0x002b8005\n"
    "   addi.d $a1, $a1, -1\n"
    "   bnez $a1, 1b\n"
    "   st.d $zero, $a2, 0\n"
    "guest_end:\n"
    ".popsection");

static void make_memory(int vm)
{
    void *code = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct kvm_userspace_memory_region region = {
        .guest_phys_addr = CODE_GPA,
        .memory_size = CODE_SIZE,
        .userspace_addr = (uintptr_t)code,
    };

    if (code == MAP_FAILED) {
        die("mmap");
    }
    memcpy(code, guest_code, guest_end - guest_code);
    if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0) {
        die("KVM_SET_USER_MEMORY_REGION");
    }
}

static int make_vcpu(int vm, long count)
{
    uint64_t cpucfg2 = CPUCFG2_VALUE;
    struct kvm_one_reg reg = {
        .id = KVM_IOC_CPUCFG(2), .addr = (uintptr_t)&cpucfg2
    };
    struct kvm_regs regs = {
        .pc = CODE_GPA, .gpr[A1] = count, .gpr[A2] = MMIO_GPA
    };
    int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);

    if (vcpu < 0 || ioctl(vcpu, KVM_SET_ONE_REG, &reg) < 0 ||
        ioctl(vcpu, KVM_SET_REGS, &regs) < 0) {
        die("KVM_CREATE_VCPU");
    }
    return vcpu;
}

int main(int argc, char **argv)
{
    long count = argc == 2 ? atol(argv[1]) : 0;
    int kvm = open("/dev/kvm", O_RDWR);
    struct kvm_run *run;
    uint64_t start;
    int vm, vcpu;

    if (count <= 0) {
        fprintf(stderr, "usage: exits N\n");
        return 2;
    }
    if (kvm < 0) {
        die("/dev/kvm");
    }
    vm = ioctl(kvm, KVM_CREATE_VM, 0);
    if (vm < 0) {
        die("KVM_CREATE_VM");
    }
    make_memory(vm);
    vcpu = make_vcpu(vm, count);
    run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
               PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED) {
        die("mmap of kvm_run");
    }
    start = now_ns();
    if (ioctl(vcpu, KVM_RUN, 0) < 0) {
        die("KVM_RUN");
    }
    if (run->exit_reason != KVM_EXIT_MMIO ||
        run->mmio.phys_addr != MMIO_GPA) {
        fprintf(stderr, "exits: the guest ended with exit reason %u\n",
                run->exit_reason);
        return 1;
    }
    printf("exits %llu\n", (unsigned long long)(now_ns() - start));
    return 0;
}
