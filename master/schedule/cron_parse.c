/* SPDX-License-Identifier: MIT */
#include "master/schedule/cron.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/strbuf.h"
#include "common/utf8.h"

#define FIELDS           5
#define NUMBER_DIGITS    3  /* all values have two at most; 007 is still a number */
#define SHOWN_MAX        32 /* bytes of a bad item that an error repeats */
#define NAME_LETTERS_MIN 3
#define BLANKS           " \t"

struct field {
    const char *name;
    int min, max;
    int top;                  /* the greatest number that may be written: 7 is Sunday, too */
    const char *const *names; /* of min and what follows; NULL = numbers only */
    const char *may;          /* for errors */
};

static const char *const months[] = {"january",  "february", "march",  "april",     "may",
                                     "june",     "july",     "august", "september", "october",
                                     "november", "december", NULL};
static const char *const weekdays[] = {"sunday",   "monday", "tuesday",  "wednesday",
                                       "thursday", "friday", "saturday", NULL};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY };
static const struct field fields[FIELDS] = {
    [MINUTE] = {"minute", 0, 59, 59, NULL, "0 to 59"},
    [HOUR] = {"hour", 0, 23, 23, NULL, "0 to 23"},
    [DAY] = {"day of month", 1, 31, 31, NULL, "1 to 31"},
    [MONTH] = {"month", 1, 12, 12, months, "1 to 12 or jan to dec"},
    [WEEKDAY] = {"day of week", 0, 6, 7, weekdays, "0 to 7 (0 and 7 are Sunday) or sun to sat"},
};

