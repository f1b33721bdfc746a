/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch KVM: a word of a guest's memory, and whose address led to it
 *
 * All of it needs the BQL, and an RCU section around what it finds.
 */

#ifndef LOONGARCH_KVM_DEBUG_PLACE_H
#define LOONGARCH_KVM_DEBUG_PLACE_H

#include "exec/hwaddr.h"
#include "exec/vaddr.h"
#include "../debug-walk.h"

/**
 * struct KvmDebugPlace - a word of the guest's memory
 * @mr: where it is; NULL is nowhere
 * @offset: in @mr, in bytes
 * @word: the same in our memory
 */
typedef struct KvmDebugPlace {
    MemoryRegion *mr;
    hwaddr offset;
    uint32_t *word;
} KvmDebugPlace;

/**
 * struct KvmDebugSpace - whose page tables an address depends on
 * @pgdl: CSR.PGDL, of an address space; or 0, and the address means the same in
 *        all of them
 * @pgdh: CSR.PGDH, of the kernel's own mappings; or 0.  With neither, the
 *        address is no matter of page tables.
 * @pwcl: CSR.PWCL
 * @pwch: CSR.PWCH
 */
typedef struct KvmDebugSpace {
    uint64_t pgdl, pgdh, pwcl, pwch;
} KvmDebugSpace;

/**
 * kvm_debug_is_direct() - does a vCPU run without address translation?
 * @cs: the vCPU; its registers are got from KVM
 *
 * Return: false in a TLB refill, of which kvm_debug_find() sees through the
 * page tables of the interrupted code.
 */
bool kvm_debug_is_direct(CPUState *cs);

/**
 * kvm_debug_find() - the word behind a virtual address
 * @cs: the vCPU that translates
 * @addr: virtual address of a word
 * @place: set to it; the region is not referenced
 *
 * Return: 0; -EFAULT if nothing is mapped there, -ENXIO if it is a device.
 */
int kvm_debug_find(CPUState *cs, vaddr addr, KvmDebugPlace *place);

/**
 * kvm_debug_find_physical() - the word behind a physical address
 * @phys: physical address of a word
 * @place: set to it; the region is not referenced
 *
 * Return: 0; -EFAULT if the word is not whole, -ENXIO if it is no memory.
 */
int kvm_debug_find_physical(hwaddr phys, KvmDebugPlace *place);

/**
 * kvm_debug_find_in() - the word behind a virtual address of a space
 * @space: has page tables; whether a vCPU uses them is no matter
 * @addr: virtual address of a word
 * @place: set to it; the region is not referenced
 *
 * Return: as kvm_debug_find().
 */
int kvm_debug_find_in(const KvmDebugSpace *space, vaddr addr,
                      KvmDebugPlace *place);

/**
 * kvm_debug_space_of() - the page tables that an address depends on
 * @cs: the vCPU that translates
 * @addr: virtual address of a word
 * @place: what kvm_debug_find() has found
 *
 * Return: those that have led there, of one half; or none.
 */
KvmDebugSpace kvm_debug_space_of(CPUState *cs, vaddr addr,
                                 const KvmDebugPlace *place);

/**
 * kvm_debug_access() - can this vCPU fetch from there, or store there?
 * @cs: the vCPU
 * @crmd: CSR.CRMD as it is then
 * @addr: virtual address
 * @store: or it is the fetch of an instruction
 *
 * By the page tables; what the TLB has is not known.
 */
LoongArchDebugAccess kvm_debug_access(CPUState *cs, uint64_t crmd, vaddr addr,
                                      bool store);

/**
 * kvm_debug_is_in() - does what is meant in a space concern this vCPU now?
 * @cs: the vCPU, its registers at hand
 * @space: the space
 */
bool kvm_debug_is_in(CPUState *cs, const KvmDebugSpace *space);

/**
 * kvm_debug_replace() - change a guest's word unless the guest does so first
 * @place: the word
 * @from: what it has to be, as it is in memory
 * @to: what it becomes
 *
 * Return: false if it is something else.
 */
bool kvm_debug_replace(const KvmDebugPlace *place, uint32_t from, uint32_t to);

/**
 * kvm_debug_store() - do what a vCPU's store would do
 * @place: where; it has to be RAM
 * @size: in bytes
 * @value: what, of which the lower bytes are stored
 */
void kvm_debug_store(const KvmDebugPlace *place, unsigned int size,
                     uint64_t value);

#endif
