/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many processes that fork, map, fault, change their own code and compute in
 * every register, and at the end one line that depends on nothing but the
 * arguments:
 *
 *   stress SEED WORKERS ROUNDS
 *
 * Run in a guest and in its host it must print the same.  Where a check of its
 * own fails it says which, in which worker and round, and exits with 1.  What
 * runs when is left to the scheduler; no result depends on it.
 *
 * Each of WORKERS processes does ROUNDS times one of the operations in the
 * table near the end, chosen by a generator that SEED and its number start.
 * It needs some 2 MiB a worker, a /proc, and no privilege.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS_MAX     256
#define WORD            sizeof(uint64_t)
#define VECTORS         32
#define VECTOR_SIZE     32
#define FCCS            8
/* The kernel's HWCAP_LOONGARCH_LSX and HWCAP_LOONGARCH_LASX */
#define HWCAP_LSX       (1ul << 4)
#define HWCAP_LASX      (1ul << 5)

static size_t page;
static int worker = -1, round_now;
static const char *operation = "start";

/*
 * Help for all operations
 */

__attribute__((noreturn, format(printf, 1, 2)))
static void fail(const char *format, ...)
{
    char text[200];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fprintf(stderr, "stress: worker %d, round %d, %s: %s\n",
            worker, round_now, operation, text);
    _exit(1);
}

/* splitmix64 */
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static uint64_t below(uint64_t *state, uint64_t limit)
{
    return next(state) % limit;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x100000001b3ull;
    return hash ^ (hash >> 29);
}

static void fill(uint64_t *p, size_t words, uint64_t seed)
{
    for (size_t i = 0; i < words; i++) {
        p[i] = seed + i * 0x9e3779b97f4a7c15ull;
    }
}

static uint64_t hash_of(const uint64_t *p, size_t words)
{
    uint64_t hash = words;

    for (size_t i = 0; i < words; i++) {
        hash = mix(hash, p[i]);
    }
    return hash;
}

static void *map_at(void *where, size_t size, int prot, int flags)
{
    void *p = mmap(where, size, prot, flags | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        fail("mmap: %s", strerror(errno));
    }
    return p;
}

static uint64_t *map(size_t pages, int flags)
{
    return map_at(NULL, pages * page, PROT_READ | PROT_WRITE, flags);
}

static void unmap(void *p, size_t pages)
{
    if (munmap(p, pages * page) < 0) {
        fail("munmap: %s", strerror(errno));
    }
}

static pid_t fork_child(void)
{
    pid_t pid = fork();

    if (pid < 0) {
        fail("fork: %s", strerror(errno));
    }
    return pid;
}

static void await(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            fail("waitpid: %s", strerror(errno));
        }
    }
    if (status) {
        fail("a child ended with status 0x%x", status);
    }
}

static void open_pipe(int ends[2])
{
    if (pipe(ends) < 0) {
        fail("pipe: %s", strerror(errno));
    }
}

static void send_word(int fd, uint64_t value)
{
    if (write(fd, &value, WORD) != WORD) {
        fail("write: %s", strerror(errno));
    }
}

static uint64_t receive_word(int fd)
{
    uint64_t value;
    ssize_t n;

    do {
        n = read(fd, &value, WORD);
    } while (n < 0 && errno == EINTR);
    if (n != WORD) {
        fail("a child has sent nothing");
    }
    return value;
}

/*
 * Registers: all of the widest file that there is, with FCC and FCSR, over
 * context switches.
 */

typedef struct Registers {
    uint8_t vector[VECTORS * VECTOR_SIZE];
    uint8_t fcc[FCCS];
    uint32_t fcsr;
} __attribute__((aligned(VECTOR_SIZE))) Registers;

#define EACH_REGISTER(LINE)                                             \
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, "    \
    "16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"  \
    LINE "\n.endr\n"
#define EACH_FCC(LINE) ".irp n, 0, 1, 2, 3, 4, 5, 6, 7\n" LINE "\n.endr\n"
#define ALL_VECTORS                                                     \
    "$f0", "$f1", "$f2", "$f3", "$f4", "$f5", "$f6", "$f7", "$f8",      \
    "$f9", "$f10", "$f11", "$f12", "$f13", "$f14", "$f15", "$f16",      \
    "$f17", "$f18", "$f19", "$f20", "$f21", "$f22", "$f23", "$f24",     \
    "$f25", "$f26", "$f27", "$f28", "$f29", "$f30", "$f31",             \
    "$fcc0", "$fcc1", "$fcc2", "$fcc3", "$fcc4", "$fcc5", "$fcc6", "$fcc7"

