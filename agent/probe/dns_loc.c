/* SPDX-License-Identifier: MIT */
#include "agent/probe/dns_loc.h"
#include <inttypes.h>

#define TYPE_LOC       29
#define EQUATOR        (INT64_C(1) << 31) /* and the prime meridian, in thousandths of a second */
#define MS_PER_MINUTE  (60 * 1000)
#define MS_PER_DEGREE  (60 * MS_PER_MINUTE)
#define BELOW_SPHEROID 10000000 /* centimetres: the lowest altitude */

bool dns_loc_unknown(const struct dns_cur *c, uint16_t type)
{
    return type == TYPE_LOC && c->pos < c->end && c->msg[c->pos] != 0;
}

/* Degrees, minutes and seconds of an angle, and on which side of zero it lies. */
static void put_angle(struct dns_cur *c, unsigned degrees_max, const char *sides, struct strbuf *b)
{
    int64_t ms = (int64_t)dns_cur_uint(c, 4) - EQUATOR;
    char side = ms < 0 ? sides[1] : sides[0];
    ms = ms < 0 ? -ms : ms;
    if (ms > (int64_t)degrees_max * MS_PER_DEGREE)
        dns_cur_fail(c, "a location lies outside the globe");
    strbuf_printf(b, "%" PRId64 " %" PRId64 " %" PRId64 ".%03" PRId64 " %c ", ms / MS_PER_DEGREE,
                  ms / MS_PER_MINUTE % 60, ms / 1000 % 60, ms % 1000, side);
}

static void put_altitude(struct dns_cur *c, struct strbuf *b)
{
    int64_t cm = (int64_t)dns_cur_uint(c, 4) - BELOW_SPHEROID;
    const char *sign = cm < 0 ? "-" : "";
    cm = cm < 0 ? -cm : cm;
    strbuf_printf(b, "%s%" PRId64 ".%02" PRId64 "m", sign, cm / 100, cm % 100);
}

/* Base and power of ten, each in a nibble, in centimetres. */
static void put_length(struct dns_cur *c, uint8_t packed, struct strbuf *b)
{
    unsigned base = packed >> 4, power = packed & 15;
    uint64_t cm = base;
    if (base > 9 || power > 9)
        dns_cur_fail(c, "a location has a bad size or precision");
    for (unsigned i = 0; i < power; i++)
        cm *= 10;
    if (cm % 100 == 0)
        strbuf_printf(b, " %" PRIu64 "m", cm / 100);
    else
        strbuf_printf(b, " %" PRIu64 ".%02" PRIu64 "m", cm / 100, cm % 100);
}

void dns_loc(struct dns_cur *c, struct strbuf *b)
{
    uint8_t lengths[3];
    (void)dns_cur_uint(c, 1); /* the version: dns_loc_unknown() looked at it */
    for (unsigned i = 0; i < 3; i++)
        lengths[i] = (uint8_t)dns_cur_uint(c, 1);
    put_angle(c, 90, "NS", b);
    put_angle(c, 180, "EW", b);
    put_altitude(c, b);
    for (unsigned i = 0; i < 3; i++)
        put_length(c, lengths[i], b);
}
