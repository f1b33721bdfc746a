/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch KVM: a word of a guest's memory, and whose address led to it
 *
 * See debug-place.h.  What is written there, and when, is not known here.
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "exec/target_page.h"
#include "hw/core/cpu.h"
#include "system/hw_accel.h"
#include "cpu.h"
#include "debug-place.h"

bool kvm_debug_is_direct(CPUState *cs)
{
    CPULoongArchState *env = cpu_env(cs);

    cpu_synchronize_state(cs);
    return FIELD_EX64(env->CSR_CRMD, CSR_CRMD, DA) &&
           !FIELD_EX64(env->CSR_CRMD, CSR_CRMD, PG) &&
           !FIELD_EX64(env->CSR_TLBRERA, CSR_TLBRERA, ISTLBR);
}

static int find_physical(AddressSpace *as, hwaddr phys, KvmDebugPlace *place)
{
    hwaddr len = sizeof(uint32_t);

    place->mr = address_space_translate(as, phys, &place->offset, &len, true,
                                        MEMTXATTRS_UNSPECIFIED);
    if (!(memory_region_is_ram(place->mr) ||
          memory_region_is_romd(place->mr)) ||
        memory_region_is_ram_device(place->mr)) {
        return -ENXIO;
    }
    if (len < sizeof(uint32_t)) {
        return -EFAULT;
    }
    place->word = memory_region_get_ram_ptr(place->mr) + place->offset;
    return 0;
}

int kvm_debug_find(CPUState *cs, vaddr addr, KvmDebugPlace *place)
{
    hwaddr phys;

    cpu_synchronize_state(cs);
    phys = cpu_get_phys_page_debug(cs, addr & TARGET_PAGE_MASK);
    if (phys == -1) {
        return -EFAULT;
    }
    return find_physical(cs->as, phys | (addr & ~TARGET_PAGE_MASK), place);
}

int kvm_debug_find_physical(hwaddr phys, KvmDebugPlace *place)
{
    return find_physical(&address_space_memory, phys, place);
}

static bool read_table(void *opaque, uint64_t pa, uint64_t *value)
{
    MemTxResult result;

    *value = address_space_ldq(&address_space_memory, pa,
                               MEMTXATTRS_UNSPECIFIED, &result);
    return result == MEMTX_OK;
}

/* Through a space's page tables, without a window. */
static LoongArchDebugWalk walk_in(const KvmDebugSpace *space)
{
    return (LoongArchDebugWalk) {
        .crmd = R_CSR_CRMD_PG_MASK,
        .pgdl = space->pgdl,
        .pgdh = space->pgdh,
        .pwcl = space->pwcl,
        .pwch = space->pwch,
        .va_bits = TARGET_VIRT_ADDR_SPACE_BITS,
        .pa_bits = TARGET_PHYS_ADDR_SPACE_BITS,
        .read = read_table,
    };
}

static KvmDebugSpace current_space(CPULoongArchState *env, vaddr addr)
{
    return (KvmDebugSpace) {
        .pgdl = addr >> 63 ? 0 : env->CSR_PGDL,
        .pgdh = addr >> 63 ? env->CSR_PGDH : 0,
        .pwcl = env->CSR_PWCL,
        .pwch = env->CSR_PWCH,
    };
}

int kvm_debug_find_in(const KvmDebugSpace *space, vaddr addr,
                      KvmDebugPlace *place)
{
    LoongArchDebugWalk walk = walk_in(space);
    uint64_t phys = loongarch_debug_walk(&walk, addr);

    if (phys == LOONGARCH_DEBUG_UNMAPPED) {
        return -EFAULT;
    }
    return kvm_debug_find_physical(phys, place);
}

KvmDebugSpace kvm_debug_space_of(CPUState *cs, vaddr addr,
                                 const KvmDebugPlace *place)
{
    CPULoongArchState *env = cpu_env(cs);
    KvmDebugSpace space = current_space(env, addr);
    KvmDebugPlace through;

    if (kvm_debug_is_direct(cs) || kvm_debug_find_in(&space, addr, &through) ||
        through.word != place->word) {
        space = (KvmDebugSpace) {};
    }
    return space;
}

LoongArchDebugAccess kvm_debug_access(CPUState *cs, uint64_t crmd, vaddr addr,
                                      bool store)
{
    CPULoongArchState *env = cpu_env(cs);
    KvmDebugSpace space = current_space(env, addr);
    LoongArchDebugWalk walk = walk_in(&space);

    walk.crmd = crmd;
    memcpy(walk.dmw, env->CSR_DMW, sizeof(walk.dmw));
    return loongarch_debug_access(&walk, addr, store);
}

bool kvm_debug_is_in(CPUState *cs, const KvmDebugSpace *space)
{
    return !space->pgdl || space->pgdl == cpu_env(cs)->CSR_PGDL;
}

/*
 * Through our own mapping, as a DMA would: on a LoongArch host the instruction
 * caches are kept coherent by hardware, and the vCPU enters the guest by an
 * ertn, which fetches anew.
 */
bool kvm_debug_replace(const KvmDebugPlace *place, uint32_t from, uint32_t to)
{
    if (qatomic_cmpxchg(place->word, from, to) != from) {
        return false;
    }
    memory_region_set_dirty(place->mr, place->offset, sizeof(to));
    return true;
}

void kvm_debug_store(const KvmDebugPlace *place, unsigned int size,
                     uint64_t value)
{
    stn_le_p(place->word, size, value);
    memory_region_set_dirty(place->mr, place->offset, size);
}
