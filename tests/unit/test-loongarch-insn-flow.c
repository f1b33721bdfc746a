/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unit test of target/loongarch/insn-flow.c
 *
 * The instruction words and their targets are what the GNU assembler made and
 * its disassembler printed of them, at the addresses given.
 */

#include <string.h>
#include <glib.h>

#include "target/loongarch/insn-flow.h"

#define AT              0x9000000000204000ull
#define BASE            0x9000000000200000ull
#define FWD             0x9000000000204084ull
#define FAR             0x9000000000208088ull
#define NEXT(offset)    (AT + (offset) + 4)
#define SELF(offset)    (AT + (offset))
#define MAX_26          0x7fffffcull
#define MIN_26          0x8000000ull
#define MAX_21          0x3ffffcull
#define MIN_21          0x400000ull
#define MAX_16          0x1fffcull
#define MIN_16          0x20000ull

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
    /* To itself. */
    { "bl-self", 0x54000000, 0x04, 1, { SELF(0x04) } },
    { "beqz-self", 0x40000180, 0x08, 2, { NEXT(0x08), SELF(0x08) } },
    { "bnez-self", 0x44000180, 0x0c, 2, { NEXT(0x0c), SELF(0x0c) } },
    { "bceqz-self", 0x48000000, 0x10, 2, { NEXT(0x10), SELF(0x10) } },
    { "bcnez-self", 0x480001e0, 0x14, 2, { NEXT(0x14), SELF(0x14) } },
    { "beq-self", 0x58000085, 0x18, 2, { NEXT(0x18), SELF(0x18) } },
    { "bne-self", 0x5c000085, 0x1c, 2, { NEXT(0x1c), SELF(0x1c) } },
    { "blt-self", 0x60000085, 0x20, 2, { NEXT(0x20), SELF(0x20) } },
    { "bge-self", 0x64000085, 0x24, 2, { NEXT(0x24), SELF(0x24) } },
    { "bltu-self", 0x68000085, 0x28, 2, { NEXT(0x28), SELF(0x28) } },
    { "bgeu-self", 0x6c000085, 0x2c, 2, { NEXT(0x2c), SELF(0x2c) } },
    /* The register that jirl overwrites is read first; r0 is zero. */
    { "jirl-same", 0x4c00018c, 0x30, 1, { T0 } },
    { "jirl-max", 0x4dfffd8c, 0x34, 1, { T0 + MAX_16 } },
    { "jirl-min", 0x4e00018c, 0x38, 1, { T0 - MIN_16 } },
    { "jirl-zero", 0x4c001000, 0x3c, 1, { 16 } },
    /* The longest ways. */
    { "b-max", 0x53fffdff, 0x40, 1, { SELF(0x40) + MAX_26 } },
    { "b-min", 0x50000200, 0x44, 1, { SELF(0x44) - MIN_26 } },
    { "bl-max", 0x57fffdff, 0x48, 1, { SELF(0x48) + MAX_26 } },
    { "beqz-max", 0x43fffd8f, 0x4c, 2, { NEXT(0x4c), SELF(0x4c) + MAX_21 } },
    { "beqz-min", 0x40000190, 0x50, 2, { NEXT(0x50), SELF(0x50) - MIN_21 } },
    { "bnez-min", 0x44000190, 0x54, 2, { NEXT(0x54), SELF(0x54) - MIN_21 } },
    { "bcnez-max", 0x4bfffd6f, 0x58, 2, { NEXT(0x58), SELF(0x58) + MAX_21 } },
    { "bceqz-min", 0x48000070, 0x5c, 2, { NEXT(0x5c), SELF(0x5c) - MIN_21 } },
    { "beq-max", 0x59fffc85, 0x60, 2, { NEXT(0x60), SELF(0x60) + MAX_16 } },
    { "bgeu-min", 0x6e000085, 0x64, 2, { NEXT(0x64), SELF(0x64) - MIN_16 } },
    { "jiscr0", 0x48006600, 0x68, 0, { 0 } },
    { "jiscr1", 0x4bfffb1f, 0x6c, 0, { 0 } },
    { "tlbfill", 0x06483400, 0x7c, 1, { NEXT(0x7c) } },
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
            g_autofree char *form = g_strdup(flows[i].name);

            form[strcspn(form, "-")] = 0;
            g_assert_cmphex(loongarch_insn_next(flows[i].insn, at, &flow), ==,
                            flows[i].next[g_strv_contains(
                                (const char **)taken, form)]);
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
        bool on_zero = g_str_has_prefix(flows[i].name, "beqz") ||
                       g_str_has_prefix(flows[i].name, "bceqz");

        if (flows[i].n != 2 || op > 0x12) {
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

/* One flag decides, and no other. */
static void test_flag(void)
{
    uint64_t gpr[32] = { 0 };

    for (unsigned int cj = 0; cj < 8; cj++) {
        for (unsigned int flags = 0; flags < 256; flags++) {
            LoongArchFlow flow = { .gpr = gpr, .fcc = flags };
            bool set = flags >> cj & 1;

            g_assert_cmphex(loongarch_insn_next(0x48000400 | cj << 5, AT,
                                                &flow), ==, AT + 4);
            g_assert_cmphex(loongarch_insn_next(0x48000800 | cj << 5, AT,
                                                &flow), ==, AT + (set ? 4 : 8));
            g_assert_cmphex(loongarch_insn_next(0x48000900 | cj << 5, AT,
                                                &flow), ==, AT + (set ? 8 : 4));
        }
    }
}

/* By the scratch registers of binary translation. */
static void test_scratch(void)
{
    uint64_t gpr[32] = { 0 };
    LoongArchFlow flow = { .gpr = gpr, .scr = { 0x5000, RA }, .fcc = 0xff };

    g_assert_cmphex(loongarch_insn_next(0x48006600, AT, &flow), ==, 0x5064);
    g_assert_cmphex(loongarch_insn_next(0x4bfffb1f, AT, &flow), ==, RA - 8);
    g_assert_cmphex(loongarch_insn_next(0x4bffff0f, AT, &flow), ==,
                    RA + MAX_21);
}

/* What is what: each of these is true of some and false of all others. */
static void test_kind(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(flows); i++) {
        const char *name = flows[i].name;
        uint32_t insn = flows[i].insn;

        g_assert_cmpint(loongarch_insn_is_ertn(insn), ==,
                        g_str_equal(name, "ertn"));
        g_assert_cmpint(loongarch_insn_is_idle(insn), ==,
                        g_str_equal(name, "idle"));
        g_assert_cmpint(loongarch_insn_is_trap(insn), ==,
                        g_str_has_prefix(name, "syscall") ||
                        g_str_has_prefix(name, "break"));
        g_assert_cmpint(loongarch_insn_is_ll(insn), ==,
                        g_str_equal(name, "ll.d"));
        g_assert_cmpint(loongarch_insn_is_sc(insn), ==,
                        g_str_equal(name, "sc.d"));
    }
    g_assert_true(loongarch_insn_is_idle(0x06488005));
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

/* csrwr $t0, 0x30; csrrd of it; csrxchg of it; addi.d. */
static void test_csrwr(void)
{
    unsigned int csr, rd;

    g_assert_true(loongarch_insn_is_csrwr(0x0400c02c, &csr, &rd));
    g_assert_cmpuint(csr, ==, 0x30);
    g_assert_cmpuint(rd, ==, 12);
    g_assert_false(loongarch_insn_is_csrwr(0x0400c00c, &csr, &rd));
    g_assert_false(loongarch_insn_is_csrwr(0x0400c1ac, &csr, &rd));
    g_assert_false(loongarch_insn_is_csrwr(0x02c0042c, &csr, &rd));
}

/* Of $a0 by $a1, and $a2 for those with an index. */
static const struct {
    uint32_t insn;
    int64_t offset;
    unsigned int size;
} stores[] = {
    { 0x293ff8a4, -2, 1 },              /* st.b */
    { 0x295ff8a4, 2046, 2 },            /* st.h */
    { 0x298020a4, 8, 4 },               /* st.w */
    { 0x29e000a4, -2048, 8 },           /* st.d */
    { 0x258000a4, -32768, 4 },          /* stptr.w */
    { 0x277ffca4, 32764, 8 },           /* stptr.d */
    { 0x381018a4, 0x100, 1 },           /* stx.b */
    { 0x381418a4, 0x100, 2 },           /* stx.h */
    { 0x381818a4, 0x100, 4 },           /* stx.w */
    { 0x381c18a4, 0x100, 8 },           /* stx.d */
};

static void test_store(void)
{
    /* ld.w, ldptr.d, ldx.d, fst.d, fstx.d, stgt.d, amswap.w, sc.w, vst */
    static const uint32_t others[] = {
        0x288020a4, 0x260008a4, 0x380c18a4, 0x2bc020a0, 0x383c18a0, 0x387d98a4,
        0x386014c4, 0x210008a4, 0x2c4000a0,
    };
    uint64_t gpr[32] = { [4] = 0x123456789abcdef0, [5] = 0x120000000,
                         [6] = 0x100 };
    LoongArchStore store;

    for (size_t i = 0; i < G_N_ELEMENTS(stores); i++) {
        g_assert_true(loongarch_insn_store(stores[i].insn, gpr, &store));
        g_assert_cmphex(store.addr, ==, gpr[5] + stores[i].offset);
        g_assert_cmphex(store.value, ==, gpr[4]);
        g_assert_cmpuint(store.size, ==, stores[i].size);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
        g_assert_false(loongarch_insn_store(others[i], gpr, &store));
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
    g_test_add_func("/insn-flow/csr/write", test_csrwr);
    g_test_add_func("/insn-flow/store", test_store);
    g_test_add_func("/insn-flow/taken/compare", test_compare);
    g_test_add_func("/insn-flow/taken/condition", test_condition);
    g_test_add_func("/insn-flow/taken/flag", test_flag);
    g_test_add_func("/insn-flow/scratch", test_scratch);
    g_test_add_func("/insn-flow/kind", test_kind);
    g_test_add_func("/insn-flow/context", test_context);
    g_test_add_func("/insn-flow/atomic", test_atomic);
    return g_test_run();
}