/* Load all, give the CPU away, keep it busy for a while, store all. */
#define DEFINE_PASS(NAME, LOAD, STORE, FILE)                            \
static void NAME(const Registers *in, Registers *out, long yields,      \
                 long spins)                                            \
{                                                                       \
    asm volatile(                                                       \
        EACH_REGISTER(LOAD " " FILE "\\n, %[in], \\n * 32")             \
        EACH_FCC("ld.bu $t0, %[in], 1024 + \\n\n"                       \
                 "movgr2cf $fcc\\n, $t0")                               \
        "ld.wu $t0, %[in], 1032\n"                                      \
        "movgr2fcsr $fcsr0, $t0\n"                                      \
        "1: li.w $a7, 124\n"            /* sched_yield() */             \
        "syscall 0\n"                                                   \
        "addi.d %[yields], %[yields], -1\n"                             \
        "bnez %[yields], 1b\n"                                          \
        "2: addi.d %[spins], %[spins], -1\n"                            \
        "bnez %[spins], 2b\n"                                           \
        EACH_REGISTER(STORE " " FILE "\\n, %[out], \\n * 32")           \
        EACH_FCC("movcf2gr $t0, $fcc\\n\n"                              \
                 "st.b $t0, %[out], 1024 + \\n")                        \
        "movfcsr2gr $t0, $fcsr0\n"                                      \
        "st.w $t0, %[out], 1032\n"                                      \
        "movgr2fcsr $fcsr0, $zero\n"                                    \
        : [yields] "+r"(yields), [spins] "+r"(spins)                    \
        : [in] "r"(in), [out] "r"(out)                                  \
        : "$a0", "$a7", "$t0", "$t1", "$t2", "$t3", "$t4", "$t5",       \
          "$t6", "$t7", "$t8", "memory", ALL_VECTORS);                  \
}

DEFINE_PASS(pass_fp, "fld.d", "fst.d", "$f")
DEFINE_PASS(pass_lsx, "vld", "vst", "$vr")
DEFINE_PASS(pass_lasx, "xvld", "xvst", "$xr")

static size_t vector_width(void)
{
    unsigned long hwcap = getauxval(AT_HWCAP);

    return hwcap & HWCAP_LASX ? 32 : hwcap & HWCAP_LSX ? 16 : 8;
}

static void check_registers(uint64_t seed, long yields, long spins)
{
    Registers in, out;
    size_t width = vector_width();

    memset(&in, 0, sizeof(in));
    memset(&out, 0xff, sizeof(out));
    fill((uint64_t *)in.vector, sizeof(in.vector) / WORD, seed);
    for (int i = 0; i < FCCS; i++) {
        in.fcc[i] = seed >> i & 1;
    }
    /* Rounding mode and the flags; no enable bit, so that nothing traps. */
    in.fcsr = (seed >> 8 & 0x3) << 8 | (seed >> 10 & 0x1f) << 16;

    (width == 32 ? pass_lasx : width == 16 ? pass_lsx : pass_fp)
        (&in, &out, yields, spins);

    for (int i = 0; i < VECTORS; i++) {
        if (memcmp(in.vector + i * VECTOR_SIZE, out.vector + i * VECTOR_SIZE,
                   width)) {
            fail("vector register %d has changed", i);
        }
    }
    if (memcmp(in.fcc, out.fcc, FCCS)) {
        fail("an fcc register has changed");
    }
    if (in.fcsr != out.fcsr) {
        fail("fcsr0 was 0x%x and is 0x%x", in.fcsr, out.fcsr);
    }
}

static uint64_t do_registers(uint64_t *state)
{
    uint64_t hash = 0;

    for (int i = 0; i < 20; i++) {
        uint64_t seed = next(state);

        check_registers(seed, 1 + below(state, 4), 1 + below(state, 20000));
        hash = mix(hash, seed);
    }
    return hash;
}

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
    Registers other;

    (void)number;
    memset(&other, 0x5a, sizeof(other));
    other.fcsr = 0;
    (vector_width() == 32 ? pass_lasx :
     vector_width() == 16 ? pass_lsx : pass_fp)(&other, &other, 1, 1);
    alarms++;
}

