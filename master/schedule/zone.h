/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/civil.h"
#include "common/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * zone - a time zone by its IANA name: what the clocks on its walls show, and which of their times
 * do not exist or exist twice.
 *
 * A zone is read once, when it is opened, and is read-only afterwards: any thread may use it. It
 * stands on GLib's GTimeZone, which reads the files of Debian's tzdata (RFC 8536), so that a new
 * law on summer time arrives with tzdata alone; ICU has a table of its own, which is years older.
 * A program must open its zones anew to see a new tzdata. All seconds are POSIX seconds in UTC;
 * between ZONE_FIRST and ZONE_LAST GLib 2.74 was compared with all zones of tzdata and is right but
 * for Europe/Dublin (Eire) from 2038 on, where it reads the sign of the winter's offset wrong.
 */
struct zone;

/* What an hour hand has ever been off by, or jumped: Manila and Apia jumped a day. */
#define ZONE_OFFSET_MAX_S (26 * 3600)

#define ZONE_FIRST INT64_C(0)          /* 1970-01-01T00:00:00Z */
#define ZONE_LAST  INT64_C(4102444799) /* 2099-12-31T23:59:59Z */

#define ZONE_NAME_MAX 64 /* the longest name of tzdata 2025b has 32 bytes */
#define ZONE_WHY_MAX  256

/* "Europe/Berlin", "UTC". ERR_INVALID, ERR_NOT_FOUND: why names what was given, and the fix. */
MUST_USE enum err zone_open(const char *name, struct zone **out, char why[ZONE_WHY_MAX]);
void zone_close(struct zone **zp);
const char *zone_name(const struct zone *z);

/* Zones for who outlives the owners of those that are given: of each name one, as it was first
 * given, until the end of the set. All zeroes is an empty one. */
struct zone_set {
    struct zone **zones;
    size_t n;
};
const struct zone *zone_set_keep(struct zone_set *s, const struct zone *z);
void zone_set_fini(struct zone_set *s);

/* What is on the wall at a second. */
struct civil zone_civil(const struct zone *z, int64_t utc);
/* What is on the wall, as civil_seconds() counts it. */
int64_t zone_local(const struct zone *z, int64_t utc);

/*
 * When a civil time is: in [first, last] where it exists twice (first < last), at first = last
 * where it exists once. In a gap it does not exist: first = last = the first second after the gap,
 * which is the moment at which the clock has passed it. So `first` is always the first second at
 * which the clock shows this time or a later one.
 */
enum zone_fit { ZONE_ONCE, ZONE_GAP, ZONE_TWICE };
struct zone_moment {
    enum zone_fit fit;
    int64_t first, last;
};
struct zone_moment zone_moment(const struct zone *z, int64_t local);

/*
 * Spans are the stretches of time between two changes of the offset (or of the zone's abbreviation,
 * at which the offset may stay). They are numbered in order.
 */
struct zone_span {
    int number;
    int32_t offset_s; /* local - UTC */
};
struct zone_span zone_span(const struct zone *z, int64_t utc);
/* The first second of the span after that of `utc`, if it begins at or before `until`; else false.
 */
bool zone_change(const struct zone *z, int64_t utc, int64_t until, int64_t *at);
