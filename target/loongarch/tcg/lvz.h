/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch virtualization extension (LVZ): interface of the TCG emulation
 *
 * What QEMU's own files of the target call.  For a CPU without LVZ these
 * functions do what was done before there was LVZ, mostly nothing.
 */

#ifndef TARGET_LOONGARCH_TCG_LVZ_H
#define TARGET_LOONGARCH_TCG_LVZ_H

#include "cpu.h"
#include "internals.h"

/* Softmmu indexes of the host; from MMU_GUEST_IDX_BASE as many of guests. */
#define LVZ_HOST_IDXMAP   MAKE_64BIT_MASK(0, MMU_GUEST_IDX_BASE)
#define LVZ_GUEST_IDXMAP  (LVZ_HOST_IDXMAP << MMU_GUEST_IDX_BASE)

/* lvz-switch.c: the two worlds */

/**
 * loongarch_lvz_init() - give a CPU its LVZ state
 * @cpu: a CPU that is being realized with CPUCFG2.LVZ set
 */
void loongarch_lvz_init(LoongArchCPU *cpu);

/**
 * loongarch_lvz_finalize() - undo loongarch_lvz_init(), if it was done
 * @cpu: a CPU that goes away
 */
void loongarch_lvz_finalize(LoongArchCPU *cpu);

/**
 * loongarch_lvz_reset() - put the LVZ state into its state after reset
 * @cpu: a CPU in any mode, also in the middle of a guest
 *
 * Leaves the host's bank in env->CSR_*: to be called before those are reset.
 * BQL held.
 */
void loongarch_lvz_reset(LoongArchCPU *cpu);

/**
 * loongarch_lvz_reset_guest_bank() - preset the guest's CSRs after reset
 * @cpu: a CPU whose own CSRs have been reset
 *
 * A hypervisor reads PRCFG1-3 and ASID.ASIDBITS of the guest bank and never
 * writes them (Linux: kvm_loongarch_vcpu_load in arch/loongarch/kvm/vcpu.c).
 */
void loongarch_lvz_reset_guest_bank(LoongArchCPU *cpu);

/**
 * loongarch_lvz_begin_exception() - enter the world that takes an exception
 * @env: CPU about to take the exception CPUState.exception_index
 *
 * Leaves the guest if the exception is flagged EXCP_LVZ_EXIT, removes the
 * flag, and records the previous mode in GSTAT.PVM or TLBRPRMD.PGM.
 * BQL held.
 */
void loongarch_lvz_begin_exception(CPULoongArchState *env);

/**
 * loongarch_lvz_end_ertn() - enter the guest if ertn says so
 * @env: CPU that has executed ertn; its CSRs are already restored
 * @refill: ertn returned from a TLB refill (TLBRERA.IsTLBR was set)
 */
void loongarch_lvz_end_ertn(CPULoongArchState *env, bool refill);

/**
 * loongarch_lvz_unit_disabled() - who takes a unit-disabled exception
 * @env: CPU that executed an instruction of a disabled unit
 * @excp: EXCCODE_FPD, EXCCODE_SXD or EXCCODE_ASXD; others are passed through
 *
 * Return: @excp if the running world's own EUEN disables the unit, else
 * (guest enabled it, host did not) @excp flagged with EXCP_LVZ_EXIT.
 */
uint32_t loongarch_lvz_unit_disabled(CPULoongArchState *env, uint32_t excp);

/**
 * loongarch_lvz_deliverable() - is there an interrupt to take, and whose
 * @env: the CPU; BQL held
 *
 * Return: the exception to raise (EXCCODE_INT, for the host while a guest
 * runs flagged with EXCP_LVZ_EXIT), or -1 if nothing is deliverable.
 */
int loongarch_lvz_deliverable(CPULoongArchState *env);

/**
 * loongarch_lvz_update_irq() - request or withdraw the vCPU's attention
 * @env: the CPU; BQL held
 *
 * To be called after any change of either ESTAT.IS or of the mode.
 */