/* The same with a signal handler that uses them too. */
static uint64_t do_signals(uint64_t *state)
{
    struct sigaction action = { .sa_handler = on_alarm,
                                .sa_flags = SA_RESTART };
    struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
    struct itimerval never = { { 0, 0 }, { 0, 0 } };
    uint64_t seed = next(state);

    alarms = 0;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    while (alarms < 4) {
        check_registers(seed += alarms, 1, 20000);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    return mix(1, 4);
}

static uint64_t do_float(uint64_t *state)
{
    double x = (double)(below(state, 1 << 20) + 1), y = 0, root;
    uint64_t bits;

    for (int i = 1; i < 20000; i++) {
        y += x / i;
        asm("fsqrt.d %0, %1" : "=f"(root) : "f"(x * x + y));
        x = root - y / (i + x);
    }
    memcpy(&bits, &y, sizeof(bits));
    return mix(2, bits);
}

/*
 * Memory
 */

/* Parent and child change different pages of what both had before. */
static uint64_t split(uint64_t *p, size_t pages, uint64_t seed, int depth)
{
    size_t words = page / WORD;
    uint64_t hash, from_child;
    int ends[2];
    pid_t pid;

    open_pipe(ends);
    pid = fork_child();
    for (size_t i = 0; i < pages; i++) {
        if ((seed >> i & 1) == (pid == 0)) {
            fill(p + i * words, words, seed * (i + 3) + (pid == 0));
        }
        if (seed >> (i + 32) & 1) {
            sched_yield();
        }
    }
    if (pid == 0) {
        hash = depth ? split(p, pages, seed * 5 + 1, depth - 1)
                     : hash_of(p, pages * words);
        send_word(ends[1], hash);
        _exit(0);
    }
    hash = hash_of(p, pages * words);
    from_child = receive_word(ends[0]);
    await(pid);
    close(ends[0]);
    close(ends[1]);
    if (hash_of(p, pages * words) != hash) {
        fail("the child's writes are seen by its parent");
    }
    return mix(hash, from_child);
}

static uint64_t do_private(uint64_t *state)
{
    size_t pages = 8 + below(state, 24);
    uint64_t *p = map(pages, MAP_PRIVATE);
    uint64_t hash;

    fill(p, pages * page / WORD, next(state));
    hash = split(p, pages, next(state), below(state, 3));
    unmap(p, pages);
    return hash;
}

/* Three processes write every third word of the same pages. */
static uint64_t do_shared(uint64_t *state)
{
    enum { PARTS = 3 };
    size_t pages = 4 + below(state, 8), words = pages * page / WORD;
    uint64_t *p = map(pages, MAP_SHARED);
    uint64_t seed = next(state), hash;
    pid_t pids[PARTS];

    for (int part = 0; part < PARTS; part++) {
        pids[part] = fork_child();
        if (pids[part] == 0) {
            for (int turn = 0; turn < 4; turn++) {
                for (size_t i = part; i < words; i += PARTS) {
                    p[i] = mix(seed + i, turn);
                }
            }
            _exit(0);
        }
    }
    for (int part = 0; part < PARTS; part++) {
        await(pids[part]);
    }
    for (size_t i = 0; i < words; i++) {
        if (p[i] != mix(seed + i, 3)) {
            fail("shared word %zu is 0x%" PRIx64, i, p[i]);
        }
    }
    hash = hash_of(p, words);
    unmap(p, pages);
    return hash;
}

typedef struct Counters {
    atomic_ulong by_add;
    atomic_ulong by_cas;
    atomic_uint by_word;
    /* An LL/SC loop also where the compiler would use one instruction */
    uint64_t by_llsc;
} Counters;

static void add_llsc(uint64_t *p)
{
    uint64_t value;

    asm volatile("1: ll.d %0, %1\n"
                 "addi.d %0, %0, 1\n"
                 "sc.d %0, %1\n"
                 "beqz %0, 1b\n"
                 : "=&r"(value), "+ZC"(*p) : : "memory");
}

static void count(Counters *c, int times)
{
    for (int i = 0; i < times; i++) {
        unsigned long seen = atomic_load(&c->by_cas);

        atomic_fetch_add(&c->by_add, 1);
        atomic_fetch_add(&c->by_word, 1);
        while (!atomic_compare_exchange_weak(&c->by_cas, &seen, seen + 1)) {
            /* somebody else was faster */
        }
        add_llsc(&c->by_llsc);
    }
}

static uint64_t do_atomics(uint64_t *state)
{
    enum { PARTS = 3 };
    int times = 500 + below(state, 1500);
    Counters *c = (Counters *)map(1, MAP_SHARED);
    unsigned long want = PARTS * times;
    pid_t pids[PARTS];

    for (int part = 0; part < PARTS; part++) {
        pids[part] = fork_child();
        if (pids[part] == 0) {
            count(c, times);
            _exit(0);
        }
    }
    for (int part = 0; part < PARTS; part++) {
        await(pids[part]);
    }
    if (c->by_add != want || c->by_cas != want || c->by_word != want ||
        c->by_llsc != want) {
        fail("%lu counts are %lu by amadd, %lu by compare-and-swap, "
             "%u by amadd.w, %" PRIu64 " by ll/sc", want, c->by_add,
             c->by_cas, c->by_word, c->by_llsc);
    }
    unmap(c, 1);
    return mix(3, want);
}

static uint8_t *guarded;
static size_t guarded_size;
static volatile sig_atomic_t refusals;

static void on_segv(int number, siginfo_t *info, void *context)
{
    uint8_t *at = info->si_addr;

    (void)number;
    (void)context;
    if (at < guarded || at >= guarded + guarded_size) {
        fail("a stray access to %p", (void *)at);
    }
    refusals++;
    at = (uint8_t *)((uintptr_t)at & ~(page - 1));
    if (mprotect(at, page, PROT_READ | PROT_WRITE) < 0) {
        fail("mprotect in the handler: %s", strerror(errno));
    }
}

/* Every page that is not writable must refuse the write, once. */
static uint64_t do_protect(uint64_t *state)
{
    struct sigaction action = { .sa_sigaction = on_segv,
                                .sa_flags = SA_SIGINFO };
    size_t pages = 8 + below(state, 24), words = page / WORD;
    uint64_t *p = map(pages, MAP_PRIVATE);
    uint64_t seed = next(state), hash;
    int want = 0;

    guarded = (uint8_t *)p;
    guarded_size = pages * page;
    refusals = 0;
    sigaction(SIGSEGV, &action, NULL);
    fill(p, pages * words, seed);
    for (size_t i = 0; i < pages; i++) {
        if (seed >> i & 1) {
            mprotect(p + i * words, page,
                     seed >> (i + 32) & 1 ? PROT_READ : PROT_NONE);
            want++;
        }
    }
    for (size_t i = 0; i < pages * words; i += 16) {
        /* volatile: each store is to fault by itself */
        ((volatile uint64_t *)p)[i] = seed * i;
    }
    if (refusals != want) {
        fail("%d pages were protected, %d refused a write", want,
             (int)refusals);
    }
    hash = hash_of(p, pages * words);
    unmap(p, pages);
    signal(SIGSEGV, SIG_DFL);
    return mix(hash, want);
}

static uint64_t do_remap(uint64_t *state)
{
    size_t pages = 4 + below(state, 12), words = pages * page / WORD;
    uint64_t *p = map(pages, MAP_PRIVATE);
    uint64_t hash;

    fill(p, words, next(state));
    hash = hash_of(p, words);
    for (int i = 0; i < 6; i++) {
        size_t more = pages + 1 + below(state, 8);
        uint64_t *place = map(more, MAP_PRIVATE);

        /* To a place where something else was a moment ago */
        place[below(state, words)] = 1;
        p = mremap(p, pages * page, more * page,
                   MREMAP_MAYMOVE | MREMAP_FIXED, place);
        if (p == MAP_FAILED) {
            fail("mremap: %s", strerror(errno));
        }
        if (hash_of(p, words) != hash) {
            fail("moved memory has changed");
        }
        unmap(p + words, more - pages);
    }
    unmap(p, pages);
    return hash;
}

static uint64_t do_dontneed(uint64_t *state)
{
    size_t pages = 8 + below(state, 24), words = page / WORD;
    uint64_t *p = map(pages, MAP_PRIVATE);
    uint64_t hash = 0;

    for (int turn = 0; turn < 4; turn++) {
        uint64_t seed = next(state);

        for (size_t i = 0; i < pages; i++) {
            uint64_t *here = p + i * words;

            if (seed >> i & 1) {
                fill(here, words, seed + i);
            } else if (madvise(here, page, MADV_DONTNEED) < 0) {
                fail("madvise: %s", strerror(errno));
            } else if (here[below(state, words)] != 0) {
                fail("memory that was given back is not zero");
            }
        }
        hash = mix(hash, hash_of(p, pages * words));
    }
    unmap(p, pages);
    return hash;
}

static uint64_t do_memfd(uint64_t *state)
{
    size_t pages = 4 + below(state, 12), words = pages * page / WORD;
    int fd = memfd_create("stress", MFD_CLOEXEC);
    uint64_t *p, hash = 0;

    if (fd < 0 || ftruncate(fd, pages * page) < 0) {
        fail("memfd: %s", strerror(errno));
    }
    p = mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        fail("mmap of a memfd: %s", strerror(errno));
    }
    for (int i = 0; i < 200; i++) {
        uint64_t value = next(state), where = below(state, words), seen;

        if (i & 1) {
            p[where] = value;
            if (pread(fd, &seen, WORD, where * WORD) != WORD) {
                fail("pread: %s", strerror(errno));
            }
        } else {
            if (pwrite(fd, &value, WORD, where * WORD) != WORD) {
                fail("pwrite: %s", strerror(errno));
            }
            seen = p[where];
        }
        if (seen != value) {
            fail("a file and its mapping differ");
        }
    }
    hash = hash_of(p, words);
    unmap(p, pages);
    close(fd);
    return hash;
}

