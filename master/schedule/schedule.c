/* SPDX-License-Identifier: MIT */
#include "master/schedule/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "master/schedule/schedule_parts.h"

/* Of a rule that is due once more, or never: longer than anybody waits for news. */
#define INTERVAL_MAX_MS (366 * INT64_C(86400000))

void schedule_free(struct schedule **sp)
{
    struct schedule *s = *sp;
    if (s == NULL)
        return;
    zone_close(&s->zone);
    for (unsigned i = 0; i < s->n_alerts; i++)
        free(s->alerts[i]);
    free(s->agents);
    free(s->labels);
    free(s->owner);
    free(s->doc);
    free(s);
    *sp = NULL;
}

void schedule_targets_free(struct schedule_targets *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->items[i].key);
        free(t->items[i].spec);
        free(t->items[i].user_id);
        free(t->items[i].host);
    }
    free(t->items);
    *t = (struct schedule_targets){0};
}

/* The document holds all but this one member. */
void schedule_put_json(const struct schedule *s, struct strbuf *out)
{
    size_t len = strlen(s->doc);
    REQUIRE(len > 2 && s->doc[len - 1] == '}');
    strbuf_append(out, s->doc, len - 1);
    strbuf_puts(out, s->paused ? ",\"paused\":true}" : "}");
}

void schedule_lane(const struct schedule *s, struct strbuf *out)
{
    struct json_out w;
    size_t before = out->len;
    json_out_init(&w, out);
    json_obj_begin(&w);
    if (s->agents != NULL)
        json_raw(&w, "agents", s->agents, strlen(s->agents));
    json_int(&w, "count", s->count);
    json_int(&w, "per_host", s->per_host);
    json_key(&w, "per_host_rate");
    json_put_num(&w, s->per_host_rate);
    json_obj_end(&w);
    REQUIRE(out->len - before <= SCHEDULE_LANE_MAX);
}

/* Where a window ends, the next slot may be days away: that is no staleness. */
int64_t schedule_interval_ms(struct schedule *s, int64_t now_ms)
{
    if (s->rule.kind == RULE_EVERY && s->rule.windows.n == 0)
        return s->rule.every_ms;
    int64_t first = rule_next(&s->rule, 0, now_ms, 0);
    if (first == RULE_NEVER || first - now_ms > INTERVAL_MAX_MS)
        return INTERVAL_MAX_MS;
    int64_t second = rule_next(&s->rule, 0, first, 0);
    int64_t ms = second == RULE_NEVER ? INTERVAL_MAX_MS : second - first;
    ms = first - now_ms > ms ? first - now_ms : ms;
    return ms < INTERVAL_MAX_MS ? ms : INTERVAL_MAX_MS;
}
