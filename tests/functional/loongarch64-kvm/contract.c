/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What guest debugging on LoongArch rests on, asked of /dev/kvm itself: the
 * instruction that KVM_REG_LOONGARCH_DEBUG_INST names leaves the guest with
 * KVM_EXIT_DEBUG while debugging is on, and is an invalid hypercall while it
 * is off.  Runs on a LoongArch host, writes TAP.
 *
 * The guest is a few instructions in one page, in direct address mode.  It
 * ends with a store to where no memory is, which leaves with KVM_EXIT_MMIO.
 * No VMM is involved, and nothing of what one makes of the exits.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>
#include <linux/kvm.h>

#define HVCL(code)      (0x002b8000u | (code))
#define ADDI_D(rd, rj, value) \
    (0x02c00000u | ((value) & 0xfff) << 10 | (rj) << 5 | (rd))
#define ST_D(rd, rj)    (0x29c00000u | (rj) << 5 | (rd))
#define BREAK           HVCL(0x101)

#define A0 4
#define A1 5
#define T0 12

#define CODE_GPA        0x200000ull
#define CODE_SIZE       0x10000
#define MMIO_GPA        0x10000000ull
#define MARK            0x123456789abcdef0ull
#define SECONDS         10
/* CPUCFG2: FP with both widths, version 1; constant timer, version 1. */
#define CPUCFG2_VALUE   (0x7u | 1 << 3 | 1 << 14 | 1 << 15)

typedef struct Vcpu {
    int fd;
    struct kvm_run *run;
} Vcpu;

static int vm;
static uint32_t *code;
static int count;

static void bail(const char *what)
{
    printf("Bail out! %s: %s\n", what, strerror(errno));
    exit(1);
}

static void ok(bool good, const char *name)
{
    printf("%sok %d - %s\n", good ? "" : "not ", ++count, name);
    fflush(stdout);
}

static void on_alarm(int number)
{
    /* Its arrival makes KVM_RUN return with EINTR. */
    (void)number;
}

static uint64_t get_reg(Vcpu *v, uint64_t id)
{
    uint64_t value = 0;
    struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

    if (ioctl(v->fd, KVM_GET_ONE_REG, &reg) < 0) {
        bail("KVM_GET_ONE_REG");
    }
    return value;
}

static int set_reg(Vcpu *v, uint64_t id, uint64_t value)
{
    struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

    return ioctl(v->fd, KVM_SET_ONE_REG, &reg) < 0 ? -errno : 0;
}

static struct kvm_regs get_regs(Vcpu *v)
{
    struct kvm_regs regs;

    if (ioctl(v->fd, KVM_GET_REGS, &regs) < 0) {
        bail("KVM_GET_REGS");
    }
    return regs;
}

static int debug(Vcpu *v, uint32_t control)
{
    struct kvm_guest_debug dbg = { .control = control };

    return ioctl(v->fd, KVM_SET_GUEST_DEBUG, &dbg) < 0 ? -errno : 0;
}

static Vcpu make_vcpu(int kvm, int number)
{
    Vcpu v = { .fd = ioctl(vm, KVM_CREATE_VCPU, number) };
    int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

    if (v.fd < 0 || size < 0) {
        bail("KVM_CREATE_VCPU");
    }
    v.run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, v.fd, 0);
    if (v.run == MAP_FAILED) {
        bail("mmap of kvm_run");
    }
    if (set_reg(&v, KVM_IOC_CPUCFG(2), CPUCFG2_VALUE) < 0) {
        bail("setting CPUCFG 2");
    }
    return v;
}

static void make_vm(int kvm)
{
    struct kvm_userspace_memory_region region = {
        .guest_phys_addr = CODE_GPA,
        .memory_size = CODE_SIZE,
    };

    vm = ioctl(kvm, KVM_CREATE_VM, 0);
    if (vm < 0) {
        bail("KVM_CREATE_VM");
    }
    code = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    region.userspace_addr = (uintptr_t)code;
    if (code == MAP_FAILED ||
        ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0) {
        bail("KVM_SET_USER_MEMORY_REGION");
    }
}

/* Each register has a value of its own, but r0 and those the guest uses. */
static void start_at(Vcpu *v, uint64_t pc)
{
    struct kvm_regs regs = { .pc = pc };
    int i;

    for (i = 1; i < 32; i++) {
        regs.gpr[i] = MARK + i;
    }
    regs.gpr[A1] = 0;
    regs.gpr[T0] = MMIO_GPA;
    if (ioctl(v->fd, KVM_SET_REGS, &regs) < 0) {
        bail("KVM_SET_REGS");
    }
}