static uint64_t __attribute__((noinline)) deep(uint64_t seed, int depth)
{
    uint64_t frame[256], hash;

    fill(frame, 256, seed);
    asm volatile("" : : "r"(frame) : "memory");
    hash = depth ? deep(seed * 3 + 1, depth - 1) : seed;
    return mix(hash, hash_of(frame, 256));
}

static uint64_t do_stack(uint64_t *state)
{
    return deep(next(state), 50 + below(state, 400));
}

/*
 * Processes, threads, code
 */

static uint64_t do_forks(uint64_t *state)
{
    uint64_t *p = map(1, MAP_SHARED);
    int times = 20 + below(state, 20);
    uint64_t hash;

    for (int i = 0; i < times; i++) {
        pid_t pid = fork_child();

        if (pid == 0) {
            p[i] = mix(i, p[0]);
            _exit(0);
        }
        await(pid);
    }
    hash = hash_of(p, times);
    unmap(p, 1);
    return hash;
}

static uint64_t leaf(uint64_t seed)
{
    uint64_t *p = map(4, MAP_PRIVATE);

    fill(p, 4 * page / WORD, seed);
    return hash_of(p, 4 * page / WORD);
}

static uint64_t do_exec(uint64_t *state)
{
    uint64_t seed = next(state), hash;
    char text[2][24];
    int ends[2];
    pid_t pid;

    open_pipe(ends);
    pid = fork_child();
    if (pid == 0) {
        snprintf(text[0], sizeof(text[0]), "%" PRIu64, seed);
        snprintf(text[1], sizeof(text[1]), "%d", ends[1]);
        execl("/proc/self/exe", "stress", "leaf", text[0], text[1], NULL);
        fail("exec: %s", strerror(errno));
    }
    hash = receive_word(ends[0]);
    await(pid);
    close(ends[0]);
    close(ends[1]);
    if (hash != leaf(seed)) {
        fail("an executed copy has another result");
    }
    return hash;
}

