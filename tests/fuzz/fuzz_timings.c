/* SPDX-License-Identifier: MIT */
#include "common/json.h"
#include "master/store/timings.h"

#include <math.h>

/* What is found in a record is what the tree of it says. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static double of_tree(const char *text, size_t size)
{
    struct json_doc *doc = NULL;
    struct json_cur c, in;
    double ms = -1;
    if (json_parse(text, size, &doc, NULL, 0) != ERR_NONE)
        return NAN;
    json_cur_init(&c, json_root(doc));
    json_cur_init(&in, json_get_obj(&c, "timings"));
    ms = json_get_num(&in, "total_ms", 0, INFINITY, -1);
    json_free(&doc);
    return ms;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct result_timings t;
    const char *text = (const char *)data;
    timings_read(text, size, &t);
    if (t.total_ms < 0)
        return 0;
    double ms = of_tree(text, size);
    REQUIRE(isnan(ms) || fabs(ms - t.total_ms) <= 1e-6 * fmax(1, ms));
    return 0;
}
