/* SPDX-License-Identifier: MIT */
#include "common/clock.h"

#include <time.h>

#include "common/civil.h"

#define US_PER_SEC 1000000LL

/* The first and last instant that four digits of year can show. */
#define WALL_MIN_US (-62167219200LL * US_PER_SEC)
#define WALL_MAX_US (253402300800LL * US_PER_SEC - 1)

static struct timespec read_clock(clockid_t id)
{
    struct timespec ts;
    REQUIRE(clock_gettime(id, &ts) == 0);
    return ts;
}

struct mono mono_now(void)
{
    struct timespec ts = read_clock(CLOCK_MONOTONIC);
    return (struct mono){ts.tv_sec * NS_PER_SEC + ts.tv_nsec};
}

struct wall wall_now(void)
{
    struct timespec ts = read_clock(CLOCK_REALTIME);
    return (struct wall){ts.tv_sec * US_PER_SEC + ts.tv_nsec / 1000};
}

struct anchor anchor_now(void)
{
    return (struct anchor){mono_now(), wall_now()};
}

struct wall anchor_patient(struct anchor a)
{
    int64_t now_us = wall_now().us;
    int64_t unset_us = a.wall.us + (mono_now().ns - a.mono.ns) / 1000;
    return (struct wall){now_us < unset_us ? now_us : unset_us};
}

static char *put_digits(char *p, int64_t v, int width, char after)
{
    for (int i = width - 1; i >= 0; i--, v /= 10)
        p[i] = (char)('0' + v % 10);
    p[width] = after;
    return p + width + 1;
}

char *wall_format(struct wall t, char buf[WALL_TEXT_MAX])
{
    int64_t us = t.us < WALL_MIN_US ? WALL_MIN_US : t.us > WALL_MAX_US ? WALL_MAX_US : t.us;
    int64_t sec = civil_floor_div(us, US_PER_SEC);
    struct civil c = civil_from_seconds(sec);

    char *p = put_digits(buf, c.year, 4, '-');
    p = put_digits(p, c.month, 2, '-');
    p = put_digits(p, c.day, 2, 'T');
    p = put_digits(p, c.hour, 2, ':');
    p = put_digits(p, c.minute, 2, ':');
    p = put_digits(p, c.second, 2, '.');
    p = put_digits(p, us - sec * US_PER_SEC, 6, 'Z');
    *p = '\0';
    return buf;
}

/* A cursor with a sticky error: every take after the first mismatch does nothing. */
struct scan {
    const char *p;
    bool bad;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int take_number(struct scan *s, int width, int min, int max)
{
    int v = 0;
    for (int i = 0; i < width && !s->bad; i++) {
        s->bad = !is_digit(*s->p);
        if (!s->bad)
            v = v * 10 + (*s->p++ - '0');
    }
    if (v < min || v > max)
        s->bad = true;
    return v;
}

static void take_char(struct scan *s, char upper)
{
    char c = s->bad ? '\0' : *s->p;
    bool lower_too = upper >= 'A' && upper <= 'Z';
    if (c != upper && !(lower_too && c == upper - 'A' + 'a'))
        s->bad = true;
    else
        s->p++;
}

static int64_t take_date_sec(struct scan *s)
{
    struct civil c = {0};
    c.year = take_number(s, 4, 0, 9999);
    take_char(s, '-');
    c.month = take_number(s, 2, 1, 12);
    take_char(s, '-');
    c.day = take_number(s, 2, 1, 31);
    if (s->bad || c.day > civil_days_in_month(c.year, c.month)) {
        s->bad = true;
        return 0;
    }
    return civil_seconds(&c);
}

static int64_t take_time_sec(struct scan *s, bool *leap_second)
{
    int hour = take_number(s, 2, 0, 23);
    take_char(s, ':');
    int minute = take_number(s, 2, 0, 59);
    take_char(s, ':');
    int second = take_number(s, 2, 0, 60);
    *leap_second = second == 60;
    return hour * 3600 + minute * 60 + second;
}

/* Digits after the sixth are dropped. */
static int64_t take_fraction_us(struct scan *s)
{
    if (s->bad || *s->p != '.')
        return 0;
    s->p++;
    s->bad = !is_digit(*s->p);
    int64_t us = 0, unit = US_PER_SEC / 10;
    for (; is_digit(*s->p); s->p++, unit /= 10)
        us += (*s->p - '0') * unit;
    return us;
}

static int64_t take_offset_sec(struct scan *s)
{
    char sign = s->bad ? '\0' : *s->p;
    if (sign != '+' && sign != '-') {
        take_char(s, 'Z');
        return 0;
    }
    s->p++;
    int hours = take_number(s, 2, 0, 23);
    take_char(s, ':');
    int minutes = take_number(s, 2, 0, 59);
    int64_t offset = hours * 3600 + minutes * 60;
    return sign == '-' ? -offset : offset;
}

enum err wall_parse(const char *text, struct wall *out)
{
    REQUIRE(text != NULL && out != NULL);
    struct scan s = {.p = text};
    bool leap_second = false;
    int64_t sec = take_date_sec(&s);
    take_char(&s, 'T');
    sec += take_time_sec(&s, &leap_second);
    int64_t us = take_fraction_us(&s);
    sec -= take_offset_sec(&s);
    if (s.bad || *s.p != '\0')
        return ERR_INVALID;
    /* A leap second ends a UTC day, and folds into the second after it as the kernel's clock does.
     */
    if (leap_second && sec % SEC_PER_DAY != 0)
        return ERR_INVALID;
    out->us = sec * US_PER_SEC + us;
    return ERR_NONE;
}