/* addi.d a0, a0, N; jirl zero, ra, 0: written, run, rewritten */
static uint64_t do_code(uint64_t *state)
{
    uint32_t *code = map_at(NULL, 2 * page, PROT_READ | PROT_WRITE | PROT_EXEC,
                            MAP_PRIVATE);
    uint64_t hash = 4;

    for (int i = 0; i < 60; i++) {
        /* Also with the two instructions on two pages */
        size_t at = i % 3 ? below(state, 2 * page / 4 - 1) : page / 4 - 1;
        unsigned int n = below(state, 2048);
        uint64_t start = next(state);
        uint64_t (*function)(uint64_t) = (void *)(code + at);

        code[at] = 0x02c00084 | n << 10;
        code[at + 1] = 0x4c000020;
        __builtin___clear_cache((char *)(code + at), (char *)(code + at + 2));
        if (function(start) != start + n) {
            fail("old code was run");
        }
        hash = mix(hash, start + n);
    }
    unmap(code, 2);
    return hash;
}

enum { READERS = 2 };

typedef struct Shootdown {
    volatile uint64_t *area;    /* read anew: the page changes under it */
    _Atomic uint64_t generation;
    _Atomic uint64_t seen[READERS];
    _Atomic uint64_t wrong;
    uint64_t last;
} Shootdown;

