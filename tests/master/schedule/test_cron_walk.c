/* SPDX-License-Identifier: MIT */
#include "master/schedule/cron.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/mem.h"
#include "common/random.h"
#include "common/require.h"
#include "common/strbuf.h"
#include "tests/master/schedule/zones.h"
#include "tests/support/check_main.h"

/*
 * Random expressions against a walk over each minute of a year by libc's clock, which knows the
 * rules of cron.h in the plainest words. Years in which the zones have their traps.
 */
#define EXPRESSIONS 8
#define MINUTES     (366 * 24 * 60)
#define SEEN_FOR    (26 * 60) /* minutes: no overlap is longer */

static const struct {
    const char *zone;
    int year;
} walks[] = {
    {"Europe/Berlin", 2026},    {"America/New_York", 2028},  {"Australia/Lord_Howe", 2026},
    {"Asia/Shanghai", 2026},    {"Africa/Casablanca", 2026}, {"Pacific/Apia", 2011},
    {"America/New_York", 2044}, {"Asia/Gaza", 2027},         {"UTC", 2096},
};

/* An expression with what it means, each made by itself. */
struct expression {
    char text[CRON_TEXT_MAX];
    bool in[5][60];
    bool star[5];
};
static const int least[5] = {0, 0, 1, 1, 0}, most[5] = {59, 23, 31, 12, 6};

static struct civil clock_of[MINUTES];
static int64_t local_of[MINUTES], start;
static bool want[MINUTES];

static void put_field(struct expression *e, struct strbuf *b, int f, struct rng *r)
{
    int lo = least[f], hi = most[f], n = hi - lo + 1;
    int a = lo + (int)rng_below(r, (uint64_t)n), z = a + (int)rng_below(r, (uint64_t)(hi - a + 1));
    int kind = (int)rng_below(r, 6);
    int by = kind == 1 || kind == 4 ? 1 + (int)rng_below(r, 6) : 1;
    e->star[f] = kind < 2;
    if (kind < 2)
        a = lo, z = hi;
    if (kind == 4 && by > z - a)
        by = 1;
    if (kind == 5)
        z = a;
    for (int v = a; v <= z; v += by)
        e->in[f][v] = true;
    if (kind < 2)
        strbuf_puts(b, "*");
    else if (kind == 5)
        strbuf_printf(b, "%d", a);
    else
        strbuf_printf(b, "%d-%d", a, z);
    if (kind == 1 || kind == 4)
        strbuf_printf(b, "/%d", by);
    if (kind == 3 || kind == 2) {
        int one = lo + (int)rng_below(r, (uint64_t)n);
        strbuf_printf(b, ",%d", one);
        e->in[f][one] = true;
    }
}

static struct expression expression(struct rng *r)
{
    struct expression e = {.text = ""};
    struct strbuf b;
    strbuf_init(&b, sizeof(e.text));
    for (int f = 0; f < 5; f++) {
        if (f > 0)
            strbuf_putc(&b, ' ');
        if (f == 2 || f == 3 || (f == 4 && rng_below(r, 2))) { /* most are to run often */
            if (rng_below(r, 2)) {
                strbuf_putc(&b, '*');
                for (int v = least[f]; v <= most[f]; v++)
                    e.in[f][v] = true;
                e.star[f] = true;
                continue;
            }
        }
        put_field(&e, &b, f, r);
    }
    memcpy(e.text, b.data, b.len + 1);
    strbuf_fini(&b);
    return e;
}

static bool matches(const struct expression *e, const struct civil *c)
{
    int64_t day = civil_days(c->year, c->month, c->day);
    bool a = e->in[2][c->day], b = e->in[4][((day % 7) + 11) % 7];
    bool on = e->star[2] || e->star[4] ? a && b : a || b;
    return on && e->in[0][c->minute] && e->in[1][c->hour] && e->in[3][c->month];
}

static void look_at_clock(const char *zone, int year)
{
    setenv("TZ", zone, 1);
    tzset();
    start = civil_days(year, 1, 1) * SEC_PER_DAY;
    for (int i = 0; i < MINUTES; i++) {
        time_t at = (time_t)(start + i * 60);
        struct tm tm;
        localtime_r(&at, &tm);
        clock_of[i] = (struct civil){tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                                     tm.tm_hour,        tm.tm_min,     tm.tm_sec};
        local_of[i] = start + i * 60 + tm.tm_gmtoff;
    }
}

