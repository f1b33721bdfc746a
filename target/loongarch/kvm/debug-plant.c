/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LoongArch KVM: words planted in a guest's memory
 *
 * See debug-plant.h.  When they are to be there is decided in debug.c.
 *
 * A word that the guest has changed meanwhile is the guest's; it is kept, and
 * saved afresh the next time.
 *
 * An address of user space belongs to an address space, one of a module to the
 * kernel's page tables.  The guest can give its page to somebody else at any
 * time, so it is looked up again before each planting.
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "exec/memory.h"
#include "hw/core/cpu.h"
#include "system/hw_accel.h"
#include "cpu.h"
#include "debug.h"
#include "debug-plant.h"
#include "trace.h"

static struct {
    uint32_t inst;
    GHashTable *table;          /* a set */
    GHashTable *by_word;        /* of those that are planted */
    GArray *exposed;            /* words that stay lifted for now */
    unsigned int n_physical;    /* how many are KVM_DEBUG_PHYSICAL */
    GHashTable *former;         /* by address, those that went */
    unsigned int stops;         /* of the VM, so far */
} plants;

static unsigned int kind(unsigned int who)
{
    return who & KVM_DEBUG_CLIENT ? who | KVM_DEBUG_CLIENT : who;
}

static guint plant_hash(gconstpointer key)
{
    const KvmDebugPlant *plant = key;
    uint64_t value = plant->addr + kind(plant->who);

    return g_int64_hash(&value);
}

static gboolean plant_equal(gconstpointer a, gconstpointer b)
{
    const KvmDebugPlant *one = a, *other = b;

    return one->addr == other->addr && kind(one->who) == kind(other->who);
}

static void move_to(KvmDebugPlant *plant, const KvmDebugPlace *place)
{
    if (place->mr) {
        memory_region_ref(place->mr);
    }
    if (plant->place.mr) {
        memory_region_unref(plant->place.mr);
    }
    plant->place = *place;
}

/* It is planted nowhere. */
static void destroy(gpointer plant)
{
    move_to(plant, &(KvmDebugPlace) {});
    g_free(plant);
}

void kvm_debug_plants_init(uint32_t inst)
{
    plants.inst = inst;
    plants.table = g_hash_table_new(plant_hash, plant_equal);
    plants.by_word = g_hash_table_new(NULL, NULL);
    plants.exposed = g_array_new(false, false, sizeof(uint32_t *));
    plants.former = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL,
                                          destroy);
}

GHashTable *kvm_debug_plants(void)
{
    return plants.table;
}

KvmDebugPlant *kvm_debug_plant_lookup(vaddr addr, unsigned int who)
{
    KvmDebugPlant key = { .addr = addr, .who = who };

    return plants.table ? g_hash_table_lookup(plants.table, &key) : NULL;
}

KvmDebugPlant *kvm_debug_plant_new(vaddr addr, unsigned int who)
{
    KvmDebugPlant *plant = g_new0(KvmDebugPlant, 1);

    plant->addr = addr;
    plant->who = who;
    return plant;
}

void kvm_debug_plant_add(KvmDebugPlant *plant)
{
    g_hash_table_add(plants.table, plant);
    plants.n_physical += !!(plant->who & KVM_DEBUG_PHYSICAL);
}

/* The plant whose word is there, under whatever address. */
static KvmDebugPlant *planted_at(const uint32_t *word)
{
    return plants.table ? g_hash_table_lookup(plants.by_word, word) : NULL;
}

/* A word has one plant at most that is planted, and @plant's is where it is. */
static void set_planted(KvmDebugPlant *plant, bool planted)
{
    if (plant->planted == planted) {
        return;
    }
    plant->planted = planted;
    if (planted) {
        g_hash_table_insert(plants.by_word, plant->place.word, plant);
    } else {
        g_hash_table_remove(plants.by_word, plant->place.word);
    }
}

/* Another one for the same word has not planted it: it was there. */
static KvmDebugPlant *find_heir(const KvmDebugPlant *plant)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, plants.table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        KvmDebugPlant *other = value;

        if (other != plant && other->place.word == plant->place.word) {
            return other;
        }
    }
    return NULL;
}

static void uproot(KvmDebugPlant *plant)
{
    KvmDebugPlant *heir = plant->planted ? find_heir(plant) : NULL;

    if (heir) {
        heir->saved = plant->saved;
        set_planted(plant, false);
        set_planted(heir, true);
    }
    kvm_debug_lift(plant);
}

void kvm_debug_plant_free(KvmDebugPlant *plant)
{
    uproot(plant);
    destroy(plant);
}

