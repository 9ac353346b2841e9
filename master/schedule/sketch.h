/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include "common/strbuf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * sketch - how durations are distributed, in few bytes: counts in logarithmic buckets.
 *
 * A value is a whole number of microseconds. Below SKETCH_SUB each has a bucket of its own; above,
 * each power of two is cut in SKETCH_SUB equal parts. So a quantile is off by at most 1/64 (1.6 %)
 * of the value that has this rank, all the way from a microsecond to SKETCH_MAX_US; count, sum, min
 * and max are exact. Integers alone: the same everywhere, and merging is associative and
 * commutative to the bit.
 *
 * Sparse: memory is 8 bytes for each bucket that holds something, at most SKETCH_BUCKETS of them.
 * Owned by one thread; pure. All zeroes is an empty sketch.
 *
 * Encoded: varints min, max - min, sum - count * min, buckets - 1; then each bucket in a byte, with
 * the distance to the one before in the high half and the count less one in the low half; a half of
 * 15 means that a varint with the rest follows. There is one encoding for each sketch.
 */
#define SKETCH_SUB_BITS  5 /* the error is 1 / 2^(bits + 1); each bit more doubles the bytes */
#define SKETCH_SUB       (1 << SKETCH_SUB_BITS)
#define SKETCH_TOP_BITS  27 /* 134 s: four times the longest time-out */
#define SKETCH_MAX_US    ((UINT32_C(1) << SKETCH_TOP_BITS) - 1)
#define SKETCH_BUCKETS   ((SKETCH_TOP_BITS - SKETCH_SUB_BITS + 1) * SKETCH_SUB)
#define SKETCH_COUNT_MAX (UINT64_C(1) << 36) /* times SKETCH_MAX_US still is 63 bits */

struct sketch_bucket {
    uint64_t index : 16;
    uint64_t count : 48;
};
struct sketch {
    uint64_t count, sum_us;
    uint32_t min_us, max_us; /* of an empty one: 0 */
    uint16_t n, cap;
    struct sketch_bucket *buckets; /* by index; none is 0 */
};
void sketch_fini(struct sketch *s);

/* What is over SKETCH_MAX_US counts as that. Beyond SKETCH_COUNT_MAX nothing is added. */
void sketch_add(struct sketch *s, uint64_t us);

/* ERR_TOO_BIG: into would pass SKETCH_COUNT_MAX, and is as it was. */
MUST_USE enum err sketch_merge(struct sketch *into, const struct sketch *from);

/* The value of rank ceil(ppm / 1e6 * count), at least the first: 500000 is p50. 0 when empty. */
uint32_t sketch_quantile(const struct sketch *s, uint32_t ppm);

/* Not for an empty one. */
void sketch_encode(const struct sketch *s, struct strbuf *b);

/* Bytes that come from a disk: every read is checked, and after the first bad one all are 0. */
struct sketch_cursor {
    const uint8_t *p, *end;
    bool bad;
};
/* At most max, in as few bytes as it takes; anything else is bad. */
uint64_t sketch_varint(struct sketch_cursor *c, uint64_t max);
void sketch_put_varint(struct strbuf *b, uint64_t v);

/* Into an empty one. When c is bad at the end, s is empty. */
void sketch_decode(struct sketch *s, struct sketch_cursor *c);
