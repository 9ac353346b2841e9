/* SPDX-License-Identifier: MIT */
#include "master/schedule/zone.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/utf8.h"

struct zone {
    GTimeZone *tz;
    char name[ZONE_NAME_MAX + 1];
};

#define NAME_CHARS                                                                                 \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-_/" /* theory.html of tzdata  \
                                                                          */

/*
 * Names begin with a capital letter: what else lies in the folder (posixrules, right/ with its leap
 * seconds, tables) is no zone. No dot, so that no path leads out of it.
 */
static bool name_is_good(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= ZONE_NAME_MAX && name[0] >= 'A' && name[0] <= 'Z' &&
           strspn(name, NAME_CHARS) == n;
}

/* "./" before the name makes GLib look for a file and nothing else: "Foo5" would be a rule of POSIX
 * to it. UTC is there even without tzdata. */
static GTimeZone *open_named(const char *name)
{
    char path[ZONE_NAME_MAX + 3];
    if (strcmp(name, "UTC") == 0)
        return g_time_zone_new_utc();
    snprintf(path, sizeof(path), "./%s", name);
    return g_time_zone_new_identifier(path);
}

enum err zone_open(const char *name, struct zone **out, char why[ZONE_WHY_MAX])
{
    REQUIRE(name != NULL && out != NULL);
    GTimeZone *tz = name_is_good(name) ? open_named(name) : NULL;
    if (tz == NULL) {
        char *shown = utf8_sanitized(name, strnlen(name, ZONE_NAME_MAX + 1), ZONE_NAME_MAX);
        snprintf(why, ZONE_WHY_MAX,
                 "unknown time zone '%s': give an IANA name such as Europe/Berlin or UTC, in this "
                 "spelling (package tzdata has them in /usr/share/zoneinfo)",
                 shown);
        free(shown);
        return name_is_good(name) ? ERR_NOT_FOUND : ERR_INVALID;
    }
    struct zone *z = mem_zalloc(sizeof(*z));
    z->tz = tz;
    snprintf(z->name, sizeof(z->name), "%s", name);
    *out = z;
    return ERR_NONE;
}

void zone_close(struct zone **zp)
{
    if (*zp == NULL)
        return;
    g_time_zone_unref((*zp)->tz);
    free(*zp);
    *zp = NULL;
}

const char *zone_name(const struct zone *z)
{
    return z->name;
}

static struct zone *copy_of(const struct zone *z)
{
    struct zone *copy = mem_alloc(sizeof(*copy));
    *copy = *z;
    g_time_zone_ref(copy->tz);
    return copy;
}

const struct zone *zone_set_keep(struct zone_set *s, const struct zone *z)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->zones[i]->name, z->name) == 0)
            return s->zones[i];
    s->zones = mem_realloc(s->zones, (s->n + 1) * sizeof(*s->zones));
    s->zones[s->n] = copy_of(z);
    return s->zones[s->n++];
}

void zone_set_fini(struct zone_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        zone_close(&s->zones[i]);
    free(s->zones);
    *s = (struct zone_set){0};
}

static int span_number(const struct zone *z, int64_t utc)
{
    int number = g_time_zone_find_interval(z->tz, G_TIME_TYPE_UNIVERSAL, utc);
    REQUIRE(number >= 0);
    return number;
}

struct zone_span zone_span(const struct zone *z, int64_t utc)
{
    int number = span_number(z, utc);
    return (struct zone_span){number, g_time_zone_get_offset(z->tz, number)};
}

int64_t zone_local(const struct zone *z, int64_t utc)
{
    return utc + zone_span(z, utc).offset_s;
}

struct civil zone_civil(const struct zone *z, int64_t utc)
{
    return civil_from_seconds(zone_local(z, utc));
}

bool zone_change(const struct zone *z, int64_t utc, int64_t until, int64_t *at)
{
    int here = span_number(z, utc);
    if (until <= utc || span_number(z, until) == here)
        return false;
    int64_t before = utc, after = until;
    while (after - before > 1) {
        int64_t middle = before + (after - before) / 2;
        if (span_number(z, middle) == here)
            before = middle;
        else
            after = middle;
    }
    *at = after;
    return true;
}

/* The first second at which the clock shows more than `local`, which it never shows: the clock
 * jumps over it at the start of one of the spans near it. */
static int64_t end_of_gap(const struct zone *z, int64_t local)
{
    int64_t at = local - ZONE_OFFSET_MAX_S;
    while (zone_change(z, at, local + ZONE_OFFSET_MAX_S, &at))
        if (zone_local(z, at) > local)
            return at;
    UNREACHABLE("a local time that no clock shows lies in no gap");
}

struct zone_moment zone_moment(const struct zone *z, int64_t local)
{
    struct zone_moment m = {.fit = ZONE_GAP};
    int last = span_number(z, local + ZONE_OFFSET_MAX_S);
    for (int n = span_number(z, local - ZONE_OFFSET_MAX_S); n <= last; n++) {
        int64_t utc = local - g_time_zone_get_offset(z->tz, n);
        if (span_number(z, utc) != n)
            continue;
        if (m.fit == ZONE_GAP)
            m.first = utc;
        m.last = utc;
        m.fit = m.first == m.last ? ZONE_ONCE : ZONE_TWICE;
    }
    if (m.fit == ZONE_GAP)
        m.first = m.last = end_of_gap(z, local);
    return m;
}
