/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Start-up, vectors and world switch of the LVZ tests.
 *
 * The switch follows what a hypervisor must do and no more: it carries general
 * registers, not FP ones, and knows one vCPU at a time (its address is in KS4
 * while the guest runs).  The refill handler is that of a host kernel that has
 * not heard of guests, with a log and a hook added.
 */

#include "regdef.h"

#define CSR_CRMD        0x0
#define CSR_PRMD        0x1
#define CSR_ECFG        0x4
#define CSR_ESTAT       0x5
#define CSR_ERA         0x6
#define CSR_BADV        0x7
#define CSR_BADI        0x8
#define CSR_EENTRY      0xc
#define CSR_GTLBC       0x15
#define CSR_PGDL        0x19
#define CSR_PGD         0x1b
#define CSR_KS0         0x30
#define CSR_KS4         0x34
#define CSR_KS5         0x35
#define CSR_KS6         0x36
#define CSR_GSTAT       0x50
#define CSR_TLBRBADV    0x89
#define CSR_TLBRERA     0x8a
#define CSR_TLBRSAVE    0x8b
#define CSR_TLBREHI     0x8e
#define CSR_TLBRPRMD    0x8f
#define CSR_DMW0        0x180
#define CSR_DMW1        0x181
#define CSR_DMW2        0x182

/* struct vcpu */
#define V_PC            256
#define V_PGD           264
#define V_GID           272
#define V_PRMD          280
#define V_ECFG          288
#define V_ESTAT         296
#define V_ERA           304
#define V_BADV          312
#define V_BADI          320
#define V_CRMD          328
#define V_XPRMD         336
#define V_GSTAT         344
#define V_TLBRERA       352
#define V_SLOT          360
#define V_REFILL        368
#define V_SP            376
/* struct refill_log */
#define L_COUNT         0
#define L_BADV          8
#define L_ERA           16
#define L_EHI           24
#define L_PRMD          32
#define L_CRMD          40
#define L_GSTAT         48
#define L_T1            56
#define L_HOOK          64
/* struct frame, padded to 16 */
#define FRAME           272

        .altmacro
        .macro  each_gpr op, base, from, to
        .set    i, \from
        .rept   \to - \from + 1
        one_gpr \op, \base, %i
        .set    i, i + 1
        .endr
        .endm
        .macro  one_gpr op, base, n
        \op     $r\n, \base, \n * 8
        .endm

        .text

/* boot.S comes here in direct address mode with a stack at its link address */
        .global main
        .type main, @function
main:
        lu52i.d t0, zero, -0x800        /* DMW0: uncached */
        ori     t0, t0, 0x1
        csrwr   t0, CSR_DMW0
        lu52i.d t1, zero, -0x700        /* DMW1: cached */
        ori     t0, t1, 0x11
        csrwr   t0, CSR_DMW1
        lu52i.d t0, zero, -0x600        /* DMW2: cached, for all levels */
        ori     t0, t0, 0x1f
        csrwr   t0, CSR_DMW2
        bstrins.d sp, zero, 63, 48
        or      sp, sp, t1
        pcaddi  t0, 4
        bstrins.d t0, zero, 63, 48
        or      t0, t0, t1
        jirl    zero, t0, 0
        li.w    t0, 0x10                /* here: PG=1, DA=0, PLV0 */
        csrwr   t0, CSR_CRMD
        bl      lvz_main
1:      b       1b

/*
 * Exceptions of the host itself, ECFG.VS = 0.  They come from the test's own
 * C code, or from insn_call_user at another level with the same stack pointer.
 */
        .balign 4096
        .global host_vector
host_vector:
        csrwr   t0, CSR_KS0
        addi.d  t0, sp, -FRAME
        each_gpr st.d, t0, 1, 11
        each_gpr st.d, t0, 13, 31
        csrrd   t1, CSR_KS0
        st.d    t1, t0, 12 * 8
        csrrd   t1, CSR_ERA
        st.d    t1, t0, 32 * 8
        csrrd   t1, CSR_PRMD
        st.d    t1, t0, 33 * 8
        move    sp, t0
        move    a0, t0
        bl      host_exception
        ld.d    t0, sp, 32 * 8
        csrwr   t0, CSR_ERA
        ld.d    t0, sp, 33 * 8
        csrwr   t0, CSR_PRMD
        each_gpr ld.d, sp, 1, 2
        each_gpr ld.d, sp, 4, 31
        ld.d    sp, sp, 3 * 8
        ertn