void loongarch_lvz_update_irq(CPULoongArchState *env);

/**
 * loongarch_lvz_has_work() - would an interrupt wake this halted CPU?
 * @cs: the CPU
 */
bool loongarch_lvz_has_work(CPUState *cs);

/**
 * loongarch_lvz_set_irq() - raise or lower an interrupt line of the machine
 * @cpu: a CPU with LVZ; BQL held
 * @irq: bit of the host's ESTAT.IS, wherever that is
 * @level: its state
 */
void loongarch_lvz_set_irq(LoongArchCPU *cpu, int irq, int level);

/**
 * loongarch_lvz_update_guest_hwi() - derive the guest's hardware interrupts
 * @env: the CPU; BQL held
 *
 * GESTAT.IS[9:2] is GINTC.VIP, plus the host's lines that GINTC.PIP passes
 * through. It is never latched.
 */
void loongarch_lvz_update_guest_hwi(CPULoongArchState *env);

/**
 * loongarch_lvz_exchange_banks() - exchange the two banks and nothing else
 * @env: the CPU; BQL held until they have been exchanged back
 */
void loongarch_lvz_exchange_banks(CPULoongArchState *env);

/**
 * loongarch_lvz_select_jmp_cache() - the part of the jump cache to be used
 * @env: the CPU, by its own thread or while it does not run
 *
 * Each world has two, for the two address spaces that it keeps translations of.
 */
void loongarch_lvz_select_jmp_cache(CPULoongArchState *env);

/**
 * loongarch_lvz_select_world() - have the CPU use what GSTAT.VM says
 * @env: the CPU, by its own thread or while it does not run
 *
 * Selects the TLB and the part of the jump cache of the world that runs; the
 * banks are already where they belong.
 */
void loongarch_lvz_select_world(CPULoongArchState *env);

/* lvz-timer.c: the guest's timer. All of these with the BQL held. */

/**
 * loongarch_lvz_timer_sync() - let an expiry that is due take effect
 * @env: the CPU
 *
 * TVAL, TCFG and ESTAT.TI must tell one story to every reader: each of them
 * is read only after this.
 */
void loongarch_lvz_timer_sync(CPULoongArchState *env);

/**
 * loongarch_lvz_timer_read_counter() - the counter as the guest reads it
 * @env: the CPU, in guest mode; its own thread, without the BQL
 *
 * An expiry of the guest's timer or of the host's that is due takes effect.
 *
 * Return: ticks, without any compensation
 */
uint64_t loongarch_lvz_timer_read_counter(CPULoongArchState *env);

/**
 * loongarch_lvz_timer_read_tval() - GCSR.TVAL: ticks that remain
 * @env: the CPU
 *
 * Return: 48 bits; all ones after a one-shot timer has expired.
 */
uint64_t loongarch_lvz_timer_read_tval(CPULoongArchState *env);

/**
 * loongarch_lvz_timer_write_tval() - set the count, as only the host can
 * @env: the CPU
 * @val: ticks; 0 with the timer enabled lets it expire at once
 */
void loongarch_lvz_timer_write_tval(CPULoongArchState *env, uint64_t val);

/**
 * loongarch_lvz_timer_write_tcfg() - start or stop the count
 * @env: the CPU
 * @val: new GCSR.TCFG
 */
void loongarch_lvz_timer_write_tcfg(CPULoongArchState *env, uint64_t val);

/**
 * loongarch_lvz_timer_ack() - GCSR.TICLR: take GESTAT.TI back
 * @env: the CPU
 */
void loongarch_lvz_timer_ack(CPULoongArchState *env);

/**
 * loongarch_lvz_timer_load() - go on counting after the state was loaded
 * @env: the CPU; both banks and the deadline are in place
 */
void loongarch_lvz_timer_load(CPULoongArchState *env);

