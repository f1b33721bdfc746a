/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch KVM: breakpoints in a guest's memory
 *
 * What the parts of the debug core, and kvm.c, see of it.  See debug.c.
 *
 * All of it needs the BQL, but for kvm_loongarch_debug_exit(), which takes it.
 * A vCPU's registers are got from KVM where they are looked at, unless it says
 * otherwise.
 */

#ifndef LOONGARCH_KVM_DEBUG_H
#define LOONGARCH_KVM_DEBUG_H

#include "gdbstub/enums.h"
#include "cpu.h"

/*
 * Who wants a breakpoint, as a set: one address can serve all of them.
 */
enum {
    KVM_DEBUG_SW = 1 << GDB_BREAKPOINT_SW,
    KVM_DEBUG_HW = 1 << GDB_BREAKPOINT_HW,
    KVM_DEBUG_CLIENT = KVM_DEBUG_SW | KVM_DEBUG_HW,
    KVM_DEBUG_STEP = 1 << 8,    /* where a step ends, see debug-step.c */
    KVM_DEBUG_TRAP = 1 << 9,    /* where an exception enters, debug-user.c */
    KVM_DEBUG_PHYSICAL = 1 << 10,   /* with one of the client's */
};

/**
 * kvm_loongarch_debug_init_vcpu() - ask KVM for the instruction to plant
 * @cs: a vCPU that KVM has; called in its thread
 */
void kvm_loongarch_debug_init_vcpu(CPUState *cs);

/**
 * kvm_loongarch_debug_exit() - handle KVM_EXIT_DEBUG
 * @cs: the vCPU, in its thread, without the BQL
 *
 * Return: what kvm_arch_handle_exit() is to return: %EXCP_DEBUG for a stop that
 * the client is told of, %EXCP_INTERRUPT if the vCPU is to wait, 0 if the guest
 * goes on.
 */
int kvm_loongarch_debug_exit(CPUState *cs);

/**
 * kvm_debug_after_reset() - plant again what a reset has written over
 *
 * All devices have been reset, memory has been loaded anew, and the vCPUs do
 * not run yet.
 */
void kvm_debug_after_reset(void);

/**
 * kvm_debug_insert() - record a breakpoint, and plant it if the VM runs
 * @cs: the vCPU whose translation is used first; the others follow, but for
 *      %KVM_DEBUG_STEP and %KVM_DEBUG_TRAP, which mean this one
 * @addr: virtual address, with %KVM_DEBUG_PHYSICAL a physical one
 * @who: one of KVM_DEBUG_*, of the client's maybe with %KVM_DEBUG_PHYSICAL
 *
 * A physical one is hit by every vCPU that comes there, at whatever address.
 * What is already there is left as it is.
 *
 * Return: 0; -EINVAL if @addr is not that of a word, -EFAULT if nothing is
 * mapped there, -ENXIO if it is a device, -ENOSYS if KVM names no instruction
 * to plant.  Only KVM_DEBUG_HW may be unmapped: it is looked for again until it
 * appears.
 */
int kvm_debug_insert(CPUState *cs, vaddr addr, unsigned int who);

/**
 * kvm_debug_remove() - forget a breakpoint
 * @addr: address
 * @who: the same as when it was inserted
 *
 * Nothing there is no error.
 */
void kvm_debug_remove(vaddr addr, unsigned int who);

/**
 * kvm_debug_fetch() - the guest's own instruction at an address
 * @cs: the vCPU that would execute it
 * @addr: virtual address
 * @insn: set to it, whatever is planted there
 *
 * Return: false if nothing is mapped there.
 */
bool kvm_debug_fetch(CPUState *cs, vaddr addr, uint32_t *insn);

/**
 * kvm_debug_expose() - take a planted word away while one vCPU passes it
 * @cs: the vCPU
 * @addr: virtual address where it stands
 *
 * Until kvm_debug_cover().  All other vCPUs must stand still.
 */
void kvm_debug_expose(CPUState *cs, vaddr addr);

/**
 * kvm_debug_unexpose() - let exposed words be planted again
 *
 * Return: whether there are any; they are not planted yet.
 */
bool kvm_debug_unexpose(void);