/* Copies of its page can have our word in them, wherever they are. */
static bool leaves_copies(const KvmDebugPlant *plant)
{
    return plant->space.pgdl && plant->saved;
}

void kvm_debug_plant_remove(KvmDebugPlant *plant)
{
    g_hash_table_remove(plants.table, plant);
    uproot(plant);
    if (plant->who & KVM_DEBUG_PHYSICAL) {
        plants.n_physical--;
        destroy(plant);
    } else if (plant->who & KVM_DEBUG_CLIENT || leaves_copies(plant)) {
        plant->gone = plants.stops;
        g_hash_table_replace(plants.former, &plant->addr, plant);
    } else {
        destroy(plant);
    }
}

void kvm_debug_plants_remove(unsigned int who)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, plants.table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        KvmDebugPlant *plant = value;

        if (plant->who & who) {
            g_hash_table_iter_remove(&iter);
            plants.n_physical -= !!(plant->who & KVM_DEBUG_PHYSICAL);
            kvm_debug_plant_free(plant);
        }
    }
}

void kvm_debug_plants_lift(void)
{
    GHashTableIter iter;
    gpointer value;

    plants.stops++;
    g_hash_table_iter_init(&iter, plants.table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        kvm_debug_lift(value);
    }
}

void kvm_debug_plants_remove_all(void)
{
    /* Then no word is looked through for another plant. */
    kvm_debug_plants_lift();
    kvm_debug_plants_remove(UINT_MAX);
    g_hash_table_remove_all(plants.former);
}

int kvm_debug_plant_locate(CPUState *cs, KvmDebugPlant *plant)
{
    KvmDebugPlace place;
    int ret;

    RCU_READ_LOCK_GUARD();
    if (plant->who & KVM_DEBUG_PHYSICAL) {
        ret = kvm_debug_find_physical(plant->addr, &place);
        if (!ret) {
            move_to(plant, &place);
            plant->user = true;     /* for all that is known */
        }
        return ret;
    }
    ret = kvm_debug_find(cs, plant->addr, &place);
    if (!ret) {
        move_to(plant, &place);
        plant->space = kvm_debug_space_of(cs, plant->addr, &place);
        plant->user = plant->space.pgdl ||
                      kvm_debug_is_open(cs, plant->addr);
    }
    return ret;
}

static void forget_space(gpointer key, gpointer value, gpointer opaque)
{
    KvmDebugPlant *plant = value;

    if (plant->space.pgdl || plant->space.pgdh) {
        kvm_debug_lift(plant);
        move_to(plant, &(KvmDebugPlace) {});
        plant->space = (KvmDebugSpace) {};
        plant->user = false;
    }
}

void kvm_debug_plants_forget_spaces(void)
{
    g_hash_table_foreach(plants.table, forget_space, NULL);
    g_hash_table_foreach(plants.former, forget_space, NULL);
}

static bool is_unmoved(const KvmDebugPlant *plant)
{
    KvmDebugPlace now;

    return (!plant->space.pgdl && !plant->space.pgdh) ||
           (!kvm_debug_find_in(&plant->space, plant->addr, &now) &&
            now.word == plant->place.word);
}

/*
 * The same code at the same address: where it always was, or where the guest
 * has copied the page to, with our word in it or as it was without.
 */
static bool is_copy(const KvmDebugPlant *plant, const KvmDebugPlace *now)
{
    uint32_t word = qatomic_read(now->word);

    return plant->saved && (word == plant->saved || word == plants.inst);
}

/* Has its process what it had there, for all that its tables say? */
static bool is_still_there(const KvmDebugPlant *plant)
{
    KvmDebugPlace now;

    return plant->space.pgdl &&
           !kvm_debug_find_in(&plant->space, plant->addr, &now) &&
           (now.word == plant->place.word || is_copy(plant, &now));
}

/* A kernel keeps a space that has ended until it needs another one. */
static bool is_running(const KvmDebugPlant *plant)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        cpu_synchronize_state(cs);
        if (plant->space.pgdl && kvm_debug_is_in(cs, &plant->space) &&
            FIELD_EX64(cpu_env(cs)->CSR_CRMD, CSR_CRMD, PLV)) {
            return true;
        }
    }
    return false;
}

KvmDebugPlant *kvm_debug_plant_again(vaddr addr, unsigned int who,
                                     bool at_last)
{
    KvmDebugPlant *plant = g_hash_table_lookup(plants.former, &addr);
    bool same_stop = plant && plant->gone == plants.stops;

    RCU_READ_LOCK_GUARD();
    if (!plant || !(who & KVM_DEBUG_CLIENT) || who & KVM_DEBUG_PHYSICAL ||
        (at_last ? !same_stop && !is_still_there(plant) :
         !same_stop || !(is_running(plant) || is_still_there(plant)))) {
        return NULL;
    }
    g_hash_table_steal(plants.former, &addr);
    plant->who = who;
    return plant;
}