/**
 * loongarch_lvz_timer_peek_tval() - GCSR.TVAL for a human to look at
 * @env: the CPU
 *
 * Needs no lock and lets nothing expire: the answer can be out of date.
 *
 * Return: as loongarch_lvz_timer_read_tval(), 0 for an expiry that is due.
 */
uint64_t loongarch_lvz_timer_peek_tval(CPULoongArchState *env);

/* QEMUTimer callback; @opaque is the LoongArchCPU. */
void loongarch_lvz_timer_cb(void *opaque);

/* lvz-mmu.c: the second stage */

/**
 * loongarch_lvz_translate_gpa() - second-stage translation of the running guest
 * @env: CPU in guest mode
 * @gpa: guest physical address
 * @access_type: what the access is; decides which exception a fault is
 * @hpa: set on success
 * @prot: set on success to what the second stage permits
 *
 * Return: TLBRET_MATCH, TLBRET_NOMATCH (to be refilled by the host),
 * TLBRET_INVALID or TLBRET_DIRTY.
 */
int loongarch_lvz_translate_gpa(CPULoongArchState *env, hwaddr gpa,
                                MMUAccessType access_type,
                                hwaddr *hpa, int *prot);

/**
 * loongarch_lvz_raise_gpa_fault() - leave the guest for a second-stage fault
 * @env: CPU in guest mode
 * @gpa: the address that faulted, page offset included
 * @access_type: as given to loongarch_lvz_translate_gpa()
 * @tlb_error: what it returned
 * @retaddr: host return address of the helper
 */
void G_NORETURN loongarch_lvz_raise_gpa_fault(CPULoongArchState *env,
                                              hwaddr gpa,
                                              MMUAccessType access_type,
                                              int tlb_error,
                                              uintptr_t retaddr);

/**
 * loongarch_lvz_walk_gpa() - where a page-table walk of the running world reads
 * @env: the CPU
 * @addr: physical address of a page-table entry as that world names it
 * @retaddr: host return address of the helper
 *
 * Return: @addr itself for the host; for a guest the host physical address.
 * Does not return if the second stage faults.
 */
hwaddr loongarch_lvz_walk_gpa(CPULoongArchState *env, hwaddr addr,
                              uintptr_t retaddr);

/**
 * loongarch_lvz_debug_gpa() - second stage for a debugger's access
 * @env: the CPU, which may be running: the answer can be out of date
 * @gpa: physical address as the running world names it
 *
 * Changes nothing.
 *
 * Return: host physical address, or -1 if the host maps nothing there.
 */
hwaddr loongarch_lvz_debug_gpa(CPULoongArchState *env, hwaddr gpa);

/**
 * loongarch_lvz_flush_guest() - drop the softmmu entries of guests
 * @env: the CPU, in either world
 * @why: what made them stale, for the trace: a CSR or an instruction
 */
void loongarch_lvz_flush_guest(CPULoongArchState *env, const char *why);

/**
 * loongarch_lvz_flush_range() - drop what was derived from some TLB entries
 * @env: the CPU; env->tlb points at the entries concerned
 * @addr: first address that they map
 * @len: how many addresses from there on, modulo 2^64
 * @idxmap: softmmu indexes of the host; of a guest the corresponding ones
 *
 * For GPA-to-HPA entries every softmmu entry of guests goes.
 */
void loongarch_lvz_flush_range(CPULoongArchState *env, vaddr addr, vaddr len,
                               uint16_t idxmap);

/**
 * loongarch_lvz_flush_gpa() - forget every second-stage translation
 * @env: the CPU
 * @why: what made them stale, for the trace
 *
 * To be called when a GPA-to-HPA entry goes or changes, or GSTAT.GID does. The
 * softmmu cannot be searched for a guest physical address: all of its entries
 * for guests go.
 */
void loongarch_lvz_flush_gpa(CPULoongArchState *env, const char *why);

/**
 * loongarch_lvz_select_tlb() - the entries that a TLB instruction works on
 * @env: the CPU
 *
 * Points env->tlb and env->tlb_gid at them: in the host at its own entries,
 * or at the GPA-to-HPA entries of GTLBC.TGID.  To be undone with
 * loongarch_lvz_restore_tlb() before the instruction ends.
 */
