/* SPDX-License-Identifier: MIT */
#include "agent/page/page_text.h"

#include "common/metrics.h"
#include <stdio.h>

#define PREFIX    "sonde_agent_"
#define LABEL_MAX 512

enum kind { COUNTER, GAUGE };

struct row {
    const char *name, *help;
    enum kind kind;
    double value; /* negative = not known: left out */
};

static void put_one(struct strbuf *b, const struct row *r)
{
    if (!(r->value >= 0))
        return;
    metrics_head(b, r->name, r->kind == COUNTER ? "counter" : "gauge", r->help);
    metrics_sample(b, r->name, NULL, r->value);
}

static void put_rows(struct strbuf *b, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put_one(b, &rows[i]);
}

static void put_labelled(struct strbuf *b, const char *name, double value, const char *k1,
                         const char *v1, const char *k2, const char *v2)
{
    struct strbuf label;
    strbuf_init(&label, LABEL_MAX);
    metrics_label(&label, k1, v1);
    if (k2)
        metrics_label(&label, k2, v2);
    metrics_sample(b, name, label.data, value);
    strbuf_fini(&label);
}

/* The names that Prometheus has for any process. */
static void put_process(struct strbuf *b, const struct page_process *p,
                        const struct msg_heartbeat *hb)
{
    const struct row rows[] = {
        {"process_cpu_seconds_total", "User and system time", COUNTER, p->cpu_s},
        {"process_start_time_seconds", "When the process began, in Unix time", GAUGE,
         p->started_at_s},
        {"process_resident_memory_bytes", "Resident memory", GAUGE,
         hb ? (double)hb->rss_bytes : -1},
        {"process_open_fds", "File descriptors in use", GAUGE, hb ? (double)hb->fds_used : -1},
        {"process_max_fds", "File descriptors allowed", GAUGE, hb ? (double)hb->fds_max : -1},
    };
    put_rows(b, rows, ARRAY_LEN(rows));
    static const char dropped[] = PREFIX "log_dropped_total";
    metrics_head(b, dropped, "counter", "Lines of the log that were not written");
    put_labelled(b, dropped, (double)p->log_suppressed, "reason", "rate", NULL, NULL);
    put_labelled(b, dropped, (double)p->log_unwritten, "reason", "write", NULL, NULL);
}

static void put_session(struct strbuf *b, const struct page_figures *f)
{
    static const char name[] = PREFIX "session_state";
    const struct msg_heartbeat *hb = &f->hb;
    metrics_head(b, name, "gauge", "The state of the session with the master, as a label");
    put_labelled(b, name, 1, "state", f->state, NULL, NULL);
    bool over = hb->received.count > hb->credit.count; /* and the session is about to end for it */
    uint64_t left = over ? 0 : hb->credit.count - hb->received.count;
    const struct row rows[] = {
        {PREFIX "connects_total", "Sessions begun with the master", COUNTER, (double)f->connects},
        {PREFIX "heartbeat_rtt_ms", "Round trip of the last heartbeat", GAUGE, hb->rtt_ms},
        {PREFIX "credit_left", "Tasks that the master may still send", GAUGE, (double)left},
        {PREFIX "session_tasks", "Tasks received in this session", GAUGE,
         (double)hb->received.count},
        {PREFIX "link_recv_queue_bytes", "Unread bytes of the link's socket", GAUGE,
         (double)hb->recvq_bytes},
        {PREFIX "link_send_queue_bytes", "Unsent bytes of the link's socket", GAUGE,
         (double)hb->sendq_bytes},
        {PREFIX "trouble", "1 while the agent is not well and takes fewer tasks or none", GAUGE,
         f->trouble[0] != '\0'},
    };
    put_rows(b, rows, ARRAY_LEN(rows));
}

