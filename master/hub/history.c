/* SPDX-License-Identifier: MIT */
#include "master/hub/history.h"

static void put_time(struct json_out *w, const char *key, struct mono at, struct mono now,
                     struct wall wall)
{
    char text[WALL_TEXT_MAX];
    struct wall t = {wall.us - mono_diff_ms(now, at) * 1000};
    json_str(w, key, mono_is_set(at) ? wall_format(t, text) : NULL);
}

void history_encode(const struct core_history *h, struct mono now, struct wall wall,
                    struct strbuf *out)
{
    struct json_out w;
    REQUIRE(h->n <= CORE_HISTORY_MAX);
    json_out_init(&w, out);
    json_obj_begin(&w);
    json_bool(&w, "lost", h->lost);
    json_u64(&w, "left_out", h->left_out);
    json_key(&w, "attempts");
    json_arr_begin(&w);
    for (unsigned i = 0; i < h->n; i++) {
        const struct core_attempt *a = &h->attempts[i];
        json_obj_begin(&w);
        json_str(&w, "agent", a->agent);
        put_time(&w, "leased_at", a->leased_at, now, wall);
        put_time(&w, "ended_at", a->ended_at, now, wall);
        json_str(&w, "end", attempt_end_word(a->end));
        json_str(&w, "cause", a->cause == CAUSE_NONE ? NULL : cause_word(a->cause));
        json_obj_end(&w);
    }
    json_arr_end(&w);
    json_obj_end(&w);
    REQUIRE(!out->overflow);
}
