/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch: where an instruction can go next
 *
 * See insn-flow.h.  What the instruction does otherwise is not looked at.
 */

#include "insn-flow.h"

enum {
    OP_CSR = 0x04,              /* bits 31:24 */
    OP_BEQZ = 0x10,             /* bits 31:26, as those below */
    OP_BCZ = 0x12,
    OP_JIRL = 0x13,
    OP_B = 0x14,
    OP_BL = 0x15,
    OP_BEQ = 0x16,
    OP_BGEU = 0x1b,
};

#define INSN_ERTN       0x06483800u

/* A branch offset of @bits bits, counted in words. */
static int64_t offset(uint32_t value, unsigned int bits)
{
    uint32_t sign = 1u << (bits - 1);

    return ((int64_t)((value ^ sign) & ((sign << 1) - 1)) - sign) * 4;
}

static uint32_t field(uint32_t insn, unsigned int low, unsigned int bits)
{
    return insn >> low & ((1u << bits) - 1);
}

/* jiscr0 or jiscr1 */
static bool is_scratch_jump(uint32_t insn)
{
    return insn >> 26 == OP_BCZ && field(insn, 9, 1);
}

static uint64_t long_offset(uint32_t insn)
{
    return offset(field(insn, 0, 5) << 16 | field(insn, 10, 16), 21);
}

static bool leaves_context(uint32_t insn)
{
    switch (insn >> 15) {
    case 0x0054:                /* break */
    case 0x0055:                /* dbcl */
    case 0x0056:                /* syscall */
    case 0x0057:                /* hvcl */
    case 0x0c91:                /* idle */
        return true;
    default:
        return insn == INSN_ERTN;
    }
}

int loongarch_insn_successors(uint32_t insn, uint64_t pc, const uint64_t *gpr,
                              uint64_t next[2])
{
    uint32_t op = insn >> 26;

    if (leaves_context(insn) || is_scratch_jump(insn)) {
        return 0;
    }

    next[0] = pc + 4;
    if (op >= OP_BEQZ && op <= OP_BCZ) {
        next[1] = pc + long_offset(insn);
        return 2;
    }
    if (op >= OP_BEQ && op <= OP_BGEU) {
        next[1] = pc + offset(field(insn, 10, 16), 16);
        return 2;
    }
    if (op == OP_B || op == OP_BL) {
        next[0] = pc + offset(field(insn, 0, 10) << 16 | field(insn, 10, 16),
                              26);
    } else if (op == OP_JIRL) {
        next[0] = gpr[field(insn, 5, 5)] + offset(field(insn, 10, 16), 16);
    }
    return 1;
}

static bool is_taken(uint32_t insn, const LoongArchFlow *flow)
{
    uint64_t rj = flow->gpr[field(insn, 5, 5)];
    uint64_t rd = flow->gpr[field(insn, 0, 5)];
    bool cond;

    switch (insn >> 26) {
    case OP_BEQZ:
        return rj == 0;
    case OP_BEQZ + 1:
        return rj != 0;
    case OP_BCZ:
        /* bit 8 tells bcnez from bceqz */
        cond = flow->fcc >> field(insn, 5, 3) & 1;
        return cond == field(insn, 8, 1);
    case OP_BEQ:
        return rj == rd;
    case OP_BEQ + 1:
        return rj != rd;
    case OP_BEQ + 2:
        return (int64_t)rj < (int64_t)rd;
    case OP_BEQ + 3:
        return (int64_t)rj >= (int64_t)rd;
    case OP_BEQ + 4:
        return rj < rd;
    default:
        return rj >= rd;
    }
}

uint64_t loongarch_insn_next(uint32_t insn, uint64_t pc,
                             const LoongArchFlow *flow)
{
    uint64_t next[2];
    int n = loongarch_insn_successors(insn, pc, flow->gpr, next);

    if (n == 2) {
        return next[is_taken(insn, flow)];
    }
    if (n == 1) {
        return next[0];
    }
    if (insn == INSN_ERTN) {
        return flow->ertn;
    }
    if (is_scratch_jump(insn)) {
        return flow->scr[field(insn, 8, 1)] + long_offset(insn);
    }
    switch (insn >> 15) {
    case 0x0054:
        return flow->brk;
    case 0x0056:
        return flow->syscall;
    default:
        return pc + 4;
    }
}

bool loongarch_insn_store(uint32_t insn, const uint64_t *gpr,
                          LoongArchStore *store)
{
    uint64_t base = gpr[field(insn, 5, 5)];

    store->value = gpr[field(insn, 0, 5)];
    if (insn >> 24 == 0x29) {                           /* st.b to st.d */
        store->size = 1u << field(insn, 22, 2);
        store->addr = base + offset(field(insn, 10, 12), 12) / 4;
        return true;
    }
    if (insn >> 24 == 0x25 || insn >> 24 == 0x27) {     /* stptr */
        store->size = field(insn, 25, 1) ? 8 : 4;
        store->addr = base + offset(field(insn, 10, 14), 14);
        return true;
    }
    if ((insn >> 15 & ~0x18u) == 0x7020) {              /* stx.b to stx.d */
        store->size = 1u << field(insn, 18, 2);
        store->addr = base + gpr[field(insn, 10, 5)];
        return true;
    }
    return false;
}

bool loongarch_insn_is_ll(uint32_t insn)
{
    return insn >> 24 == 0x20 || insn >> 24 == 0x22 ||
           insn >> 10 == 0xe15e0 || insn >> 10 == 0xe15e2;
}

bool loongarch_insn_is_sc(uint32_t insn)
{
    return insn >> 24 == 0x21 || insn >> 24 == 0x23 || insn >> 15 == 0x70ae ||
           insn >> 10 == 0xe15e1 || insn >> 10 == 0xe15e3;
}

bool loongarch_insn_is_ertn(uint32_t insn)
{
    return insn == INSN_ERTN;
}

bool loongarch_insn_is_idle(uint32_t insn)
{
    return insn >> 15 == 0x0c91;
}

bool loongarch_insn_is_trap(uint32_t insn)
{
    return insn >> 15 == 0x0054 || insn >> 15 == 0x0056;
}

bool loongarch_insn_accesses_csr(uint32_t insn, unsigned int csr)
{
    return insn >> 24 == OP_CSR && field(insn, 10, 14) == csr;
}

bool loongarch_insn_is_csrwr(uint32_t insn, unsigned int *csr, unsigned int *rd)
{
    *csr = field(insn, 10, 14);
    *rd = field(insn, 0, 5);
    return insn >> 24 == OP_CSR && field(insn, 5, 5) == 1;
}
