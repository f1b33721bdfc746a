/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch: where an exception enters, and the way back from there
 *
 * Pure: CSRs go in and out as numbers, so that it links into a unit test.
 */

#ifndef LOONGARCH_EXCEPTION_ENTRY_H
#define LOONGARCH_EXCEPTION_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

/**
 * loongarch_exception_entry() - where a general exception enters
 * @eentry: CSR.EENTRY
 * @ecfg: CSR.ECFG
 * @ecode: the exception
 *
 * Source: LoongArch Reference Manual, volume 1, 6.2 and 7.4.
 */
uint64_t loongarch_exception_entry(uint64_t eentry, uint64_t ecfg,
                                   unsigned int ecode);

/**
 * struct LoongArchEntered - a vCPU as an exception has left it
 * @pc: where it stands
 * @crmd: CSR.CRMD, and so on
 */
typedef struct LoongArchEntered {
    uint64_t pc, crmd;
    uint64_t prmd, estat, era, eentry, ecfg, tlbrera;
} LoongArchEntered;

/**
 * loongarch_exception_undo() - go back to before an exception
 * @cpu: the vCPU; @pc and @crmd are set to what they were
 * @ecode: the exception
 *
 * Only from the very entry of that exception, where no instruction of the
 * handler has been executed.
 *
 * PRMD, ERA, ESTAT.Ecode, BADV and BADI stay as the exception has left them:
 * what they were is lost, unless the caller knows.  Nobody misses it if it came
 * from PLV1 to PLV3, since the interrupted code cannot read them, and those who
 * can come there by an exception that writes them again.
 *
 * Return: false, with nothing changed, if the vCPU does not stand there.
 * Source: LoongArch Reference Manual, volume 1, 6.2 and 7.4.
 */
bool loongarch_exception_undo(LoongArchEntered *cpu, unsigned int ecode);

#endif