static bool shown_before(int i)
{
    for (int k = i - 1; k >= 0 && k >= i - SEEN_FOR; k--)
        if (local_of[k] == local_of[i])
            return true;
    return false;
}

static bool in_gap_before(const struct expression *e, int i)
{
    for (int64_t l = i > 0 ? local_of[i - 1] + 60 : local_of[i]; l < local_of[i]; l += 60) {
        struct civil c = civil_from_seconds(l);
        if (matches(e, &c))
            return true;
    }
    return false;
}

static void walk(const struct expression *e)
{
    bool at_set_times = !e->star[0] && !e->star[1];
    int64_t greatest = INT64_MIN; /* only behind a change back can a time be shown again */
    for (int i = 0; i < MINUTES; i++) {
        want[i] = matches(e, &clock_of[i]);
        if (want[i] && at_set_times && local_of[i] <= greatest && shown_before(i))
            want[i] = false;
        if (!e->star[1] && in_gap_before(e, i))
            want[i] = true;
        greatest = local_of[i] > greatest ? local_of[i] : greatest;
    }
}

static void compare(const struct expression *e, struct zone *z)
{
    struct cron c;
    char why[CRON_WHY_MAX] = "";
    if (cron_parse(e->text, &c, why) != ERR_NONE) {
        ck_assert_msg(strstr(why, "never") != NULL, "'%s': %s", e->text, why);
        return;
    }
    walk(e);
    int64_t at = start - 1, end = start + (int64_t)MINUTES * 60;
    uint64_t n = 0, in_half = 0;
    for (int i = 0; i < MINUTES; i++) {
        if (!want[i])
            continue;
        int64_t next = cron_next(&c, z, at);
        if (next != start + i * 60)
            ck_abort_msg("'%s' in %s: at %lld, not %s", e->text, zone_name(z), (long long)next,
                         utc_text(start + i * 60));
        at = next;
        n++;
        in_half += at <= start + (end - start) / 2;
    }
    ck_assert_int_ge(cron_next(&c, z, at), end > ZONE_LAST ? ZONE_LAST : end);
    ck_assert_uint_eq(cron_count(&c, z, start - 1, end - 1), n);
    ck_assert_uint_eq(cron_count(&c, z, start - 1, start + (end - start) / 2), in_half);
}

START_TEST(test_a_year_of_runs_is_what_a_walk_finds)
{
    struct zone *z = zone_of(walks[_i].zone);
    struct rng r;
    rng_init(&r, 20260101 + (uint64_t)_i);
    look_at_clock(walks[_i].zone, walks[_i].year);
    for (int i = 0; i < EXPRESSIONS; i++) {
        struct expression e = expression(&r);
        compare(&e, z);
    }
    zone_close(&z);
}
END_TEST

/* The jobs that a change of the clock touches, at each place where cron_next may be asked. */
START_TEST(test_next_is_the_same_from_every_second_before)
{
    static const char *const texts[] = {"30 2 * * *", "*/20 2 * * *",   "0,30 1-3 * * *",
                                        "45 * * * *", "*/30 * * * sun", "15 2 29 3 *"};
    static const char *const days[] = {"2026-03-28T12:00", "2026-10-24T12:00"};
    struct zone *z = zone_of("Europe/Berlin");
    for (size_t t = 0; t < ARRAY_LEN(texts); t++) {
        struct cron c;
        char why[CRON_WHY_MAX];
        ck_assert(cron_parse(texts[t], &c, why) == ERR_NONE);
        for (size_t d = 0; d < ARRAY_LEN(days); d++) {
            int64_t from = utc_at(days[d]), next = cron_next(&c, z, from);
            for (int64_t at = from; at < from + 36 * 3600; at++) {
                if (at == next)
                    next = cron_next(&c, z, at);
                ck_assert_each(next > at);
                ck_assert_each(cron_next(&c, z, at) == next);
            }
        }
    }
    zone_close(&z);
}
END_TEST

static TCase *walking(void)
{
    TCase *tc = tcase_create("walking");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_a_year_of_runs_is_what_a_walk_finds, 0, ARRAY_LEN(walks));
    return tc;
}

TESTS(asking, test_next_is_the_same_from_every_second_before)
CHECK_MAIN("cron_walk", walking, asking)
