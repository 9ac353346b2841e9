/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/require.h"
#include "common/utf8.h"
#include "master/schedule/cron.h"

/*
 * A byte that chooses the zone, a byte that chooses the year, and a crontab's fields. What parses
 * comes round within 41 years, only forward, and as often as it is counted.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RUNS      40
#define YEAR_S    (365 * SEC_PER_DAY)
#define LAST_YEAR 55 /* 2025; what comes only on a 29 February that is a Sunday still comes */

static const char *const names[] = {"UTC", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia",
                                    "Africa/Casablanca"};
static struct zone *zones[ARRAY_LEN(names)];

static struct zone *zone(unsigned which)
{
    char why[ZONE_WHY_MAX];
    which %= ARRAY_LEN(names);
    if (zones[which] == NULL)
        REQUIRE(zone_open(names[which], &zones[which], why) == ERR_NONE);
    return zones[which];
}

static void run(const struct cron *c, const struct zone *z, int64_t after)
{
    int64_t at = after;
    uint64_t n = 0;
    for (; n < RUNS; n++) {
        int64_t next = cron_next(c, z, at);
        REQUIRE(n > 0 || (next != CRON_NEVER && next < after + 41 * YEAR_S + 20 * SEC_PER_DAY));
        if (next == CRON_NEVER)
            break;
        REQUIRE(next > at && cron_next(c, z, next - 1) == next);
        at = next;
    }
    REQUIRE(cron_count(c, z, after, at) == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cron c;
    char why[CRON_WHY_MAX] = "";
    if (size < 2)
        return 0;
    char *text = mem_strndup((const char *)data + 2, size - 2);
    if (cron_parse(text, &c, why) != ERR_NONE)
        REQUIRE(why[0] != '\0' && utf8_valid(why, strlen(why)));
    else
        run(&c, zone(data[0]), data[1] % (LAST_YEAR + 1) * YEAR_S);
    free(text);
    return 0;
}