/*
 * Its page is elsewhere now, a copy with or without our word.  Whoever has kept
 * the old page is not to keep our word with it; a word in the new one stays, so
 * that no vCPU comes by without it.
 */
static void follow(KvmDebugPlant *plant, const KvmDebugPlace *now)
{
    trace_kvm_debug_move(plant->addr, plant->who, plant->place.offset,
                         now->offset);
    if (plant->planted) {
        kvm_debug_replace(&plant->place, plants.inst, plant->saved);
        set_planted(plant, false);
    }
    move_to(plant, now);
}

/* The kernel's tables: it may be another one by now, with tables of its own. */
static bool is_in_kernel(KvmDebugPlant *plant)
{
    CPUState *cs;

    if (is_unmoved(plant)) {
        return true;
    }
    kvm_debug_lift(plant);
    CPU_FOREACH(cs) {
        if (!kvm_debug_plant_locate(cs, plant)) {
            return true;
        }
    }
    return false;
}

/*
 * Page tables outlive their space, and pages what was in them: a kernel that
 * has taken another one's place knows of neither.  Where they lead to is
 * believed only if the same code is there, or if a vCPU uses them.
 */
static bool is_in_space(KvmDebugPlant *plant, bool *moved)
{
    KvmDebugPlace now;
    CPUState *cs;
    bool used = false;

    if (kvm_debug_find_in(&plant->space, plant->addr, &now)) {
        return false;
    }
    if (!is_copy(plant, &now)) {
        CPU_FOREACH(cs) {
            cpu_synchronize_state(cs);
            used |= kvm_debug_is_in(cs, &plant->space);
        }
        if (!used) {
            return false;
        }
    }
    *moved = now.word != plant->place.word;
    if (*moved) {
        follow(plant, &now);
    }
    return true;
}

static bool is_there(KvmDebugPlant *plant, bool *moved)
{
    return plant->place.mr &&
           (plant->space.pgdl ? is_in_space(plant, moved) :
            plant->space.pgdh ? is_in_kernel(plant) : true);
}

static bool is_exposed(const uint32_t *word)
{
    guint i;

    for (i = 0; i < plants.exposed->len; i++) {
        if (g_array_index(plants.exposed, uint32_t *, i) == word) {
            return true;
        }
    }
    return false;
}

/* A kernel makes the entries of a new CPU by copying another's: any planted. */
static KvmDebugPlant *entry_copied(void)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, plants.table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        KvmDebugPlant *plant = value;

        if (plant->who == KVM_DEBUG_TRAP && plant->planted) {
            return plant;
        }
    }
    return NULL;
}

/*
 * Our word is there: by us, for another address maybe, or copied by the guest.
 * Or the guest has its own.
 */
static void adopt(KvmDebugPlant *plant, bool moved)
{
    KvmDebugPlant *copied;

    if (planted_at(plant->place.word)) {
        return;
    }
    copied = plant->who == KVM_DEBUG_TRAP ? entry_copied() : NULL;
    if (copied) {
        plant->saved = copied->saved;
    }
    if (copied || (moved && plant->saved)) {
        set_planted(plant, true);
    }
}

void kvm_debug_plant(KvmDebugPlant *plant)
{
    bool moved = false;
    uint32_t now;

    RCU_READ_LOCK_GUARD();
    if (!is_there(plant, &moved) || is_exposed(plant->place.word)) {
        return;
    }
    do {
        now = qatomic_read(plant->place.word);
        if (now == plants.inst) {
            adopt(plant, moved);
            return;
        }
        plant->saved = now;
    } while (!kvm_debug_replace(&plant->place, now, plants.inst));
    trace_kvm_debug_plant(plant->addr, plant->who, plant->place.offset,
                          le32_to_cpu(now));
    set_planted(plant, true);
    if (!is_unmoved(plant)) {
        /* The guest has taken the page away under our hands. */
        kvm_debug_lift(plant);
    }
}

void kvm_debug_lift(KvmDebugPlant *plant)
{
    KvmDebugPlace now;

    if (!plant->planted) {
        return;
    }
    RCU_READ_LOCK_GUARD();
    trace_kvm_debug_lift(plant->addr, plant->who, plant->place.offset,
                         le32_to_cpu(plant->saved));
    kvm_debug_replace(&plant->place, plants.inst, plant->saved);
    set_planted(plant, false);
    /* The guest can have moved the page, with our word in it. */
    if (plant->space.pgdl &&
        !kvm_debug_find_in(&plant->space, plant->addr, &now) &&
        now.word != plant->place.word && !planted_at(now.word)) {
        kvm_debug_replace(&now, plants.inst, plant->saved);
    }
}

