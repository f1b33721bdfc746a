/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch KVM: is there an instruction to debug a guest with?
 *
 * A break in a guest traps inside it.  What leaves it is the hypercall that
 * KVM_REG_LOONGARCH_DEBUG_INST names; no other word is ever planted, and a
 * register that reads as something else is not believed.
 */

#include <stddef.h>

#include "debug-inst.h"

#define HVCL            0x57    /* bits 31:15 */

const char *loongarch_debug_inst_trouble(int err, uint64_t word)
{
    if (err) {
        return "the host's KVM cannot debug guests; Linux 6.10 or later can";
    }
    if (word >> 15 != HVCL) {
        return "the host's KVM names no hypercall to debug guests with, which "
               "Linux 6.10 or later does";
    }
    return NULL;
}