/* The word under test, then a1 += 1 and the end. */
static void load(uint32_t word)
{
    code[0] = word;
    code[1] = ADDI_D(A1, A1, 1);
    code[2] = ST_D(A1, T0);
    code[3] = BREAK;
    __builtin___clear_cache((char *)code, (char *)(code + 4));
}

static void put_word(uint32_t word)
{
    code[0] = word;
    __builtin___clear_cache((char *)code, (char *)(code + 1));
}

/* Runs until the guest leaves; the reason, or a negative errno. */
static int run(Vcpu *v)
{
    struct itimerval limit = { .it_value.tv_sec = SECONDS };
    struct itimerval none = { .it_value.tv_sec = 0 };
    int ret;

    setitimer(ITIMER_REAL, &limit, NULL);
    ret = ioctl(v->fd, KVM_RUN, 0) < 0 ? -errno : (int)v->run->exit_reason;
    setitimer(ITIMER_REAL, &none, NULL);
    return ret;
}

static bool stopped_at(Vcpu *v, int reason, uint64_t pc)
{
    return reason == KVM_EXIT_DEBUG && get_regs(v).pc == pc;
}

/* It came through to its end, having added to a1 once. */
static bool ended(Vcpu *v, int reason)
{
    uint64_t data;

    memcpy(&data, v->run->mmio.data, sizeof(data));
    return reason == KVM_EXIT_MMIO && v->run->mmio.is_write &&
           v->run->mmio.phys_addr == MMIO_GPA && data == 1;
}

/* As start_at() left them, but for those named in the mask. */
static bool registers_kept(Vcpu *v, uint32_t but)
{
    struct kvm_regs regs = get_regs(v);
    int i;

    for (i = 1; i < 32; i++) {
        if (!(but & 1u << i) && i != A1 && i != T0 &&
            regs.gpr[i] != MARK + i) {
            return false;
        }
    }
    return regs.gpr[0] == 0;
}

/* The word is an invalid hypercall: a0 = -1, on to the next, nothing else. */
static bool is_invalid_call(Vcpu *v, uint32_t word)
{
    load(word);
    start_at(v, CODE_GPA);
    return ended(v, run(v)) && get_regs(v).gpr[A0] == (uint64_t)-1 &&
           registers_kept(v, 1u << A0);
}

static void test_capability(int kvm)
{
    ok(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_SET_GUEST_DEBUG) == 1,
       "KVM_CAP_SET_GUEST_DEBUG is 1");
    ok(ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_SET_GUEST_DEBUG) == 1,
       "KVM_CAP_SET_GUEST_DEBUG is 1 for the VM too");
}

static void test_register(Vcpu *v)
{
    ok(get_reg(v, KVM_REG_LOONGARCH_DEBUG_INST) == BREAK,
       "KVM_REG_LOONGARCH_DEBUG_INST is hvcl 0x101");
    ok(set_reg(v, KVM_REG_LOONGARCH_DEBUG_INST, HVCL(0x102)) == -EINVAL &&
       get_reg(v, KVM_REG_LOONGARCH_DEBUG_INST) == BREAK,
       "KVM_REG_LOONGARCH_DEBUG_INST cannot be set");
}

static void test_flags(Vcpu *v)
{
    const uint32_t valid = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP |
                           KVM_GUESTDBG_USE_SW_BP;
    bool refused = true, taken = true;
    uint32_t control;
    int bit;

    for (bit = 0; bit < 32; bit++) {
        if (!(valid & 1u << bit)) {
            refused &= debug(v, 1u << bit) == -EINVAL;
            refused &= debug(v, valid | 1u << bit) == -EINVAL;
        }
    }
    ok(refused, "KVM_SET_GUEST_DEBUG refuses every other flag with EINVAL");
    for (control = valid; control; control = (control - 1) & valid) {
        taken &= debug(v, control) == 0;
    }
    ok(taken && debug(v, 0) == 0, "KVM_SET_GUEST_DEBUG takes the valid flags");

    debug(v, KVM_GUESTDBG_ENABLE);
    debug(v, KVM_GUESTDBG_ENABLE | 1u << 17);
    load(BREAK);
    start_at(v, CODE_GPA);
    ok(stopped_at(v, run(v), CODE_GPA), "a refusal leaves debugging as it was");
    debug(v, 0);
}

