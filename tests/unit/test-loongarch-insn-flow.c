/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unit test of target/loongarch/insn-flow.c
 *
 * The instruction words and their targets are what the GNU assembler made and
 * its disassembler printed of them, at the addresses given.
 */

#include <glib.h>

#include "target/loongarch/insn-flow.h"

#define AT              0x9000000000204000ull
#define BASE            0x9000000000200000ull
#define FWD             0x9000000000204084ull
#define FAR             0x9000000000208088ull
#define NEXT(offset)    (AT + (offset) + 4)

#define RA              0x9000000000300000ull
#define T0              0x0000000120000ff0ull

static const struct {
    const char *name;
    uint32_t insn;
    uint64_t offset;
    int n;
    uint64_t next[2];
} flows[] = {
    { "b-self", 0x50000000, 0x00, 1, { AT } },
    { "b-back", 0x53bfffff, 0x04, 1, { BASE } },
    { "bl-back", 0x57bffbff, 0x08, 1, { BASE } },
    { "bl-far", 0x54407c00, 0x0c, 1, { FAR } },
    { "beqz", 0x43bff19f, 0x10, 2, { NEXT(0x10), BASE } },
    { "bnez", 0x44007180, 0x14, 2, { NEXT(0x14), FWD } },
    { "bceqz", 0x4bbfe81f, 0x18, 2, { NEXT(0x18), BASE } },
    { "bcnez", 0x480069e0, 0x1c, 2, { NEXT(0x1c), FWD } },
    { "jirl-call", 0x4c010181, 0x20, 1, { T0 + 0x100 } },
    { "jirl-ret", 0x4c000020, 0x24, 1, { RA } },
    { "jirl-back", 0x4ffffc20, 0x28, 1, { RA - 4 } },
    { "beq", 0x5bbfd485, 0x2c, 2, { NEXT(0x2c), BASE } },
    { "bne", 0x5c005485, 0x30, 2, { NEXT(0x30), FWD } },
    { "blt", 0x63bfcc85, 0x34, 2, { NEXT(0x34), BASE } },
    { "bge", 0x64004c85, 0x38, 2, { NEXT(0x38), FWD } },
    { "bltu", 0x6bbfc485, 0x3c, 2, { NEXT(0x3c), BASE } },
    { "bgeu", 0x6c004485, 0x40, 2, { NEXT(0x40), FWD } },
    { "addi.d", 0x02c00484, 0x44, 1, { NEXT(0x44) } },
    { "ld.d", 0x28c020a4, 0x48, 1, { NEXT(0x48) } },
    { "ertn", 0x06483800, 0x4c, 0, { 0 } },
    { "syscall-0", 0x002b0000, 0x50, 0, { 0 } },
    { "syscall-7fff", 0x002b7fff, 0x54, 0, { 0 } },
    { "break-0", 0x002a0000, 0x58, 0, { 0 } },
    { "break-5", 0x002a0005, 0x5c, 0, { 0 } },
    { "dbcl", 0x002a8000, 0x60, 0, { 0 } },
    { "hvcl-101", 0x002b8101, 0x60, 0, { 0 } },
    { "idle", 0x06488000, 0x64, 0, { 0 } },
    { "csrrd", 0x0400140c, 0x74, 1, { NEXT(0x74) } },
    { "ll.d", 0x2200008c, 0x7c, 1, { NEXT(0x7c) } },
    { "sc.d", 0x2300008c, 0x80, 1, { NEXT(0x80) } },
};

static const struct {
    const char *name;
    uint32_t insn;
    unsigned int csr;
} accesses[] = {
    { "csrrd-crmd", 0x0400000c, 0x0 },
    { "csrwr-crmd", 0x0400002c, 0x0 },
    { "csrxchg-crmd", 0x040001ac, 0x0 },
    { "csrrd-estat", 0x0400140c, 0x5 },
    { "csrwr-dmw0", 0x0406002c, 0x180 },
};

static void test_flow(gconstpointer data)
{
    size_t i = GPOINTER_TO_SIZE(data);
    uint64_t gpr[32] = { [1] = RA, [12] = T0 };
    uint64_t next[2] = { 0, 0 };
    int n = loongarch_insn_successors(flows[i].insn, AT + flows[i].offset,
                                      gpr, next);

    g_assert_cmpint(n, ==, flows[i].n);
    for (int k = 0; k < n; k++) {
        g_assert_cmphex(next[k], ==, flows[i].next[k]);
    }
}

/* One register pair, and whether beq, bne, blt, bge, bltu, bgeu branch. */
static const struct {
    uint64_t a0, a1;
    const char *taken;
} pairs[] = {
    { 5, 5, "beq bge bgeu" },
    { 4, 5, "bne blt bltu" },
    { 5, 4, "bne bge bgeu" },
    { -1, 1, "bne blt bgeu" },
    { 1, -1, "bne bge bltu" },
};

