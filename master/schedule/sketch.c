/* SPDX-License-Identifier: MIT */
#include "master/schedule/sketch.h"

#include <stdlib.h>

#include "common/mem.h"

#define CAP_FIRST   8
#define HALF        15 /* of a byte: the rest follows */
#define VARINT_BITS 7
#define VARINT_MORE 0x80
#define PPM         UINT64_C(1000000)

_Static_assert(SKETCH_BUCKETS <= UINT16_MAX, "an index has 16 bits");

static unsigned index_of(uint32_t us)
{
    if (us < SKETCH_SUB)
        return us;
    unsigned shift = 31 - (unsigned)__builtin_clz(us) - SKETCH_SUB_BITS;
    return (shift + 1) * SKETCH_SUB + ((us >> shift) & (SKETCH_SUB - 1));
}

static uint32_t middle_of(unsigned index)
{
    REQUIRE(index < SKETCH_BUCKETS);
    if (index < SKETCH_SUB)
        return index;
    unsigned shift = index / SKETCH_SUB - 1;
    uint32_t low = (uint32_t)(SKETCH_SUB + index % SKETCH_SUB) << shift;
    return low + ((UINT32_C(1) << shift) - 1) / 2;
}

void sketch_fini(struct sketch *s)
{
    free(s->buckets);
    *s = (struct sketch){0};
}

static void reserve(struct sketch *s, unsigned n)
{
    REQUIRE(n <= SKETCH_BUCKETS);
    if (n <= s->cap)
        return;
    unsigned cap = s->cap == 0 ? CAP_FIRST : s->cap;
    while (cap < n)
        cap *= 2;
    s->cap = (uint16_t)(cap < SKETCH_BUCKETS ? cap : SKETCH_BUCKETS);
    s->buckets = mem_realloc(s->buckets, s->cap * sizeof(*s->buckets));
}