static void test_off(Vcpu *v)
{
    debug(v, 0);
    ok(is_invalid_call(v, BREAK), "off: a0 = -1 and pc + 4");
    debug(v, KVM_GUESTDBG_USE_SW_BP);
    ok(is_invalid_call(v, BREAK), "off: KVM_GUESTDBG_USE_SW_BP alone");
    debug(v, KVM_GUESTDBG_ENABLE);
    debug(v, 0);
    ok(is_invalid_call(v, BREAK), "off again after it was on");
}

static void test_on(Vcpu *v, uint32_t control, const char *name)
{
    char text[100];
    bool again = true;
    int i;

    debug(v, control);
    load(BREAK);
    start_at(v, CODE_GPA);
    snprintf(text, sizeof(text), "%s: KVM_EXIT_DEBUG, pc on it", name);
    ok(stopped_at(v, run(v), CODE_GPA), text);
    snprintf(text, sizeof(text), "%s: no register has changed", name);
    ok(registers_kept(v, 0), text);
    for (i = 0; i < 3; i++) {
        again &= stopped_at(v, run(v), CODE_GPA);
    }
    snprintf(text, sizeof(text), "%s: again at each entry", name);
    ok(again && registers_kept(v, 0), text);

    start_at(v, CODE_GPA + 4);
    snprintf(text, sizeof(text), "%s: code without it runs", name);
    ok(ended(v, run(v)), text);
    snprintf(text, sizeof(text), "%s: and stops at the next one", name);
    ok(stopped_at(v, run(v), CODE_GPA + 12), text);
    debug(v, 0);
}

static void test_replace(Vcpu *v)
{
    bool good = true;
    int i;

    debug(v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP);
    load(ADDI_D(A0, A0, 5));
    for (i = 0; i < 3; i++) {
        put_word(BREAK);
        start_at(v, CODE_GPA);
        good &= stopped_at(v, run(v), CODE_GPA);
        put_word(ADDI_D(A0, A0, 5));
        good &= ended(v, run(v)) && get_regs(v).gpr[A0] == MARK + A0 + 5;
    }
    ok(good, "on: the word lifted, its original runs; planted, it stops again");

    put_word(BREAK);
    start_at(v, CODE_GPA);
    good = stopped_at(v, run(v), CODE_GPA);
    debug(v, 0);
    ok(good && ended(v, run(v)) && get_regs(v).gpr[A0] == (uint64_t)-1,
       "switched off at a stop: a0 = -1 and on");
}

static void test_other_codes(Vcpu *v)
{
    static const uint32_t codes[] = {
        0, 1, 0x102, 0x103, 0x1ff, 0x201, 0x2101, 0x4101, 0x7fff
    };
    bool on = true, off = true;
    size_t i;

    for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        debug(v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP);
        on &= is_invalid_call(v, HVCL(codes[i]));
        debug(v, 0);
        off &= is_invalid_call(v, HVCL(codes[i]));
    }
    ok(on, "on: other hypercall codes are invalid: a0 = -1 and pc + 4");
    ok(off, "off: other hypercall codes are invalid: a0 = -1 and pc + 4");
}

static void test_other_vcpu(Vcpu *first, Vcpu *second)
{
    debug(first, KVM_GUESTDBG_ENABLE);
    debug(second, 0);
    ok(is_invalid_call(second, BREAK), "off on this vCPU, on on another");
    load(BREAK);
    start_at(first, CODE_GPA);
    ok(stopped_at(first, run(first), CODE_GPA),
       "on on this vCPU, off on another");
    debug(first, 0);
}

int main(void)
{
    struct sigaction action = { .sa_handler = on_alarm };
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    Vcpu first, second;

    printf("1..26\n");
    if (kvm < 0) {
        bail("/dev/kvm");
    }
    sigaction(SIGALRM, &action, NULL);
    make_vm(kvm);
    first = make_vcpu(kvm, 0);
    second = make_vcpu(kvm, 1);

    test_capability(kvm);
    test_register(&first);
    test_flags(&first);
    test_off(&first);
    test_on(&first, KVM_GUESTDBG_ENABLE, "ENABLE");
    test_on(&first, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP,
            "ENABLE and USE_SW_BP");
    test_replace(&first);
    test_other_codes(&first);
    test_other_vcpu(&first, &second);
    return 0;
}