static void put_work(struct strbuf *b, const struct page_figures *f)
{
    const struct msg_heartbeat *hb = &f->hb;
    const struct row rows[] = {
        {PREFIX "probes_running", "Probes in flight", GAUGE, (double)hb->running},
        {PREFIX "slots", "Probes that may be in flight", GAUGE, (double)hb->slots},
        {PREFIX "tasks_waiting", "Tasks that wait for a slot", GAUGE, (double)hb->queue},
        {PREFIX "tasks_held", "Tasks admitted and not ended", GAUGE, (double)f->tasks},
        {PREFIX "oldest_probe_ms", "Age of the oldest probe in flight", GAUGE,
         (double)hb->oldest_ms},
        {PREFIX "tasks_released_total", "Tasks handed back before their start", COUNTER,
         (double)f->released},
        {PREFIX "tasks_nacked_total", "Tasks that could not be run here", COUNTER,
         (double)f->nacked},
        {PREFIX "results_dropped_total", "Results set aside or rejected", COUNTER,
         (double)hb->drops},
        {PREFIX "outbox_results", "Results that the master has not acknowledged", GAUGE,
         (double)hb->outbox_results},
        {PREFIX "outbox_bytes", "Their bytes", GAUGE, (double)hb->outbox_bytes},
        {PREFIX "spool_bytes", "Bytes of the files that keep results", GAUGE,
         (double)hb->spool_bytes},
    };
    put_rows(b, rows, ARRAY_LEN(rows));
}

static void put_host(struct strbuf *b, const struct page_figures *f)
{
    static const char lag[] = PREFIX "loop_lag_ms";
    const struct msg_heartbeat *hb = &f->hb;
    metrics_head(b, lag, "gauge", "How late the loops are; of the workers the latest");
    put_labelled(b, lag, hb->lag_ms, "loop", "link", NULL, NULL);
    put_labelled(b, lag, f->worker_lag_ms, "loop", "worker", NULL, NULL);
    const struct row rows[] = {
        {PREFIX "host_load1", "Load of the host", GAUGE, hb->load1},
        {PREFIX "host_memory_available_bytes", "Memory that the host has left", GAUGE,
         (double)hb->mem_available_bytes},
        {PREFIX "host_sockets_established", "Connections of the host", GAUGE,
         (double)hb->established},
        {PREFIX "host_sockets_time_wait", "Sockets of the host in TIME_WAIT", GAUGE,
         (double)hb->time_wait},
        {PREFIX "host_ephemeral_ports", "Size of the host's local port range", GAUGE,
         (double)hb->ephemeral_ports},
    };
    put_rows(b, rows, ARRAY_LEN(rows));
}

/* Each series is there from the start: a rate knows no failure before the second one otherwise. */
static void put_probes(struct strbuf *b, const struct page_figures *f)
{
    static const char name[] = PREFIX "probes_total";
    metrics_head(b, name, "counter",
                 "Probes ended, by outcome and cause; a cause of the agent's own is no result, the "
                 "task runs elsewhere");
    for (int c = CAUSE_NONE; c < CAUSE_COUNT; c++) {
        enum cause cause = (enum cause)c;
        enum cause_where where = c == CAUSE_NONE ? WHERE_TARGET : cause_where(cause);
        if (where == WHERE_MASTER || where == WHERE_USER)
            continue;
        put_labelled(b, name, (double)f->ended[c], "outcome", outcome_word(cause_outcome(cause)),
                     "cause", c == CAUSE_NONE ? "" : cause_word(cause));
    }
}

void page_text_metrics(struct strbuf *b, const char *agent, const struct page_figures *f,
                       const struct page_process *p, int64_t age_ms)
{
    bool known = age_ms >= 0;
    metrics_head(b, PREFIX "info", "gauge", "Who this is");
    put_labelled(b, PREFIX "info", 1, "agent", agent, "version", SONDE_VERSION);
    put_process(b, p, known ? &f->hb : NULL);
    if (!known)
        return;
    put_one(b, &(struct row){PREFIX "figures_age_ms", "Since the link thread told what follows",
                             GAUGE, (double)age_ms});
    put_session(b, f);
    put_work(b, f);
    put_probes(b, f);
    put_host(b, f);
}

bool page_text_alive(const struct page_figures *f, int64_t age_ms, int64_t since_start_ms,
                     char *why, size_t why_max)
{
    int64_t link_ms = age_ms >= 0 ? age_ms : since_start_ms;
    if (link_ms > PAGE_SILENT_MS) {
        snprintf(why, why_max,
                 "the link thread has not turned for %lld ms; look at the agent's CPU and its log",
                 (long long)link_ms);
        return false;
    }
    if (age_ms >= 0 && f->worker_silent_ms > PAGE_SILENT_MS) {
        snprintf(why, why_max,
                 "a worker has not turned for %lld ms; look at the agent's CPU and its log",
                 (long long)f->worker_silent_ms);
        return false;
    }
    return true;
}
