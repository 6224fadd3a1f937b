#include "core/dedup.h"

#include "base/base.h"
#include "base/mem.h"

#define DEDUP_FIRST_SLOTS 1024 /* 16 KiB: a quiet partition */
#define DEDUP_SET_MASK UINT64_C(0xffff)
#define DEDUP_SET_WORDS ((DEDUP_MAX_SETS + 64) / 64)

/* `low` holds 48 bits of the fingerprint above 16 bits of set; set 0 is an empty slot. */
struct dedup_entry {
    uint64_t high, low;
};

struct dedup {
    struct dedup_entry *slots; /* open addressing, linear probing */
    size_t mask;
    size_t used; /* slots that are not empty, closed sets included */
    size_t live;
    uint64_t open[DEDUP_SET_WORDS];  /* sets that are open */
    uint64_t stale[DEDUP_SET_WORDS]; /* closed, but entries may still be in the table */
    unsigned next_set;
    unsigned open_count;
};

static bool in_bits(const uint64_t *bits, unsigned set)
{
    return (bits[set / 64] >> (set % 64) & 1) != 0;
}

static void set_bit(uint64_t *bits, unsigned set, bool value)
{
    const uint64_t bit = UINT64_C(1) << (set % 64);
    bits[set / 64] = value ? bits[set / 64] | bit : bits[set / 64] & ~bit;
}

/* The set is part of the position: where the key lacks the event time, one key is in many sets. */
static size_t home_slot(const struct dedup *d, const struct dedup_entry *e)
{
    const uint64_t set = e->low & DEDUP_SET_MASK;
    return (size_t)(e->high ^ set * UINT64_C(0x9e3779b97f4a7c15)) & d->mask;
}

/* Into a table of `slots` slots, without what closed sets left behind. */
static void rebuild(struct dedup *d, size_t slots)
{
    struct dedup_entry *old = d->slots;
    const size_t old_count = d->mask + 1;
    d->slots = mem_calloc(slots, sizeof(*d->slots));
    d->mask = slots - 1;
    d->used = 0;
    for (size_t i = 0; i < old_count; i++) {
        const unsigned set = (unsigned)(old[i].low & DEDUP_SET_MASK);
        if (set == DEDUP_NO_SET || !in_bits(d->open, set))
            continue;
        size_t slot = home_slot(d, &old[i]);
        while ((d->slots[slot].low & DEDUP_SET_MASK) != DEDUP_NO_SET)
            slot = (slot + 1) & d->mask;
        d->slots[slot] = old[i];
        d->used++;
    }
    ASSERT(d->used == d->live);
    for (size_t i = 0; i < DEDUP_SET_WORDS; i++)
        d->stale[i] = 0;
    mem_free(old);
}

struct dedup *dedup_new(void)
{
    struct dedup *d = mem_calloc(1, sizeof(*d));
    d->slots = mem_calloc(DEDUP_FIRST_SLOTS, sizeof(*d->slots));
    d->mask = DEDUP_FIRST_SLOTS - 1;
    d->next_set = 1;
    return d;
}

void dedup_free(struct dedup *d)
{
    if (d == NULL)
        return;
    mem_free(d->slots);
    mem_free(d);
}

/* A set number that no entry of the table carries, or 0. */
static unsigned find_set(struct dedup *d)
{
    for (unsigned tried = 0; tried < DEDUP_MAX_SETS; tried++) {
        const unsigned set = d->next_set;
        d->next_set = set == DEDUP_MAX_SETS ? 1 : set + 1;
        if (!in_bits(d->open, set) && !in_bits(d->stale, set))
            return set;
    }
    return DEDUP_NO_SET;
}

uint16_t dedup_open(struct dedup *d)
{
    if (d->open_count == DEDUP_MAX_SETS)
        return DEDUP_NO_SET;
    unsigned set = find_set(d);
    if (set == DEDUP_NO_SET) { /* every free number is stale */
        rebuild(d, d->mask + 1);
        set = find_set(d);
    }
    ASSERT(set != DEDUP_NO_SET);
    set_bit(d->open, set, true);
    d->open_count++;
    return (uint16_t)set;
}

void dedup_close(struct dedup *d, uint16_t set, size_t keys)
{
    ASSERT(set != DEDUP_NO_SET && in_bits(d->open, set) && keys <= d->live);
    set_bit(d->open, set, false);
    set_bit(d->stale, set, keys > 0);
    d->open_count--;
    d->live -= keys;
    /* Give memory back when an eighth would do; halving by steps keeps the cost per key constant.
     */
    size_t slots = d->mask + 1;
    if (slots > DEDUP_FIRST_SLOTS && d->live * 8 < slots) {
        while (slots > DEDUP_FIRST_SLOTS && d->live * 4 < slots)
            slots /= 2;
        rebuild(d, slots);
    }
}

static void make_room(struct dedup *d)
{
    const size_t slots = d->mask + 1;
    if ((d->used + 1) * 4 <= slots * 3)
        return;
    /* Dropping closed sets may be enough: grow only when the live keys ask for it. */
    rebuild(d, (d->live + 1) * 2 > slots ? slots * 2 : slots);
}

bool dedup_add(struct dedup *d, uint16_t set, const uint64_t key[2])
{
    ASSERT(set != DEDUP_NO_SET);
    make_room(d);
    const struct dedup_entry entry = {key[0], (key[1] & ~DEDUP_SET_MASK) | set};
    size_t slot = home_slot(d, &entry);
    while ((d->slots[slot].low & DEDUP_SET_MASK) != DEDUP_NO_SET) {
        if (d->slots[slot].high == entry.high && d->slots[slot].low == entry.low)
            return false;
        slot = (slot + 1) & d->mask;
    }
    d->slots[slot] = entry;
    d->used++;
    d->live++;
    return true;
}

size_t dedup_live(const struct dedup *d)
{
    return d->live;
}

size_t dedup_memory_bytes(const struct dedup *d)
{
    return sizeof(*d) + (d->mask + 1) * sizeof(*d->slots);
}
