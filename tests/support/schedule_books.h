/* SPDX-License-Identifier: MIT */
#pragma once
#include "tests/support/schedule_world.h"

/* schedule_books - for simulations: what schedule_world's disk must hold of each check at the end.
 */

/* late: with what was late by its spread when the span began. It is due, but where the slot of
 * another rule came after its minute. */
static uint64_t walk(const struct world *w, const struct w_span *span, const struct zone *utc,
                     bool late)
{
    char name[16], key[32], why[CRON_WHY_MAX];
    struct rule r = {.kind = w_rules[span->rule].cron ? RULE_CRON : RULE_EVERY,
                     .every_ms = w_rules[span->rule].every_ms,
                     .spread_ms = RULE_SPREAD_DEFAULT_MS};
    snprintf(name, sizeof(name), "s%u", w->disk.checks[span->check].schedule);
    snprintf(key, sizeof(key), "https://c%llu/", (unsigned long long)span->check);
    int64_t offset = rule_offset_ms(&r, rule_key(name, key)), from = span->from.us / 1000;
    int64_t to = (span->to.us != 0 ? span->to.us : w->now.wall.us) / 1000;
    uint64_t n = 0;
    if (r.kind == RULE_EVERY) {
        for (int64_t at = from - from % r.every_ms + offset; at <= to; at += r.every_ms)
            n += at > from;
        return n;
    }
    REQUIRE(cron_parse(w_rules[span->rule].cron, &r.cron, why) == ERR_NONE);
    for (int64_t at = civil_floor_div(late && !span->new ? from - offset : from, 1000);
         (at = cron_next(&r.cron, utc, at)) * 1000 + offset <= to;)
        n++;
    return n;
}

/* Each slot is in one book. Returns how many there are. */
static uint64_t prove_slots(const struct world *w, uint64_t check)
{
    uint64_t most = 0, runs = 0, missed = 0;
    for (uint64_t i = 0; i < w->disk.n_rows; i++)
        if (w->disk.rows[i].check == check && w->disk.rows[i].seq > most)
            most = w->disk.rows[i].seq;
    for (size_t i = 0; i < w->disk.n_gaps; i++)
        if (w->disk.gaps[i].check == check && w->disk.gaps[i].gap.last.seq > most)
            most = w->disk.gaps[i].gap.last.seq;
    uint8_t *seen = mem_zalloc(most + 2);
    for (uint64_t i = 0; i < w->disk.n_rows; i++) {
        const struct w_row *r = &w->disk.rows[i];
        runs += r->check == check && seen[r->seq] == 0;
        if (r->check == check)
            seen[r->seq] = 1;
    }
    for (size_t i = 0; i < w->disk.n_gaps; i++) {
        const struct plan_gap *g = &w->disk.gaps[i].gap;
        for (uint64_t s = g->first_seq; w->disk.gaps[i].check == check && s <= g->last.seq; s++) {
            SIM_CHECK(seen[s] == 0, "check %llu: slot %llu is twice in the books",
                      (unsigned long long)check, (unsigned long long)s);
            seen[s] = 2;
            missed++;
        }
    }
    for (uint64_t s = 1; s <= most; s++)
        SIM_CHECK(seen[s] != 0, "check %llu: slot %llu of %llu is in no book",
                  (unsigned long long)check, (unsigned long long)s, (unsigned long long)most);
    SIM_CHECK(runs == w->disk.checks[check].runs && runs + missed == most,
              "check %llu: %llu runs and %llu missed are not %llu", (unsigned long long)check,
              (unsigned long long)runs, (unsigned long long)missed, (unsigned long long)most);
    free(seen);
    return most;
}

static void prove_time(const struct world *w, uint64_t check, uint64_t slots,
                       const struct zone *utc)
{
    uint64_t least = 0, most = 0;
    for (size_t i = 0; i < w->n_spans; i++) {
        if (w->spans[i].check != check)
            continue;
        least += walk(w, &w->spans[i], utc, false);
        most += walk(w, &w->spans[i], utc, true);
    }
    SIM_CHECK(least <= slots && slots <= most,
              "check %llu: %llu slots were due, and %llu are in the books",
              (unsigned long long)check, (unsigned long long)most, (unsigned long long)slots);
}