void loongarch_lvz_select_tlb(CPULoongArchState *env);

/**
 * loongarch_lvz_restore_tlb() - point env->tlb at the running world's entries
 * @env: the CPU
 */
void loongarch_lvz_restore_tlb(CPULoongArchState *env);

/* The host's gtlb* instructions, see helper_gtlb() */
enum {
    LVZ_GTLBCLR,
    LVZ_GTLBFLUSH,
    LVZ_GTLBSRCH,
    LVZ_GTLBRD,
    LVZ_GTLBWR,
    LVZ_GTLBFILL,
};

/* lvz-csr.c */

/**
 * LVZGuestCSRKind: what a guest's csr* instruction does with a number
 * @LVZ_GCSR_TRAP: leaves the guest with GSPR: the CSR is not banked
 * @LVZ_GCSR_PLAIN: as on a CPU without LVZ, on the running bank
 * @LVZ_GCSR_SPECIAL_WRITE: read as on a CPU without LVZ, written by
 *                          helper_gcsrxchg()
 * @LVZ_GCSR_SPECIAL: by helper_gcsrrd() and helper_gcsrxchg()
 * @LVZ_GCSR_SPECIAL_READONLY: by helper_gcsrrd(), never written
 */
typedef enum {
    LVZ_GCSR_TRAP,
    LVZ_GCSR_PLAIN,
    LVZ_GCSR_SPECIAL_WRITE,
    LVZ_GCSR_SPECIAL,
    LVZ_GCSR_SPECIAL_READONLY,
} LVZGuestCSRKind;

/**
 * lvz_guest_csr_kind() - how a guest's access to a CSR is translated
 * @csr: number of the CSR, as in the instruction
 *
 * Source: which numbers are banked, kvm_init_gcsr_flag() of Linux
 * arch/loongarch/kvm/main.c.
 */
LVZGuestCSRKind lvz_guest_csr_kind(unsigned int csr);

/* lvz-vmstate.c: migration */

extern const VMStateDescription vmstate_loongarch_lvz;

/**
 * loongarch_lvz_post_load() - derive what is not saved from what was loaded
 * @cpu: a CPU with LVZ whose state has all been loaded; BQL held
 */
void loongarch_lvz_post_load(LoongArchCPU *cpu);

/**
 * loongarch_lvz_peek_csr() - a CSR of one of the two worlds, for a human
 * @env: the CPU, which may be running: the answer can be out of date
 * @csr: number of the CSR
 * @guest: of the guest, else of the host
 * @val: set on success
 *
 * Changes nothing and needs no lock.
 *
 * Return: false if that world has no such CSR to show.
 */
bool loongarch_lvz_peek_csr(CPULoongArchState *env, unsigned int csr,
                            bool guest, uint64_t *val);

/* Inline predicates, in every helper's path */

static inline bool loongarch_has_lvz(CPULoongArchState *env)
{
    return FIELD_EX32(env->cpucfg[2], CPUCFG2, LVZ);
}

/* Do TLB instructions work on GPA-to-HPA entries, see lvz-mmu.c? */
static inline bool loongarch_lvz_gpa_tlb_selected(CPULoongArchState *env)
{
    return loongarch_has_lvz(env) && env->tlb == env->lvz.gpa_tlb;
}

/* The host's bank, wherever it is. BQL held, or by the vCPU's own thread. */
#define loongarch_host_csr(env, name)                                   \
    (loongarch_guest_mode(env) ? &(env)->lvz.other.CSR_##name           \
                               : &(env)->CSR_##name)

/* The guest's bank, wherever it is. */
#define loongarch_guest_csr(env, name)                                  \
    (loongarch_guest_mode(env) ? &(env)->CSR_##name                     \
                               : &(env)->lvz.other.CSR_##name)

#endif /* TARGET_LOONGARCH_TCG_LVZ_H */
