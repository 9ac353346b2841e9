/* SPDX-License-Identifier: MIT */
#include "master/diagnosis/checks.h"

/* The store, and the bounds that stand before it. */

#define COMMIT_WARN_MS 250 /* people who wait for an answer notice */
#define FULL_WARN      90  /* percent of a queue */
#define OPEN_WARN      80  /* percent of the most open tasks */

void check_store(const struct diag_facts *f, struct diag_finding *out)
{
    if (f->store.writable)
        diag_say(out, DIAG_OK, "it takes writes");
    else
        diag_say(out, DIAG_BAD, "its last writes failed: the disk is full, or it is locked");
}

void check_store_latency(const struct diag_facts *f, struct diag_finding *out)
{
    int64_t p99 = f->store.commit_p99_ms, max = f->store.commit_ms_max;
    diag_figure(out, "commit_p99_ms", (double)p99);
    diag_figure(out, "limit_ms", (double)max);
    REQUIRE(max > COMMIT_WARN_MS);
    diag_say(out, diag_over((double)p99, COMMIT_WARN_MS, (double)max),
             "99 of 100 commits of the last seconds, and the one under way, within %lld ms (limit "
             "%lld ms)",
             (long long)p99, (long long)max);
}

static void queue(const struct diag_queue *q, struct diag_finding *out)
{
    double letters = diag_percent(q->letters, q->letters_max);
    double bytes = diag_percent(q->bytes, q->bytes_max);
    double full = letters > bytes ? letters : bytes;
    if (q->refused > 0)
        diag_item(out, q->waits ? DIAG_WARN : DIAG_BAD, q->name,
                  q->waits ? "full: %lld times somebody had to wait, just now"
                           : "full: %lld requests were refused, just now",
                  (long long)q->refused);
    else if (full >= FULL_WARN)
        diag_item(out, DIAG_WARN, q->name, "%.0f %% full: %lld letters, %lld bytes", full,
                  (long long)q->letters, (long long)q->bytes);
}

void check_queues(const struct diag_facts *f, struct diag_finding *out)
{
    char a[HUMAN_MAX];
    int64_t letters = 0;
    for (unsigned i = 0; i < f->store.n_queues; i++) {
        queue(&f->store.queues[i], out);
        letters += f->store.queues[i].letters;
    }
    diag_figure(out, "letters", (double)letters);
    diag_say(out, DIAG_OK, "%u of %u full; %s letters wait", diag_items(out), f->store.n_queues,
             human_count((uint64_t)letters, a));
}

void check_open_tasks(const struct diag_facts *f, struct diag_finding *out)
{
    char a[HUMAN_MAX], b[HUMAN_MAX];
    double percent = diag_percent(f->store.open_tasks, f->store.open_tasks_max);
    diag_figure(out, "open", (double)f->store.open_tasks);
    diag_figure(out, "limit", (double)f->store.open_tasks_max);
    if (percent < 0) {
        diag_say(out, DIAG_UNKNOWN, "the core does not say how many there are");
        return;
    }
    diag_say(out, diag_over(percent, OPEN_WARN, 100), "%s of at most %s",
             human_count((uint64_t)f->store.open_tasks, a),
             human_count((uint64_t)f->store.open_tasks_max, b));
}
