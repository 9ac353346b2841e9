/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/schedule/schedule.h"

/*
 * schedule_parts - what the files of schedule share; only schedule*.c include it. Pure; one thread.
 *
 * A reader goes over a definition with one sticky cursor. `field` is the member that is being read:
 * once something is wrong it stays.
 */
struct schedule_reader {
    struct json_cur c;
    const char *field;
    struct schedule *s;           /* what is filled */
    char cron[CRON_TEXT_MAX + 1]; /* in its normal form; "" = none */
    int64_t now_s;
};
/* What follows is about this member; nothing once there is a problem. */
void schedule_at(struct schedule_reader *r, const char *field);

/* schedule_when.c: zone, every, cron, spread, windows, maintenance; then the rule as a whole. */
void schedule_read_when(struct schedule_reader *r);
/* "mon-fri,sun" of days of the week; returns buf. */
#define DAYS_TEXT_MAX 40
char *schedule_days_text(uint8_t days, char buf[DAYS_TEXT_MAX]);
/* "09:00" of a minute of the day; returns buf. */
#define CLOCK_TEXT_MAX 8
char *schedule_clock_text(unsigned minute, char buf[CLOCK_TEXT_MAX]);

/* schedule_who.c: agents, count, labels, owner, alerts. */
void schedule_read_who(struct schedule_reader *r);
/* Names of schedules and of channels: they stand in addresses. */
bool schedule_name_ok(const char *name);

/* schedule_json.c: the canonical text. cron "" = none. */
#define SCHEDULE_TEXT_MAX (256u << 10)
char *schedule_doc(const struct schedule *s, const char *cron);

/* schedule_targets.c: the list, with the defaults' options. Fills s->timeout_ms_max. */
MUST_USE enum err schedule_read_targets(const struct json_node *list,
                                        const struct target_defaults *d,
                                        struct schedule_targets *out, int64_t *timeout_ms_max,
                                        struct schedule_problem *p);

/* schedule_expect.c: may what is expected hold, and may it fail? False: field ("expect.json") and
 * why say what is wrong. */
bool schedule_expect_possible(const struct target *t, const char **field,
                              char why[SCHEDULE_WHY_MAX]);

enum err schedule_problem(struct schedule_problem *p, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define SCHEDULE_CONFIRM_DEFAULT     1
#define SCHEDULE_GOAL_PERIOD_DEFAULT (30 * 24) /* hours */
extern const uint16_t schedule_cert_days[];
#define SCHEDULE_CERT_DEFAULTS 5
