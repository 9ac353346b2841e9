/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "master/schedule/rollup.h"

#include <stdlib.h>

/* What is decoded is encoded to the same bytes again, keeps its bounds, and merges. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rollup r, sum;
    if (rollup_decode(&r, data, size) != ERR_NONE)
        return 0;
    struct strbuf b;
    strbuf_init(&b, ROLLUP_BYTES_MAX);
    rollup_encode(&r, &b);
    REQUIRE(!b.overflow && b.len == size && memcmp(b.data, data, size) == 0);
    rollup_init(&sum);
    REQUIRE(rollup_merge(&sum, &r) == ERR_NONE);
    (void)!rollup_merge(&sum, &r);
    REQUIRE(rollup_watched_ms(&sum) <= (int64_t)sum.cells * ROLLUP_HOUR_MS);
    for (unsigned p = 0; p < ROLLUP_PHASES; p++) {
        const struct sketch *s = &sum.phases[p];
        for (uint32_t ppm = 0; ppm <= 1000000; ppm += 100000)
            REQUIRE(sketch_quantile(s, ppm) >= s->min_us && sketch_quantile(s, ppm) <= s->max_us);
    }
    rollup_fini(&r);
    rollup_fini(&sum);
    strbuf_fini(&b);
    return 0;
}
