/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "common/require.h"
#include "common/utf8.h"
#include "master/schedule/schedule.h"

/*
 * A definition from a user. What is taken has a document that loads to the same document, and as
 * JSON it is taken again, with its targets beside it, for the same; what is refused says why in
 * valid UTF-8.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_S   INT64_C(1790000000)
#define OUT_MAX (1u << 20)

static void check_loads(const struct schedule *s)
{
    char why[SCHEDULE_WHY_MAX] = "";
    struct schedule *again = NULL;
    REQUIRE(schedule_load(s->name, s->doc, s->paused, &again, why) == ERR_NONE);
    REQUIRE(strcmp(again->doc, s->doc) == 0 && again->paused == s->paused);
    schedule_free(&again);
}

/* As it is shown, and one of its targets. */
static void check_json(const struct schedule *s, const struct schedule_target *t)
{
    struct strbuf b;
    struct json_doc *d = NULL;
    struct schedule *again = NULL;
    struct schedule_targets targets = {0};
    struct schedule_problem p;
    strbuf_init(&b, OUT_MAX);
    strbuf_append(&b, s->doc, strlen(s->doc) - 1);
    strbuf_puts(&b, ",\"targets\":[");
    strbuf_append(&b, t->spec, t->spec_len);
    strbuf_puts(&b, "]}");
    REQUIRE(!b.overflow && json_parse(b.data, b.len, &d, NULL, 0) == ERR_NONE);
    REQUIRE(schedule_parse(json_root(d), NULL, true, NOW_S, &again, &targets, &p) == ERR_NONE);
    REQUIRE(strcmp(again->doc, s->doc) == 0);
    REQUIRE(targets.n == 1 && strcmp(targets.items[0].spec, t->spec) == 0);
    REQUIRE(targets.items[0].host_hash == t->host_hash);
    schedule_free(&again);
    schedule_targets_free(&targets);
    json_free(&d);
    strbuf_fini(&b);
}

static void check(struct schedule *s, const struct schedule_targets *targets)
{
    struct strbuf lane;
    REQUIRE(targets->n > 0 && s->timeout_ms_max > 0);
    strbuf_init(&lane, SCHEDULE_LANE_MAX);
    schedule_lane(s, &lane);
    REQUIRE(!lane.overflow);
    strbuf_fini(&lane);
    for (size_t i = 0; i < targets->n; i++)
        REQUIRE(strlen(targets->items[i].key) <= CHECK_KEY_MAX && *targets->items[i].host != '\0');
    check_loads(s);
    check_json(s, &targets->items[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_doc *d = NULL;
    struct schedule *s = NULL;
    struct schedule_targets targets = {0};
    struct schedule_problem p = {.why = ""};
    if (json_parse((const char *)data, size, &d, NULL, 0) != ERR_NONE)
        return 0;
    if (schedule_parse(json_root(d), NULL, size % 2 == 0, NOW_S, &s, &targets, &p) == ERR_NONE)
        check(s, &targets);
    else
        REQUIRE(p.why[0] != '\0' && utf8_valid(p.why, strlen(p.why)) &&
                utf8_valid(p.field, strlen(p.field)));
    schedule_free(&s);
    schedule_targets_free(&targets);
    json_free(&d);
    return 0;
}