/* The first place whose index is not less. */
static unsigned place_of(const struct sketch *s, unsigned index)
{
    unsigned low = 0, high = s->n;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (s->buckets[mid].index < index)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void widen(struct sketch *s, uint32_t min_us, uint32_t max_us)
{
    if (s->count == 0 || min_us < s->min_us)
        s->min_us = min_us;
    if (s->count == 0 || max_us > s->max_us)
        s->max_us = max_us;
}

void sketch_add(struct sketch *s, uint64_t us)
{
    if (s->count >= SKETCH_COUNT_MAX)
        return;
    uint32_t v = us < SKETCH_MAX_US ? (uint32_t)us : SKETCH_MAX_US;
    unsigned index = index_of(v), at = place_of(s, index);
    if (at == s->n || s->buckets[at].index != index) {
        reserve(s, s->n + 1U);
        memmove(s->buckets + at + 1, s->buckets + at, (s->n - at) * sizeof(*s->buckets));
        s->buckets[at] = (struct sketch_bucket){.index = index};
        s->n++;
    }
    s->buckets[at].count++;
    widen(s, v, v);
    s->count++;
    s->sum_us += v;
}

/* How many buckets of b a has not. */
static unsigned strangers(const struct sketch *a, const struct sketch *b)
{
    unsigned n = 0, i = 0;
    for (unsigned k = 0; k < b->n; k++) {
        while (i < a->n && a->buckets[i].index < b->buckets[k].index)
            i++;
        n += i == a->n || a->buckets[i].index != b->buckets[k].index;
    }
    return n;
}

enum err sketch_merge(struct sketch *into, const struct sketch *from)
{
    REQUIRE(into != from);
    if (from->count > SKETCH_COUNT_MAX - into->count)
        return ERR_TOO_BIG;
    if (from->count == 0)
        return ERR_NONE;
    unsigned i = into->n, k = from->n, to = i + strangers(into, from);
    reserve(into, to);
    into->n = (uint16_t)to;
    while (k > 0) { /* from behind, so that nothing is overwritten that is still needed */
        const struct sketch_bucket *b = &from->buckets[k - 1];
        if (i > 0 && into->buckets[i - 1].index >= b->index) {
            into->buckets[--to] = into->buckets[--i];
            if (into->buckets[to].index == b->index)
                into->buckets[to].count += from->buckets[--k].count;
        } else {
            into->buckets[--to] = from->buckets[--k];
        }
    }
    REQUIRE(to == i);
    widen(into, from->min_us, from->max_us);
    into->count += from->count;
    into->sum_us += from->sum_us;
    return ERR_NONE;
}

uint32_t sketch_quantile(const struct sketch *s, uint32_t ppm)
{
    REQUIRE(ppm <= PPM);
    if (s->count == 0)
        return 0;
    uint64_t rank = (s->count * ppm + PPM - 1) / PPM, seen = 0;
    unsigned i = 0;
    while ((seen += s->buckets[i].count) < rank)
        i++;
    uint32_t v = middle_of(s->buckets[i].index);
    v = v > s->min_us ? v : s->min_us;
    return v < s->max_us ? v : s->max_us;
}

void sketch_put_varint(struct strbuf *b, uint64_t v)
{
    for (; v >= VARINT_MORE; v >>= VARINT_BITS)
        strbuf_putc(b, (char)(v | VARINT_MORE));
    strbuf_putc(b, (char)v);
}

uint64_t sketch_varint(struct sketch_cursor *c, uint64_t max)
{
    uint64_t v = 0;
    for (unsigned shift = 0; !c->bad && c->p < c->end && shift < 63; shift += VARINT_BITS) {
        uint8_t byte = *c->p++;
        v |= (uint64_t)(byte & (VARINT_MORE - 1)) << shift;
        if (byte & VARINT_MORE)
            continue;
        if (v > max || (byte == 0 && shift > 0))
            break;
        return v;
    }
    c->bad = true;
    return 0;
}

static void put_bucket(struct strbuf *b, uint64_t skip, uint64_t more)
{
    unsigned high = skip < HALF ? (unsigned)skip : HALF, low = more < HALF ? (unsigned)more : HALF;
    strbuf_putc(b, (char)(high << 4 | low));
    if (high == HALF)
        sketch_put_varint(b, skip - HALF);
    if (low == HALF)
        sketch_put_varint(b, more - HALF);
}

void sketch_encode(const struct sketch *s, struct strbuf *b)
{
    REQUIRE(s->count > 0 && s->n > 0);
    sketch_put_varint(b, s->min_us);
    sketch_put_varint(b, s->max_us - s->min_us);
    sketch_put_varint(b, s->sum_us - s->count * s->min_us);
    sketch_put_varint(b, s->n - 1U);
    unsigned next = 0;
    for (unsigned i = 0; i < s->n; i++) {
        put_bucket(b, s->buckets[i].index - next, s->buckets[i].count - 1U);
        next = s->buckets[i].index + 1U;
    }
}

static void get_bucket(struct sketch *s, unsigned *next, struct sketch_cursor *c)
{
    if (c->bad || c->p == c->end) {
        c->bad = true;
        return;
    }
    uint8_t byte = *c->p++;
    uint64_t skip = byte >> 4, more = byte & HALF;
    if (skip == HALF)
        skip += sketch_varint(c, SKETCH_BUCKETS);
    if (more == HALF)
        more += sketch_varint(c, SKETCH_COUNT_MAX);
    if (*next + skip >= SKETCH_BUCKETS || more >= SKETCH_COUNT_MAX - s->count) {
        c->bad = true;
        return;
    }
    s->buckets[s->n++] = (struct sketch_bucket){.index = *next + skip, .count = more + 1};
    s->count += more + 1;
    *next += (unsigned)skip + 1;
}

/* Whether the figures beside the buckets can be true of them. */
static bool agrees(const struct sketch *s, uint64_t over_min)
{
    uint64_t range = s->max_us - s->min_us; /* one value is the least, one is the greatest */
    return s->max_us <= SKETCH_MAX_US && index_of(s->min_us) == s->buckets[0].index &&
           index_of(s->max_us) == s->buckets[s->n - 1].index && over_min >= range &&
           over_min <= (s->count - 1) * range;
}

void sketch_decode(struct sketch *s, struct sketch_cursor *c)
{
    REQUIRE(s->count == 0 && s->n == 0);
    s->min_us = (uint32_t)sketch_varint(c, SKETCH_MAX_US);
    s->max_us = s->min_us + (uint32_t)sketch_varint(c, SKETCH_MAX_US);
    uint64_t over_min = sketch_varint(c, INT64_MAX);
    unsigned n = (unsigned)sketch_varint(c, SKETCH_BUCKETS - 1) + 1, next = 0;
    /* As many bytes as buckets must follow: nobody gets memory for a number alone. */
    c->bad |= (size_t)(c->end - c->p) < n;
    if (!c->bad)
        reserve(s, n);
    for (unsigned i = 0; i < n && !c->bad; i++)
        get_bucket(s, &next, c);
    c->bad = c->bad || !agrees(s, over_min);
    if (c->bad)
        sketch_fini(s);
    else
        s->sum_us = s->count * s->min_us + over_min;
}
