/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch virtualization extension (LVZ): migration
 *
 * What a CPU with LVZ adds to the stream of one without: the CSRs that are the
 * host's alone, the bank of the world that does not run, the guest's timer and
 * the two kinds of guest TLB entries.  It is sent as a subsection, and only if
 * the CPU has LVZ, so that a machine without it has the stream that it always
 * had.
 *
 * The bank of the world that runs, which may be the guest's, is in the CPU's
 * own part of the stream (machine.c), as it is in CPULoongArchState.  What is
 * derived from the state is not saved but made again in
 * loongarch_lvz_post_load().
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "cpu.h"
#include "internals.h"
#include "migration/vmstate.h"
#include "system/tcg.h"
#include "tcg/lvz.h"

static bool lvz_needed(void *opaque)
{
    LoongArchCPU *cpu = opaque;

    return tcg_enabled() && loongarch_has_lvz(&cpu->env);
}

/* Refuse what this CPU has no place for. */
static int lvz_pre_load(void *opaque)
{
    if (!lvz_needed(opaque)) {
        error_report("The state to load is of a CPU with lvz=on, "
                     "this one has lvz=off");
        return -EINVAL;
    }
    return 0;
}

static const VMStateDescription vmstate_lvz_bank = {
    .name = "cpu/lvz/bank",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
#define BANK_FIELD(name) VMSTATE_UINT64(CSR_##name, LoongArchCSRBank),
        LVZ_FOREACH_BANKED_CSR(BANK_FIELD)
#undef BANK_FIELD
        VMSTATE_UINT64_ARRAY(CSR_SAVE, LoongArchCSRBank, LVZ_BANKED_SAVE),
        VMSTATE_UINT64_ARRAY(CSR_DMW, LoongArchCSRBank, LVZ_BANKED_DMW),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_lvz_tlb_entry = {
    .name = "cpu/lvz/tlb_entry",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(tlb_misc, LoongArchTLB),
        VMSTATE_UINT64(tlb_entry0, LoongArchTLB),
        VMSTATE_UINT64(tlb_entry1, LoongArchTLB),
        VMSTATE_END_OF_LIST()
    }
};

#define VMSTATE_LVZ_TLB(field)                                          \
    VMSTATE_STRUCT_VARRAY_POINTER_KNOWN(field, LoongArchCPU,            \
                                        LOONGARCH_TLB_MAX, 0,           \
                                        vmstate_lvz_tlb_entry,          \
                                        LoongArchTLB)

const VMStateDescription vmstate_loongarch_lvz = {
    .name = "cpu/lvz",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = lvz_needed,
    .pre_load = lvz_pre_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(env.lvz.CSR_GTLBC, LoongArchCPU),
        VMSTATE_UINT64(env.lvz.CSR_TRGP, LoongArchCPU),
        VMSTATE_UINT64(env.lvz.CSR_GSTAT, LoongArchCPU),
        VMSTATE_UINT64(env.lvz.CSR_GCFG, LoongArchCPU),
        VMSTATE_UINT64(env.lvz.CSR_GINTC, LoongArchCPU),
        VMSTATE_UINT64(env.lvz.CSR_GCNTC, LoongArchCPU),
        VMSTATE_STRUCT(env.lvz.other, LoongArchCPU, 0,
                       vmstate_lvz_bank, LoongArchCSRBank),
        /* The running bank's is not in the CPU's own part. */
        VMSTATE_UINT64(env.CSR_CPUID, LoongArchCPU),
        VMSTATE_UINT64(env.lvz.timer.deadline, LoongArchCPU),
        VMSTATE_BOOL(env.lvz.timer.fired, LoongArchCPU),
        VMSTATE_LVZ_TLB(env.lvz.guest_tlb),
        VMSTATE_LVZ_TLB(env.lvz.gpa_tlb),
        VMSTATE_END_OF_LIST()
    }
};

void loongarch_lvz_post_load(LoongArchCPU *cpu)
{
    CPULoongArchState *env = &cpu->env;

    loongarch_lvz_select_world(env);
    loongarch_lvz_flush_gpa(env, "state loaded");
    /* Counts by the virtual clock, which migrates: the deadline still holds. */
    loongarch_lvz_timer_load(env);
    loongarch_lvz_update_irq(env);
}
