/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/metrics.h"
#include "common/require.h"

/* metrics_rows - figures without labels, as tables. Pure. */
struct metrics_row {
    const char *name, *help;
    struct counter *counter; /* one of the two */
    struct gauge *gauge;
};
#define COUNTER(n, h, v)                                                                           \
    {                                                                                              \
        "sonde_" n, h, &(v), NULL                                                                  \
    }
#define GAUGE(n, h, v)                                                                             \
    {                                                                                              \
        "sonde_" n, h, NULL, &(v)                                                                  \
    }

static inline void metrics_put_rows(struct strbuf *b, const struct metrics_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct metrics_row *x = &rows[i];
        REQUIRE((x->counter == NULL) != (x->gauge == NULL));
        metrics_head(b, x->name, x->counter ? "counter" : "gauge", x->help);
        metrics_sample(b, x->name, NULL,
                       x->counter ? (double)counter_get(x->counter) : (double)gauge_get(x->gauge));
    }
}