/*
 * TLB refill, for the host and for second-level misses alike.  Direct address
 * mode: every address is cut to its physical part.
 */
        .balign 4096
        .global refill_entry
refill_entry:
        csrwr   t0, CSR_TLBRSAVE
        la.pcrel t0, refill
        st.d    t1, t0, L_T1
        ld.d    t1, t0, L_COUNT
        addi.d  t1, t1, 1
        st.d    t1, t0, L_COUNT
        csrrd   t1, CSR_TLBRBADV
        st.d    t1, t0, L_BADV
        csrrd   t1, CSR_TLBRERA
        st.d    t1, t0, L_ERA
        csrrd   t1, CSR_TLBREHI
        st.d    t1, t0, L_EHI
        csrrd   t1, CSR_TLBRPRMD
        st.d    t1, t0, L_PRMD
        csrrd   t1, CSR_CRMD
        st.d    t1, t0, L_CRMD
        csrrd   t1, CSR_GSTAT
        st.d    t1, t0, L_GSTAT
        ld.d    t1, t0, L_HOOK
        bnez    t1, 1f
        ld.d    t1, t0, L_T1
        csrrd   t0, CSR_PGD
        lddir   t0, t0, 3
        lddir   t0, t0, 1
        ldpte   t0, 0
        ldpte   t0, 1
        tlbfill
        csrrd   t0, CSR_TLBRSAVE
        ertn

1:      la.pcrel t0, refill_frame
        each_gpr st.d, t0, 1, 11
        each_gpr st.d, t0, 14, 31
        csrrd   t1, CSR_TLBRSAVE
        st.d    t1, t0, 12 * 8
        la.pcrel t1, refill
        ld.d    t2, t1, L_T1
        st.d    t2, t0, 13 * 8
        la.pcrel sp, refill_stack_end
        move    a0, t0
        bl      refill_hook_call
        la.pcrel t0, refill_frame
        each_gpr ld.d, t0, 1, 11
        each_gpr ld.d, t0, 13, 31
        ld.d    t0, t0, 12 * 8
        ertn

/* void enter_guest(struct vcpu *v) */
        .global enter_guest
        .type enter_guest, @function
enter_guest:
        addi.d  sp, sp, -112
        st.d    ra, sp, 0
        st.d    tp, sp, 8
        st.d    $r21, sp, 16
        st.d    fp, sp, 24
        st.d    s0, sp, 32
        st.d    s1, sp, 40
        st.d    s2, sp, 48
        st.d    s3, sp, 56
        st.d    s4, sp, 64
        st.d    s5, sp, 72
        st.d    s6, sp, 80
        st.d    s7, sp, 88
        st.d    s8, sp, 96
        move    a2, a0
        st.d    sp, a2, V_SP
        st.d    zero, a2, V_REFILL
        move    t0, a2
        csrwr   t0, CSR_KS4
        ld.d    t0, a2, V_ECFG
        csrwr   t0, CSR_ECFG
        la.pcrel t0, exit_vectors
        csrwr   t0, CSR_EENTRY
        ld.d    t0, a2, V_PC
        csrwr   t0, CSR_ERA
        ld.d    t0, a2, V_PGD
        csrwr   t0, CSR_PGDL
        ld.d    t0, a2, V_GID
        csrrd   t1, CSR_GTLBC
        bstrins.w t1, t0, 23, 16
        csrwr   t1, CSR_GTLBC
        ld.d    t0, a2, V_PRMD
        csrwr   t0, CSR_PRMD
        li.w    t0, 2                   /* GSTAT.PVM */
        csrxchg t0, t0, CSR_GSTAT
        each_gpr ld.d, a2, 1, 5
        each_gpr ld.d, a2, 7, 31
        ld.d    a2, a2, 6 * 8
        ertn

/* One slot of 128 bytes for each vector, used with ECFG.VS = 0 and 5 */
        .balign 16384
        .global exit_vectors
