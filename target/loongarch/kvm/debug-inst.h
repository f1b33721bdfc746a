/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch KVM: is there an instruction to debug a guest with?
 *
 * Pure: what KVM answered is judged here and asked elsewhere.
 */

#ifndef LOONGARCH_KVM_DEBUG_INST_H
#define LOONGARCH_KVM_DEBUG_INST_H

#include <stdint.h>

/**
 * loongarch_debug_inst_trouble() - judge KVM's KVM_REG_LOONGARCH_DEBUG_INST
 * @err: what reading it gave, 0 or a negative errno
 * @word: what was read; nothing if @err is set
 *
 * Return: %NULL if @word can be planted in a guest, else one sentence for the
 * user that says why not and what would help.
 */
const char *loongarch_debug_inst_trouble(int err, uint64_t word);

#endif
