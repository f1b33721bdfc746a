/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch: where an instruction can go next
 *
 * Pure decoding, from an instruction word and general registers alone: no CPU
 * state and no QEMU header, so that it links into a unit test.
 */

#ifndef LOONGARCH_INSN_FLOW_H
#define LOONGARCH_INSN_FLOW_H

#include <stdbool.h>
#include <stdint.h>

/**
 * loongarch_insn_successors() - addresses that can follow an instruction
 * @insn: instruction word
 * @pc: its address
 * @gpr: the 32 general registers; read for jirl only
 * @next: set to the addresses
 *
 * Interrupts and faults apart. A conditional branch has two successors whatever
 * the registers say.
 *
 * Return: how many, 1 or 2; 0 if the instruction goes on in another context,
 * which is not decoded, ertn, syscall, break, dbcl, hvcl, idle, or where a
 * scratch register says, jiscr0 and jiscr1.
 * Source: LoongArch Reference Manual, volume 1, 2.2.5 and 4.2.
 */
int loongarch_insn_successors(uint32_t insn, uint64_t pc, const uint64_t *gpr,
                              uint64_t next[2]);

/**
 * struct LoongArchFlow - what decides where an instruction goes
 * @gpr: the 32 general registers
 * @fcc: the 8 condition flags, one a bit
 * @scr: the scratch registers 0 and 1 of binary translation
 * @ertn: where ertn returns to
 * @syscall: entry of the exception of syscall
 * @brk: the same of break
 */
typedef struct LoongArchFlow {
    const uint64_t *gpr;
    uint8_t fcc;
    uint64_t scr[2];
    uint64_t ertn;
    uint64_t syscall;
    uint64_t brk;
} LoongArchFlow;

/**
 * loongarch_insn_next() - the address that follows an instruction
 * @insn: instruction word
 * @pc: its address
 * @flow: registers
 *
 * Interrupts and faults apart.  hvcl, dbcl and idle are taken to come back.
 * Source: LoongArch Reference Manual, volume 1, 2.2.5, 3.2.4 and 4.2.
 */
uint64_t loongarch_insn_next(uint32_t insn, uint64_t pc,
                             const LoongArchFlow *flow);

/**
 * struct LoongArchStore - what a store does
 * @addr: virtual address
 * @size: in bytes, a power of two
 * @value: its lower bytes are stored
 */
typedef struct LoongArchStore {
    uint64_t addr, value;
    unsigned int size;
} LoongArchStore;

/* Is it a store of a general register, which neither checks nor swaps? */
bool loongarch_insn_store(uint32_t insn, const uint64_t *gpr,
                          LoongArchStore *store);

/* Which they are: ll.w, ll.d, llacq.w, llacq.d; sc.w, sc.d, sc.q, screl. */
bool loongarch_insn_is_ll(uint32_t insn);
bool loongarch_insn_is_sc(uint32_t insn);
bool loongarch_insn_is_ertn(uint32_t insn);
bool loongarch_insn_is_idle(uint32_t insn);
/* syscall or break */
bool loongarch_insn_is_trap(uint32_t insn);

/**
 * loongarch_insn_accesses_csr() - is it csrrd, csrwr or csrxchg of this CSR?
 * @insn: instruction word
 * @csr: number of the CSR, 0 to 0x3fff
 */
bool loongarch_insn_accesses_csr(uint32_t insn, unsigned int csr);

/**
 * loongarch_insn_is_csrwr() - is it csrwr, which swaps a register and a CSR?
 * @insn: instruction word
 * @csr: set to the number of the CSR
 * @rd: set to the number of the register
 */
bool loongarch_insn_is_csrwr(uint32_t insn, unsigned int *csr,
                             unsigned int *rd);

#endif
