/* SPDX-License-Identifier: MIT */
#include "master/store/join.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

/* By host, the newest first. */
static int by_host(const void *a, const void *b)
{
    const struct incident *const *x = a, *const *y = b;
    int c = strcmp((*x)->host, (*y)->host);
    return c != 0 ? c : (*x)->id > (*y)->id ? -1 : 1;
}

static const struct incident *incident_of(const struct incident **sorted, size_t n,
                                          const char *host)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(sorted[mid]->host, host) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && strcmp(sorted[low]->host, host) == 0 ? sorted[low] : NULL;
}

static bool is_open(const struct store_timetable *t, uint64_t id)
{
    size_t low = 0, high = t->n_incidents;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (t->incidents[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low < t->n_incidents && t->incidents[low].id == id;
}

void join_incidents(const struct store_timetable *t, struct scheduler_saved *saved)
{
    const struct incident **sorted = mem_array(t->n_incidents + 1, sizeof(*sorted));
    for (size_t i = 0; i < t->n_incidents; i++)
        sorted[i] = &t->incidents[i];
    if (t->n_incidents > 0)
        qsort(sorted, t->n_incidents, sizeof(*sorted), by_host);
    for (size_t i = 0; i < t->n_checks; i++) {
        struct scheduler_saved *s = &saved[i];
        if (s->incident != 0 && !is_open(t, s->incident))
            s->incident = 0;
        if (s->check == 0 || s->incident != 0 || s->state != VERDICT_DOWN)
            continue;
        const struct incident *in = incident_of(sorted, t->n_incidents, t->checks[i].host);
        if (in == NULL)
            in = incident_of(sorted, t->n_incidents, "");
        if (in != NULL)
            s->incident = in->id;
    }
    free(sorted);
}