/* Whose page has come here?  The vCPU can know it at another address. */
static KvmDebugPlant *find_moved(vaddr addr, const KvmDebugPlace *place)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, plants.table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        KvmDebugPlant *plant = value;
        KvmDebugPlace now;

        if (leaves_copies(plant) && plant->place.word != place->word &&
            !((plant->addr ^ addr) & ~TARGET_PAGE_MASK) &&
            !kvm_debug_find_in(&plant->space, plant->addr, &now) &&
            now.word == place->word) {
            return plant;
        }
    }
    return NULL;
}

KvmDebugPlant *kvm_debug_planted(CPUState *cs, vaddr addr,
                                 const KvmDebugPlace *place)
{
    KvmDebugPlant *plant = planted_at(place->word), *former;

    if (plant || qatomic_read(place->word) != plants.inst) {
        return plant;
    }
    if (kvm_debug_at_trap(cs)) {
        plant = entry_copied();
        if (plant) {
            kvm_debug_replace(place, plants.inst, plant->saved);
        }
        return plant;
    }
    plant = find_moved(addr, place);
    if (plant) {
        follow(plant, place);
        set_planted(plant, true);
        return plant;
    }
    plant = kvm_debug_plant_lookup(addr, KVM_DEBUG_CLIENT);
    if (!plant || !leaves_copies(plant)) {
        former = g_hash_table_lookup(plants.former, &addr);
        if (former && leaves_copies(former)) {
            kvm_debug_replace(place, plants.inst, former->saved);
        }
        return NULL;
    }
    if (place->word == plant->place.word) {
        /* The guest has written it there. */
        return NULL;
    }
    if (kvm_debug_is_in(cs, &plant->space)) {
        follow(plant, place);
        set_planted(plant, true);
    } else {
        /* A fork has a copy of its own. */
        kvm_debug_replace(place, plants.inst, plant->saved);
    }
    return plant;
}

bool kvm_debug_is_physical(const KvmDebugPlace *place)
{
    GHashTableIter iter;
    gpointer value;

    if (!plants.n_physical) {
        return false;
    }
    g_hash_table_iter_init(&iter, plants.table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        KvmDebugPlant *plant = value;

        if (plant->who & KVM_DEBUG_PHYSICAL &&
            plant->place.word == place->word) {
            return true;
        }
    }
    return false;
}

static bool has_at_offset(GHashTable *table, vaddr addr)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        KvmDebugPlant *plant = value;

        if (plant->user && !((plant->addr ^ addr) & ~TARGET_PAGE_MASK)) {
            return true;
        }
    }
    return false;
}

bool kvm_debug_planted_somewhere(CPUState *cs, vaddr addr)
{
    CPULoongArchState *env = cpu_env(cs);

    return plants.table && FIELD_EX64(env->CSR_CRMD, CSR_CRMD, PG) &&
           env->CSR_PWCL && (addr >> 63 ? env->CSR_PGDH : env->CSR_PGDL) &&
           (has_at_offset(plants.table, addr) ||
            has_at_offset(plants.former, addr));
}

bool kvm_debug_fetch(CPUState *cs, vaddr addr, uint32_t *insn)
{
    KvmDebugPlace place;
    KvmDebugPlant *plant;

    RCU_READ_LOCK_GUARD();
    if (addr & 3 || kvm_debug_find(cs, addr, &place)) {
        return false;
    }
    *insn = qatomic_read(place.word);
    if (*insn == plants.inst) {
        plant = planted_at(place.word);
        if (plant) {
            *insn = plant->saved;
        }
    }
    *insn = le32_to_cpu(*insn);
    return true;
}

void kvm_debug_expose(CPUState *cs, vaddr addr)
{
    KvmDebugPlace place;
    KvmDebugPlant *plant;

    RCU_READ_LOCK_GUARD();
    if (kvm_debug_find(cs, addr, &place)) {
        return;
    }
    plant = planted_at(place.word);
    if (plant) {
        g_array_append_val(plants.exposed, place.word);
        kvm_debug_lift(plant);
    }
}

bool kvm_debug_unexpose(void)
{
    bool some = plants.exposed && plants.exposed->len;

    if (some) {
        g_array_set_size(plants.exposed, 0);
    }
    return some;
}