/* Plant all exposed words again, if the VM runs. */
void kvm_debug_cover(void);

/**
 * kvm_debug_is_ours() - has this vCPU executed a planted word?
 * @cs: the vCPU, whose exception for it has been taken back
 *
 * Also one that has been lifted since.
 */
bool kvm_debug_is_ours(CPUState *cs);

/* Is the VM running, with everything planted? */
bool kvm_debug_running(void);

/* Do vCPUs leave the guest for a planted word? */
bool kvm_debug_active(void);

/* debug-step.c */

/**
 * kvm_debug_step_hit() - has a planted word been the end of a step?
 * @cs: the vCPU that came to it
 * @step_end: it was planted for that, and maybe for the client too
 * @client: it was planted for the client
 * @ret: set to what kvm_loongarch_debug_exit() is to return
 *
 * Return: false if it is the client's alone to know.
 */
bool kvm_debug_step_hit(CPUState *cs, bool step_end, bool client, int *ret);

/**
 * kvm_debug_step_past() - let a vCPU pass a word that is planted for others
 * @cs: the vCPU, in its thread, with the BQL
 *
 * The others stand still for the one instruction; the client sees nothing.
 *
 * Return: what kvm_loongarch_debug_exit() is to return.
 */
int kvm_debug_step_past(CPUState *cs);

/**
 * kvm_debug_step_wait() - a vCPU waits for the guest to flush its TLB
 * @cs: the vCPU, in its thread, with the BQL, see kvm_debug_planted_somewhere()
 *
 * It executes the word again, until it has taken the interrupt by which another
 * vCPU asks for that.  Where it steps, that one stands still and does not ask:
 * then the client's step ends without having begun.
 *
 * Return: what kvm_loongarch_debug_exit() is to return.
 */
int kvm_debug_step_wait(CPUState *cs);

/**
 * kvm_debug_step_cancel() - end the step that is under way, if one is
 *
 * Neither a stop of the VM nor a reset is survived by one.  All vCPUs stand
 * still.
 */
void kvm_debug_step_cancel(void);

/**
 * kvm_debug_step_update() - begin or end the client's step
 * @cs: the vCPU for which cpu_single_step() was called
 *
 * It begins only while the VM runs and no other step is under way.
 */
void kvm_debug_step_update(CPUState *cs);

/* debug-user.c; a vCPU's registers have to be at hand already */

/**
 * kvm_debug_vector() - where a general exception enters
 * @env: the vCPU
 * @ecode: the exception, ESTAT.Ecode
 */
uint64_t kvm_debug_vector(CPULoongArchState *env, unsigned int ecode);

/**
 * kvm_debug_undo_exception() - go back to before an exception
 * @env: the vCPU; pc and CRMD are set to what they were
 * @ecode: the exception
 *
 * Return: false, with nothing changed, if it does not stand on its entry.
 */
bool kvm_debug_undo_exception(CPULoongArchState *env, unsigned int ecode);

/**
 * kvm_debug_is_open() - can unprivileged code run at this address?
 * @cs: the vCPU
 * @addr: virtual address, which no page table maps
 */
bool kvm_debug_is_open(CPUState *cs, vaddr addr);

/**
 * kvm_debug_catch_traps() - see to it that no planted word ends a program
 *
 * Return: false if a vCPU has no exception entries yet.
 */
bool kvm_debug_catch_traps(void);

/* Does this vCPU stand on the entry of the exception that is caught? */
bool kvm_debug_at_trap(CPUState *cs);

/**
 * kvm_debug_undo_trap() - take the exception of a planted word back
 * @cs: the vCPU
 *
 * Return: false, with nothing changed, if it does not stand on the entry of
 * the exception, or if that is the guest's own.
 */
bool kvm_debug_undo_trap(CPUState *cs);

/**
 * kvm_debug_pass_trap() - do what the guest has on the entry of the exception
 * @cs: the vCPU, which stands there
 *
 * A handler has to put a register away before anything else; that much is
 * known here, and costs far less than to let the vCPU do it.
 *
 * Return: false if it is another instruction.
 */
bool kvm_debug_pass_trap(CPUState *cs);

#endif