/* The words of the table above compare a0, the first operand, with a1. */
static void test_compare(void)
{
    for (size_t p = 0; p < G_N_ELEMENTS(pairs); p++) {
        uint64_t gpr[32] = { [4] = pairs[p].a0, [5] = pairs[p].a1 };
        LoongArchFlow flow = { .gpr = gpr };
        g_auto(GStrv) taken = g_strsplit(pairs[p].taken, " ", -1);

        for (size_t i = 0; i < G_N_ELEMENTS(flows); i++) {
            uint64_t at = AT + flows[i].offset;
            unsigned int op = flows[i].insn >> 26;

            if (op < 0x16 || op > 0x1b) {
                continue;
            }
            g_assert_cmphex(loongarch_insn_next(flows[i].insn, at, &flow), ==,
                            flows[i].next[g_strv_contains(
                                (const char **)taken, flows[i].name)]);
        }
    }
}

/* Those that test one register or flag: beqz t0, bnez t0, bceqz, bcnez. */
static void test_condition(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(flows); i++) {
        uint64_t gpr[32] = { 0 }, at = AT + flows[i].offset;
        LoongArchFlow flow = { .gpr = gpr };
        unsigned int op = flows[i].insn >> 26;
        bool on_zero = g_str_has_suffix(flows[i].name, "eqz");

        if (op < 0x10 || op > 0x12) {
            continue;
        }
        g_assert_cmphex(loongarch_insn_next(flows[i].insn, at, &flow), ==,
                        flows[i].next[on_zero]);
        for (int r = 1; r < 32; r++) {
            gpr[r] = 1ull << 40;
        }
        flow.fcc = 0xff;
        g_assert_cmphex(loongarch_insn_next(flows[i].insn, at, &flow), ==,
                        flows[i].next[!on_zero]);
    }
}

/* Into another context, and back from a hypercall. */
static void test_context(void)
{
    uint64_t gpr[32] = { 0 };
    LoongArchFlow flow = { .gpr = gpr, .ertn = 0x1000, .syscall = 0x2000,
                           .brk = 0x3000 };

    g_assert_cmphex(loongarch_insn_next(0x06483800, AT, &flow), ==, 0x1000);
    g_assert_cmphex(loongarch_insn_next(0x002b0000, AT, &flow), ==, 0x2000);
    g_assert_cmphex(loongarch_insn_next(0x002b7fff, AT, &flow), ==, 0x2000);
    g_assert_cmphex(loongarch_insn_next(0x002a0005, AT, &flow), ==, 0x3000);
    g_assert_cmphex(loongarch_insn_next(0x002b8101, AT, &flow), ==, AT + 4);
    g_assert_cmphex(loongarch_insn_next(0x06488000, AT, &flow), ==, AT + 4);
}

static void test_atomic(void)
{
    static const uint32_t ll[] = { 0x200000a4, 0x220000a4, 0x385780a4,
                                   0x385788a4 };
    static const uint32_t sc[] = { 0x210000a4, 0x230000a4, 0x385784a4,
                                   0x38578ca4, 0x385714c4 };

    for (size_t i = 0; i < G_N_ELEMENTS(ll); i++) {
        g_assert_true(loongarch_insn_is_ll(ll[i]));
        g_assert_false(loongarch_insn_is_sc(ll[i]));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(sc); i++) {
        g_assert_true(loongarch_insn_is_sc(sc[i]));
        g_assert_false(loongarch_insn_is_ll(sc[i]));
    }
}

static void test_access(gconstpointer data)
{
    size_t i = GPOINTER_TO_SIZE(data);

    for (unsigned int csr = 0; csr < 0x4000; csr++) {
        g_assert_cmpint(loongarch_insn_accesses_csr(accesses[i].insn, csr), ==,
                        csr == accesses[i].csr);
    }
}

/* Nothing but the csr* instructions accesses a CSR. */
static void test_no_access(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(flows); i++) {
        if (flows[i].insn >> 24 != 0x04) {
            g_assert_false(loongarch_insn_accesses_csr(flows[i].insn, 0));
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(flows); i++) {
        g_autofree char *path = g_strdup_printf("/insn-flow/next/%s",
                                                flows[i].name);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_flow);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(accesses); i++) {
        g_autofree char *path = g_strdup_printf("/insn-flow/csr/%s",
                                                accesses[i].name);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_access);
    }
    g_test_add_func("/insn-flow/csr/none", test_no_access);
    g_test_add_func("/insn-flow/taken/compare", test_compare);
    g_test_add_func("/insn-flow/taken/condition", test_condition);
    g_test_add_func("/insn-flow/context", test_context);
    g_test_add_func("/insn-flow/atomic", test_atomic);
    return g_test_run();
}
