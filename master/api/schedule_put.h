/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/json.h"
#include "master/schedule/scheduler.h"
#include "master/store/store.h"

/*
 * schedule_put - schedules, checks and incidents as JSON: what is stored of them and what the
 * scheduler knows, side by side. Pure.
 */
void json_wall(struct json_out *w, const char *key, struct wall t); /* 0: null */
void json_seconds(struct json_out *w, const char *key, int64_t s);  /* since 1970; 0: null */
void json_ref(struct json_out *w, const char *key, uint64_t id);    /* as json_id; 0: null */

void json_part(struct json_out *w, const char *key, double part); /* 0 to 1; negative: null */

/* {"master_down": 3}: those that are not 0. */
void put_missed(struct json_out *w, const uint64_t missed[PLAN_MISS_COUNT]);

/* The members of a schedule, within an object of the caller. v NULL: the scheduler does not know it
 * yet. */
void schedule_put_members(struct json_out *w, const struct store_schedule *s,
                          const struct scheduler_view *v);
/* Has it this label, "KEY:VALUE" or "KEY=VALUE"? */
bool schedule_has_label(const struct store_schedule *s, const char *label);
/* The members of its definition, but for its targets, within an object. It holds no secrets. */
void schedule_put_definition(struct json_out *w, const struct store_schedule *s);

void check_put_members(struct json_out *w, const struct scheduler_check_view *c, struct wall now);
void put_transition(struct json_out *w, const struct store_transition *t);
void put_miss(struct json_out *w, const struct plan_gap *g);
void incident_put_members(struct json_out *w, const struct incident *i, const char *schedule);
void delivery_put(struct json_out *w, const struct store_delivery *d);
const char *delivery_state_word(enum delivery_state s);