typedef struct Reader {
    Shootdown *s;
    int number;
} Reader;

static void *read_generations(void *opaque)
{
    Reader *r = opaque;
    Shootdown *s = r->s;

    for (uint64_t g = 1; g <= s->last; g++) {
        while (atomic_load(&s->generation) < g) {
            sched_yield();
        }
        if (*s->area != g) {
            atomic_store(&s->wrong, g);
        }
        atomic_store(&s->seen[r->number], g);
    }
    return NULL;
}

/* A page replaced by one thread must be gone for the others. */
static uint64_t do_threads(uint64_t *state)
{
    static Shootdown s;
    Reader readers[READERS];
    pthread_t threads[READERS];

    memset(&s, 0, sizeof(s));
    s.last = 20 + below(state, 40);
    s.area = map(1, MAP_PRIVATE);
    for (int i = 0; i < READERS; i++) {
        readers[i] = (Reader){ &s, i };
        if (pthread_create(&threads[i], NULL, read_generations, &readers[i])) {
            fail("no thread can be made");
        }
    }
    for (uint64_t g = 1; g <= s.last; g++) {
        map_at((void *)s.area, page, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_FIXED);
        *s.area = g;
        atomic_store(&s.generation, g);
        for (int i = 0; i < READERS; i++) {
            while (atomic_load(&s.seen[i]) < g) {
                sched_yield();
            }
        }
    }
    for (int i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
    }
    if (s.wrong) {
        fail("a thread has seen the page of generation %" PRIu64
             " replaced too late", s.wrong);
    }
    unmap((void *)s.area, 1);
    return mix(5, s.last);
}

static const struct {
    const char *name;
    uint64_t (*perform)(uint64_t *state);
} operations[] = {
    { "registers", do_registers },
    { "signals", do_signals },
    { "float", do_float },
    { "private", do_private },
    { "shared", do_shared },
    { "atomics", do_atomics },
    { "protect", do_protect },
    { "remap", do_remap },
    { "dontneed", do_dontneed },
    { "memfd", do_memfd },
    { "stack", do_stack },
    { "forks", do_forks },
    { "exec", do_exec },
    { "code", do_code },
    { "threads", do_threads },
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static uint64_t work(uint64_t seed, int rounds)
{
    uint64_t state = mix(seed, worker), hash = seed;
    size_t first = below(&state, OPERATIONS);

    for (round_now = 0; round_now < rounds; round_now++) {
        size_t i = (first + round_now) % OPERATIONS;

        operation = operations[i].name;
        hash = mix(hash, operations[i].perform(&state));
        /* What one leaves in its generator is another's start. */
        hash = mix(hash, next(&state));
    }
    return hash;
}

static uint64_t number(const char *text)
{
    uint64_t value = 0;

    if (sscanf(text, "%" SCNu64, &value) != 1) {
        fail("%s is not a number", text);
    }
    return value;
}

int main(int argc, char **argv)
{
    uint64_t seed, *results, hash;
    int workers, rounds;
    pid_t pids[WORKERS_MAX];

    page = getauxval(AT_PAGESZ);
    if (argc == 4 && !strcmp(argv[1], "leaf")) {
        operation = "exec";
        send_word(atoi(argv[3]), leaf(number(argv[2])));
        return 0;
    }
    workers = argc == 4 ? atoi(argv[2]) : 0;
    rounds = argc == 4 ? atoi(argv[3]) : 0;
    if (workers < 1 || workers > WORKERS_MAX || rounds < 1) {
        fprintf(stderr, "Usage: stress SEED WORKERS ROUNDS\n");
        return 2;
    }
    seed = number(argv[1]);
    results = map_at(NULL, WORKERS_MAX * WORD, PROT_READ | PROT_WRITE,
                     MAP_SHARED);
    for (worker = 0; worker < workers; worker++) {
        pids[worker] = fork_child();
        if (pids[worker] == 0) {
            results[worker] = work(seed, rounds);
            _exit(0);
        }
    }
    worker = -1;
    operation = "end";
    for (int i = 0; i < workers; i++) {
        await(pids[i]);
    }
    hash = hash_of(results, workers);
    printf("stress: %" PRIu64 " %d %d, %zu-bit vectors: %016" PRIx64 "\n",
           seed, workers, rounds, vector_width() * 8, hash);
    return 0;
}
