/* SPDX-License-Identifier: MIT */
#include "master/schedule/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "master/schedule/schedule_parts.h"

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