exit_vectors:
        .set    slot, 0
        .rept   128
        csrwr   a2, CSR_KS5
        ori     a2, zero, slot
        csrwr   a2, CSR_KS6
        b       guest_exit
        .balign 128
        .set    slot, slot + 1
        .endr

guest_exit:
        csrrd   a2, CSR_KS4
        each_gpr st.d, a2, 0, 5
        each_gpr st.d, a2, 7, 31
        csrrd   t0, CSR_KS5
        st.d    t0, a2, 6 * 8
        csrrd   t0, CSR_KS6
        st.d    t0, a2, V_SLOT
        csrrd   t0, CSR_ERA
        st.d    t0, a2, V_ERA
        st.d    t0, a2, V_PC
leave_guest:
        csrrd   t0, CSR_ESTAT
        st.d    t0, a2, V_ESTAT
        csrrd   t0, CSR_BADV
        st.d    t0, a2, V_BADV
        csrrd   t0, CSR_BADI
        st.d    t0, a2, V_BADI
        csrrd   t0, CSR_CRMD
        st.d    t0, a2, V_CRMD
        csrrd   t0, CSR_PRMD
        st.d    t0, a2, V_XPRMD
        csrrd   t0, CSR_GSTAT
        st.d    t0, a2, V_GSTAT
        csrrd   t0, CSR_TLBRERA
        st.d    t0, a2, V_TLBRERA
        move    t0, zero
        csrwr   t0, CSR_ECFG
        la.pcrel t0, host_vector
        csrwr   t0, CSR_EENTRY
        la.pcrel t0, host_pgd
        ld.d    t0, t0, 0
        csrwr   t0, CSR_PGDL
        ori     t0, zero, 2
        csrxchg zero, t0, CSR_GSTAT
        csrrd   t0, CSR_GTLBC
        bstrins.w t0, zero, 23, 16
        csrwr   t0, CSR_GTLBC
        ld.d    sp, a2, V_SP
        ld.d    ra, sp, 0
        ld.d    tp, sp, 8
        ld.d    $r21, sp, 16
        ld.d    fp, sp, 24
        ld.d    s0, sp, 32
        ld.d    s1, sp, 40
        ld.d    s2, sp, 48
        ld.d    s3, sp, 56
        ld.d    s4, sp, 64
        ld.d    s5, sp, 72
        ld.d    s6, sp, 80
        ld.d    s7, sp, 88
        ld.d    s8, sp, 96
        addi.d  sp, sp, 112
        jirl    zero, ra, 0

/* refill_hook_call sends the refill handler's ertn here to leave the guest */
        .global refill_exit_guest
refill_exit_guest:
        csrrd   a2, CSR_KS4
        li.w    t0, 1
        st.d    t0, a2, V_REFILL
        b       leave_guest

/* void insn_call(struct insn *i, const void *code): $t0, $t1 from i->rd, rj */
        .global insn_call
        .type insn_call, @function
insn_call:
        addi.d  sp, sp, -16
        st.d    ra, sp, 0
        st.d    a0, sp, 8
        ld.d    t0, a0, 8
        ld.d    t1, a0, 16
        jirl    ra, a1, 0
        ld.d    a0, sp, 8
        ld.d    ra, sp, 0
        addi.d  sp, sp, 16
        st.d    t0, a0, 8
        jirl    zero, ra, 0

/* The same at i->plv; the code ends in a syscall that comes back here */
        .global insn_call_user
        .type insn_call_user, @function
insn_call_user:
        addi.d  sp, sp, -16
        st.d    ra, sp, 0
        st.d    a0, sp, 8
        csrwr   a1, CSR_ERA
        ld.w    t0, a0, 4
        csrwr   t0, CSR_PRMD
        ld.d    t0, a0, 8
        ld.d    t1, a0, 16
        ertn
        .global insn_user_return
insn_user_return:
        ld.d    a0, sp, 8
        ld.d    ra, sp, 0
        addi.d  sp, sp, 16
        st.d    t0, a0, 8
        jirl    zero, ra, 0

        .bss
        .balign 16
        .global refill
refill: .space  80
refill_frame:
        .space  FRAME
        .space  16384
refill_stack_end:
        .section .note.GNU-stack, "", @progbits
