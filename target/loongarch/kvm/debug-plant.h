/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch KVM: words planted in a guest's memory
 *
 * All of it needs the BQL.
 */

#ifndef LOONGARCH_KVM_DEBUG_PLANT_H
#define LOONGARCH_KVM_DEBUG_PLANT_H

#include "debug-place.h"

/**
 * struct KvmDebugPlant - a word of ours at an address
 * @addr: virtual address, or physical as @who says
 * @who: whom it is for, a set of KVM_DEBUG_*, see kvm_debug_plant_lookup()
 * @direct: set without address translation
 * @user: what runs there can be unprivileged
 * @space: whose address it is
 * @place: where it is, with a reference; or nowhere yet
 * @saved: the guest's own word, as it is in memory, while planted
 * @planted: it is there
 * @gone: the stop of the VM in which the client took it away
 */
typedef struct KvmDebugPlant {
    vaddr addr;
    unsigned int who;
    bool direct, user;
    KvmDebugSpace space;
    KvmDebugPlace place;
    uint32_t saved;
    bool planted;
    unsigned int gone;
} KvmDebugPlant;

/* Before anything else here; @inst is what to plant, as it is in memory. */
void kvm_debug_plants_init(uint32_t inst);

/* All of them, as values; NULL before the above.  Not to be changed. */
GHashTable *kvm_debug_plants(void);

/**
 * kvm_debug_plant_lookup() - the plant at an address
 * @addr: address
 * @who: one of KVM_DEBUG_*
 *
 * Those of the client are one plant, but for those at physical addresses.  The
 * end of a step and the entry of an exception are others, since the same
 * address can be in another space.
 */
KvmDebugPlant *kvm_debug_plant_lookup(vaddr addr, unsigned int who);

/**
 * kvm_debug_plant_new() - a plant that is nowhere yet, and not looked up
 * @addr: address
 * @who: one of KVM_DEBUG_*
 *
 * It is given away by kvm_debug_plant_add() or kvm_debug_plant_free().
 */
KvmDebugPlant *kvm_debug_plant_new(vaddr addr, unsigned int who);
void kvm_debug_plant_add(KvmDebugPlant *plant);
void kvm_debug_plant_free(KvmDebugPlant *plant);

/**
 * kvm_debug_plant_again() - a plant that the client took away
 * @addr: address, which has no plant
 * @who: one of KVM_DEBUG_*
 * @at_last: nothing else was found there
 *
 * gdb takes all breakpoints away whenever the VM stops, and sets them again
 * before it goes on, whoever runs then.  It means the same ones: the process
 * that one was set in is not lost.  Until the VM has run again that is certain
 * for as long as the process is there; where nothing is mapped, the breakpoint
 * waits for its page as it did before.  Later it is the last resort.
 *
 * Return: it is to be given away as a new one; NULL if there is none.
 */
KvmDebugPlant *kvm_debug_plant_again(vaddr addr, unsigned int who,
                                     bool at_last);

/*
 * The word goes unless another plant wants it.  A client's is kept for
 * kvm_debug_plant_again(), until all are removed.
 */
void kvm_debug_plant_remove(KvmDebugPlant *plant);
void kvm_debug_plants_remove(unsigned int who);
void kvm_debug_plants_remove_all(void);

/* Find out where it is, through one vCPU; return as kvm_debug_find(). */
int kvm_debug_plant_locate(CPUState *cs, KvmDebugPlant *plant);

/* No process and no module is there any more. */
void kvm_debug_plants_forget_spaces(void);

/* Put the word there, or take it away.  What is so already stays so. */
void kvm_debug_plant(KvmDebugPlant *plant);
void kvm_debug_lift(KvmDebugPlant *plant);
void kvm_debug_plants_lift(void);

/**
 * kvm_debug_planted_somewhere() - can a word of ours be at an unmapped address?
 * @cs: the vCPU that has executed one there
 * @addr: virtual address, which the page tables do not map
 *
 * A guest takes a page out of its tables first, and out of the TLBs after that.
 * In between a vCPU executes what is still in the page.  What it executes then
 * is taken for ours if one of ours, which programs can come to, is or was at
 * the same offset in a page, and the vCPU has page tables.
 *
 * Not told apart: a guest that has page tables, and a page in the TLB that is
 * in none of them, and there, at such an offset, a word of its own like ours.
 */
bool kvm_debug_planted_somewhere(CPUState *cs, vaddr addr);

/**
 * kvm_debug_planted() - whose word a vCPU has executed
 * @cs: the vCPU
 * @addr: virtual address
 * @place: what is there
 *
 * A guest copies pages, and our words with them.  A copy is put right here:
 * afterwards it is known, or it is gone; also one of a word that went before.
 *
 * Not told apart: a word of the guest's own like ours, in another process, at
 * the very address of one of ours.
 *
 * Return: a plant whose word this is or was; NULL if it is the guest's.
 */
KvmDebugPlant *kvm_debug_planted(CPUState *cs, vaddr addr,
                                 const KvmDebugPlace *place);

/* Has the client a breakpoint at this physical address? */
bool kvm_debug_is_physical(const KvmDebugPlace *place);

#endif
