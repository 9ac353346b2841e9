/* SPDX-License-Identifier: MIT */
#include "common/human.h"
#include "common/ids.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MINUTE 60
#define HOUR   3600
#define DAY    86400

char *human_count(uint64_t n, char buf[HUMAN_MAX])
{
    char digits[24];
    size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, n), at = 0;
    REQUIRE(len + len / 3 < HUMAN_MAX);
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            buf[at++] = ',';
        buf[at++] = digits[i];
    }
    buf[at] = '\0';
    return buf;
}

char *human_ms(double ms, char buf[HUMAN_MAX])
{
    int decimals = ms < 1 ? 2 : ms < 100 ? 1 : 0;
    snprintf(buf, HUMAN_MAX, "%.*f", decimals, ms);
    return buf;
}

char *human_duration(int64_t s, char buf[HUMAN_MAX])
{
    s = s < 0 ? 0 : s;
    if (s < MINUTE)
        snprintf(buf, HUMAN_MAX, "%" PRId64 "s", s);
    else if (s < HOUR)
        snprintf(buf, HUMAN_MAX, "%" PRId64 "m%02ds", s / MINUTE, (int)(s % MINUTE));
    else if (s < DAY)
        snprintf(buf, HUMAN_MAX, "%" PRId64 "h%02dm", s / HOUR, (int)(s % HOUR / MINUTE));
    else
        snprintf(buf, HUMAN_MAX, "%" PRId64 "d%02dh", s / DAY, (int)(s % DAY / HOUR));
    return buf;
}

char *human_took(int64_t ms, char buf[HUMAN_MAX])
{
    ms = ms < 0 ? 0 : ms;
    if (ms >= 10000)
        return human_duration(ms / 1000, buf);
    snprintf(buf, HUMAN_MAX, "%.*fs", ms < 1000 ? 2 : 1, (double)ms / 1000);
    return buf;
}

char *human_bytes(uint64_t n, char buf[HUMAN_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double v = (double)n;
    size_t i = 0;
    while (v >= 1024 && i + 1 < ARRAY_LEN(units)) {
        v /= 1024;
        i++;
    }
    snprintf(buf, HUMAN_MAX, "%.*f %s", i > 0 && v < 10 ? 1 : 0, v, units[i]);
    return buf;
}

char *human_rate(double per_s, char buf[HUMAN_MAX])
{
    char count[HUMAN_MAX];
    if (per_s < 10)
        snprintf(buf, HUMAN_MAX, "%.1f/s", per_s < 0 ? 0 : per_s);
    else
        snprintf(buf, HUMAN_MAX, "%.28s/s", human_count((uint64_t)(per_s + 0.5), count));
    return buf;
}

static const struct {
    char letter;
    int64_t s;
} units[] = {{'d', DAY}, {'h', HOUR}, {'m', MINUTE}, {'s', 1}};

char *human_span(int64_t s, char buf[HUMAN_MAX])
{
    size_t at = 0;
    REQUIRE(s >= 0);
    if (s == 0)
        snprintf(buf, HUMAN_MAX, "0s");
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (s >= units[i].s)
            at += (size_t)snprintf(buf + at, HUMAN_MAX - at, "%" PRId64 "%c", s / units[i].s,
                                   units[i].letter);
        s %= units[i].s;
    }
    return buf;
}

/* "1h30m": the units from large to small, each at most once. */
static enum err parse_units(const char *text, int64_t *sum)
{
    size_t unit = 0;
    for (int64_t n; *text != '\0'; text++, unit++) {
        size_t digits = strspn(text, "0123456789");
        if (i64_parse(text, digits, &n) != ERR_NONE)
            return ERR_INVALID;
        text += digits;
        while (unit < ARRAY_LEN(units) && units[unit].letter != *text)
            unit++;
        if (unit == ARRAY_LEN(units) || n > (HUMAN_SPAN_MAX_S - *sum) / units[unit].s)
            return ERR_INVALID;
        *sum += n * units[unit].s;
    }
    return ERR_NONE;
}

enum err human_parse_duration(const char *text, int64_t *seconds)
{
    int64_t sum = 0;
    size_t digits = strspn(text, "0123456789");
    enum err e = digits > 0 && text[digits] == '\0' ? i64_parse(text, digits, &sum)
                                                    : parse_units(text, &sum);
    if (e != ERR_NONE || sum == 0 || sum > HUMAN_SPAN_MAX_S)
        return ERR_INVALID;
    *seconds = sum;
    return ERR_NONE;
}
