/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch: commands of the human monitor
 *
 * "info tlb" lists the entries that the CPU of the monitor holds and that can
 * be hit, and no page tables: what is mapped and not in the TLB is not shown.
 * With LVZ there are three kinds of them, each printed under a heading of its
 * own.  Nothing is stopped for it: of a CPU that runs, the list can be out of
 * date before it is printed.
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "system/tcg.h"
#include "monitor/monitor.h"
#include "monitor/hmp-target.h"
#include "monitor/hmp.h"
#ifdef CONFIG_TCG
#include "tcg/lvz.h"
#endif

#ifdef CONFIG_TCG
/* 4K, 16K, 2M, …: the size of one page of the pair. */
static const char *page_size(uint8_t ps, char *buf, size_t size)
{
    static const char unit[] = "BKMGTPE";

    snprintf(buf, size, "%u%c", 1u << (ps % 10), unit[MIN(ps / 10, 6)]);
    return buf;
}

/* One page of an entry's pair. A page with V clear is shown too: it can hit. */
static void print_page(Monitor *mon, uint64_t elo, uint8_t ps)
{
    uint64_t pa = (FIELD_EX64(elo, TLBENTRY_64, PPN) <<
                   R_TLBENTRY_64_PPN_SHIFT) & ~MAKE_64BIT_MASK(0, ps);

    monitor_printf(mon, "  %012" PRIx64 " %c%c plv%d mat%d %s %s %s", pa,
                   FIELD_EX64(elo, TLBENTRY, V) ? 'V' : '-',
                   FIELD_EX64(elo, TLBENTRY, D) ? 'D' : '-',
                   (int)FIELD_EX64(elo, TLBENTRY, PLV),
                   (int)FIELD_EX64(elo, TLBENTRY, MAT),
                   FIELD_EX64(elo, TLBENTRY_64, NR) ? "NR" : "--",
                   FIELD_EX64(elo, TLBENTRY_64, NX) ? "NX" : "--",
                   FIELD_EX64(elo, TLBENTRY_64, RPLV) ? "RPLV" : "----");
}

/*
 * STLB entries hold no page size: @stlb_ps is STLBPS of the world that fills
 * them.  A virtual address is shown sign-extended, a guest physical one not.
 */
static void print_tlb(Monitor *mon, const char *title,
                      const LoongArchTLB *array, uint8_t stlb_ps,
                      bool is_virtual)
{
    int i, count = 0;
    char buf[16];

    monitor_printf(mon, "%s\n", title);
    for (i = 0; i < LOONGARCH_TLB_MAX; i++) {
        const LoongArchTLB entry = array[i];
        uint8_t ps = i < LOONGARCH_STLB
                     ? stlb_ps : FIELD_EX64(entry.tlb_misc, TLB_MISC, PS);
        uint64_t addr = FIELD_EX64(entry.tlb_misc, TLB_MISC, VPPN)
                        << R_TLB_MISC_VPPN_SHIFT;

        if (!FIELD_EX64(entry.tlb_misc, TLB_MISC, E)) {
            continue;
        }
        if (count++ == 0) {
            monitor_printf(mon, "index gid asid g size address         "
                           "  even page                              "
                           "  odd page\n");
        }
        addr &= ~MAKE_64BIT_MASK(0, ps + 1);
        if (is_virtual) {
            addr = sextract64(addr, 0, TARGET_VIRT_ADDR_SPACE_BITS);
        }
        monitor_printf(mon, "%5d %3d %4d %c %4s %016" PRIx64, i,
                       (int)FIELD_EX64(entry.tlb_misc, TLB_MISC, GID),
                       (int)FIELD_EX64(entry.tlb_misc, TLB_MISC, ASID),
                       FIELD_EX64(entry.tlb_entry0, TLBENTRY, G) ? 'G' : '-',
                       page_size(ps, buf, sizeof(buf)), addr);
        print_page(mon, entry.tlb_entry0, ps);
        print_page(mon, entry.tlb_entry1, ps);
        monitor_printf(mon, "\n");
    }
    monitor_printf(mon, "%d entries\n", count);
}

static void print_tlbs(Monitor *mon, CPULoongArchState *env)
{
    uint8_t host_ps = FIELD_EX64(*loongarch_host_csr(env, STLBPS),
                                 CSR_STLBPS, PS);
    uint8_t guest_ps = FIELD_EX64(*loongarch_guest_csr(env, STLBPS),
                                  CSR_STLBPS, PS);

    print_tlb(mon, "Host: virtual to physical (VA to PA)", env->root_tlb,
              host_ps, true);
    if (loongarch_has_lvz(env)) {
        print_tlb(mon, "Guests: virtual to guest physical (GVA to GPA)",
                  env->lvz.guest_tlb, guest_ps, true);
        print_tlb(mon, "Guests: guest physical to physical (GPA to HPA)",
                  env->lvz.gpa_tlb, host_ps, false);
    }
}
#endif

void hmp_info_tlb(Monitor *mon, const QDict *qdict)
{
    CPUArchState *env = mon_get_cpu_env(mon);

    if (!env) {
        monitor_printf(mon, "No CPU available\n");
        return;
    }
#ifdef CONFIG_TCG
    if (tcg_enabled()) {
        print_tlbs(mon, env);
        return;
    }
#endif
    monitor_printf(mon, "The TLB can be shown with TCG only\n");
}
