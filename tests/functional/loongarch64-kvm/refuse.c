/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A KVM that cannot do all that it should, for QEMU: preloaded, it answers some
 * ioctls in the kernel's place. All others are the kernel's.
 *
 * KVM_REFUSE says what:
 *   capability  as a kernel before 6.10: no KVM_CAP_SET_GUEST_DEBUG, and no
 *               KVM_REG_LOONGARCH_DEBUG_INST
 *   register    the capability, but no such register
 *   zero        the register, but with no instruction in it
 *   /PATH       KVM_SET_GUEST_DEBUG fails for a vCPU that is to be debugged,
 *               as long as there is such a file
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool refuses(const char *what)
{
    const char *all = getenv("KVM_REFUSE");

    return all && !strcmp(all, what);
}

static bool fails_now(void)
{
    const char *path = getenv("KVM_REFUSE");

    return path && path[0] == '/' && !access(path, F_OK);
}

/* Returns true if there is nothing for the kernel to do. */
static bool answer(unsigned long request, uintptr_t arg, int *ret)
{
    const struct kvm_one_reg *reg = (const void *)arg;
    const struct kvm_guest_debug *debug = (const void *)arg;

    switch (request) {
    case KVM_CHECK_EXTENSION:
        *ret = 0;
        return arg == KVM_CAP_SET_GUEST_DEBUG && refuses("capability");
    case KVM_GET_ONE_REG:
        if (reg->id != KVM_REG_LOONGARCH_DEBUG_INST) {
            return false;
        }
        if (refuses("zero")) {
            *(uint64_t *)reg->addr = 0;
            *ret = 0;
            return true;
        }
        *ret = -EINVAL;
        return refuses("register") || refuses("capability");
    case KVM_SET_GUEST_DEBUG:
        *ret = -EIO;
        return debug->control & KVM_GUESTDBG_ENABLE && fails_now();
    }
    return false;
}

int ioctl(int fd, unsigned long request, ...)
{
    uintptr_t arg;
    va_list rest;
    int ret;

    va_start(rest, request);
    arg = va_arg(rest, uintptr_t);
    va_end(rest);
    if (!answer(request, arg, &ret)) {
        return syscall(SYS_ioctl, fd, request, arg);
    }
    if (ret < 0) {
        errno = -ret;
        return -1;
    }
    return ret;
}