static const struct {
    const char *name, *text;
} nicknames[] = {
    {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
};

/* One item of a list, with what an error says of it. */
struct item {
    const struct field *f;
    const char *text;
    size_t len;
    char *why;
};

/* "minute '61': " and then what is wrong with it. */
__attribute__((format(printf, 2, 3))) static bool fail(const struct item *it, const char *fmt, ...)
{
    struct strbuf b;
    va_list ap;
    char *shown = utf8_sanitized(it->text, it->len, SHOWN_MAX);
    strbuf_init(&b, CRON_WHY_MAX);
    strbuf_printf(&b, "%s '%s': ", it->f->name, shown);
    va_start(ap, fmt);
    strbuf_vprintf(&b, fmt, ap);
    va_end(ap);
    snprintf(it->why, CRON_WHY_MAX, "%s", b.data);
    strbuf_fini(&b);
    free(shown);
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The number of digits that `p` begins with. */
static size_t number(const char *p, size_t n, int *out)
{
    size_t used = 0;
    *out = 0;
    for (; used < n && is_digit(p[used]); used++)
        if (used < NUMBER_DIGITS)
            *out = *out * 10 + (p[used] - '0');
    return used <= NUMBER_DIGITS ? used : 0;
}

static int by_name(const struct field *f, const char *p, size_t n)
{
    for (int i = 0; f->names != NULL && f->names[i] != NULL; i++)
        if ((n == NAME_LETTERS_MIN || n == strlen(f->names[i])) &&
            strncasecmp(p, f->names[i], n) == 0)
            return f->min + i;
    return -1;
}

static bool value(const struct item *it, const char *p, size_t n, int *out)
{
    size_t digits = number(p, n, out);
    if (digits == 0 || digits != n) {
        *out = by_name(it->f, p, n);
        if (*out >= 0)
            return true;
    } else if (*out >= it->f->min && *out <= it->f->top) {
        return true;
    }
    if (n == 0)
        return fail(it, "a value is missing");
    char *shown = utf8_sanitized(p, n, SHOWN_MAX);
    fail(it, "'%s' is not known here: give %s", shown, it->f->may);
    free(shown);
    return false;
}

static bool range(const struct item *it, const char *p, size_t n, int *from, int *to)
{
    const char *dash = memchr(p, '-', n);
    if (n == 1 && *p == '*') {
        *from = it->f->min;
        *to = it->f->max;
        return true;
    }
    size_t first = dash != NULL ? (size_t)(dash - p) : n;
    if (!value(it, p, first, from))
        return false;
    *to = *from;
    if (dash == NULL)
        return true;
    if (!value(it, dash + 1, n - first - 1, to))
        return false;
    if (it->f->names == weekdays && *to == 0 && !is_digit(dash[1]))
        *to = 7; /* fri-sun */
    if (*from <= *to)
        return true;
    return fail(it, "the range runs backwards: write %d-%d,%d-%d", *from, it->f->max, it->f->min,
                *to);
}

static bool step(const struct item *it, const char *p, size_t n, int span, int *out)
{
    size_t digits = number(p, n, out);
    if (digits == 0 || digits != n || *out == 0)
        return fail(it, "behind '/' belongs a number from 1 on");
    if (*out <= span || *out == 1)
        return true;
    return fail(it, "a step of %d leaves only the first value: write that, or a step up to %d",
                *out, span);
}

/* `*`, `7`, `mon-fri`, `10-50/20`. */
static bool read_item(const struct item *it, uint64_t *set)
{
    const char *slash = memchr(it->text, '/', it->len);
    size_t n = slash != NULL ? (size_t)(slash - it->text) : it->len;
    int from, to, every = 1;
    if (!range(it, it->text, n, &from, &to))
        return false;
    if (slash != NULL && memchr(it->text, '-', n) == NULL && *it->text != '*') {
        return fail(it, "a step stands behind '*' or a range: write %d-%d/...", from, it->f->max);
    }
    if (slash != NULL && !step(it, slash + 1, it->len - n - 1, to - from, &every))
        return false;
    for (int v = from; v <= to; v += every)
        *set |= UINT64_C(1) << v;
    return true;
}

static bool read_field(const struct field *f, const char *p, size_t n, uint64_t *set, char *why)
{
    const char *end = p + n;
    for (;;) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        struct item it = {f, p, (size_t)((comma != NULL ? comma : end) - p), why};
        if (!read_item(&it, set))
            return false;
        if (comma == NULL)
            return true;
        p = comma + 1;
    }
}

static bool unknown_nickname(const char *text, char *why)
{
    char *shown = utf8_sanitized(text, strlen(text), SHOWN_MAX);
    snprintf(why, CRON_WHY_MAX,
             "'%s' is not known: give @hourly, @daily, @weekly, @monthly or @yearly, or five "
             "fields",
             shown);
    free(shown);
    return false;
}

static bool nickname(const char **text, char *why)
{
    const char *p = *text + strspn(*text, BLANKS);
    if (*p != '@')
        return true;
    size_t n = strcspn(p, BLANKS);
    for (size_t i = 0; i < ARRAY_LEN(nicknames); i++) {
        if (n != strlen(nicknames[i].name) || strncasecmp(p, nicknames[i].name, n) != 0)
            continue;
        if (p[n + strspn(p + n, BLANKS)] != '\0')
            break;
        *text = nicknames[i].text;
        return true;
    }
    return unknown_nickname(p, why);
}

static bool split(const char *text, const char *start[FIELDS], size_t len[FIELDS], char *why)
{
    unsigned n = 0;
    for (const char *p = text + strspn(text, BLANKS); *p != '\0'; p += strspn(p, BLANKS), n++) {
        size_t word = strcspn(p, BLANKS);
        if (n < FIELDS) {
            start[n] = p;
            len[n] = word;
        }
        p += word;
    }
    if (n == FIELDS)
        return true;
    snprintf(why, CRON_WHY_MAX,
             "%u field%s: give five, minute, hour, day of month, month and day of week%s", n,
             n == 1 ? "" : "s", n > FIELDS ? " (there are no seconds, years or users)" : "");
    return false;
}

/* Days of the week come in every month; a day of the month may be in none of the months given. */
static bool comes_ever(const struct cron *c)
{
    if (!c->star_day && !c->star_weekday)
        return true;
    for (int month = 1; month <= 12; month++)
        if (c->months >> month & 1 && __builtin_ctz(c->days) <= civil_days_in_month(2000, month))
            return true;
    return false;
}

static bool has_star(const char *p, size_t n)
{
    return memchr(p, '*', n) != NULL;
}

static bool read_text(const char *text, struct cron *c, char *why)
{
    const char *start[FIELDS];
    size_t len[FIELDS];
    uint64_t set[FIELDS] = {0};
    if (strnlen(text, CRON_TEXT_MAX + 1) > CRON_TEXT_MAX) {
        snprintf(why, CRON_WHY_MAX, "longer than %d bytes: ranges and steps are shorter than lists",
                 CRON_TEXT_MAX);
        return false;
    }
    if (!nickname(&text, why) || !split(text, start, len, why))
        return false;
    for (int i = 0; i < FIELDS; i++)
        if (!read_field(&fields[i], start[i], len[i], &set[i], why))
            return false;
    *c = (struct cron){
        .minutes = set[MINUTE],
        .hours = (uint32_t)set[HOUR],
        .days = (uint32_t)set[DAY],
        .months = (uint16_t)set[MONTH],
        .weekdays = (uint8_t)((set[WEEKDAY] | set[WEEKDAY] >> 7) & 0x7f),
        .star_minute = has_star(start[MINUTE], len[MINUTE]),
        .star_hour = has_star(start[HOUR], len[HOUR]),
        .star_day = has_star(start[DAY], len[DAY]),
        .star_weekday = has_star(start[WEEKDAY], len[WEEKDAY]),
    };
    return true;
}

enum err cron_parse(const char *text, struct cron *out, char why[CRON_WHY_MAX])
{
    REQUIRE(text != NULL && out != NULL);
    struct cron c;
    if (!read_text(text, &c, why))
        return ERR_INVALID;
    if (!comes_ever(&c)) {
        snprintf(why, CRON_WHY_MAX,
                 "day of month: none of the months given has a day %d, so this would never run: "
                 "give a day that they have (February has 28 or 29)",
                 __builtin_ctz(c.days));
        return ERR_INVALID;
    }
    *out = c;
    return ERR_NONE;
}
