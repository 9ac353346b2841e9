/* SPDX-License-Identifier: MIT */
#include "common/log.h"
#include "master/api/handlers.h"
#include "master/api/http.h"
#include "master/api/metrics_rows.h"
#include "master/api/metrics_schedules.h"

static void put_core(struct strbuf *b, struct core_stats *s)
{
    const struct metrics_row rows[] = {
        GAUGE("agents_alive", "Agents connected and heard of lately", s->agents_alive),
        GAUGE("bulk_loss", "1 while many agents are in trouble at once and verdicts are withheld",
              s->bulk_loss),
        GAUGE("agents_suspect", "Agents silent for over 10 s", s->agents_suspect),
        GAUGE("agents_stalled", "Agents whose link lives and whose work stands still",
              s->agents_stalled),
        GAUGE("agents_orphaned", "Agents lost whose leases wait for the grace", s->agents_orphaned),
        GAUGE("sessions", "Open sessions of agents", s->sessions),
        GAUGE("hellos_waiting", "Agents that wait for their turn to say HELLO", s->hellos_waiting),
        GAUGE("hello_wait_milliseconds", "How long the last one that had to wait for it waited",
              s->hello_wait_ms),
        COUNTER("hellos_paced_total", "HELLOs that came faster than they are heard, and waited",
                s->hellos_paced),
        GAUGE("batches_open", "Batches that have not ended", s->batches_open),
        GAUGE("batches_paused", "Batches that are held back", s->batches_paused),
        GAUGE("tasks_open", "Tasks that have not ended, all open batches", s->open_tasks),
        GAUGE("tasks_queued", "Tasks that wait, all open batches", s->queued_tasks),
        GAUGE("tasks_running", "Tasks leased to agents", s->running_tasks),
        GAUGE("tasks_window", "Queued tasks held in memory", s->window_tasks),
        GAUGE("results_waiting_store", "Results on their way to the store", s->waiting_store),
        COUNTER("tasks_dispatched_total", "Leases given", s->dispatched),
        COUNTER("tasks_requeued_total", "Leases that ended without a result", s->requeued),
        COUNTER("results_stored_total", "Results stored", s->results_stored),
        COUNTER("results_duplicate_total", "Results of tasks that had one", s->results_duplicate),
        COUNTER("results_rejected_total", "Results with a bad ticket", s->results_rejected),
        COUNTER("results_again_total", "Results of agents that had answered their target before",
                s->results_again),
        COUNTER("stragglers_total", "Second leases of tasks near the end of their batch",
                s->stragglers),
        COUNTER("results_late_total", "Results of leases that had ended", s->results_late),
        COUNTER("nacks_total", "Tasks that an agent could not run", s->nacks),
        COUNTER("releases_total", "Tasks handed back before their start", s->releases),
        COUNTER("over_window_total", "Results beyond the result window", s->over_window),
        COUNTER("messages_bad_total", "Malformed messages of agents", s->bad_messages),
        COUNTER("messages_unknown_total", "Messages of unknown type", s->unknown_messages),
        COUNTER("sessions_total", "Sessions opened since start", s->sessions_total),
        COUNTER("disconnects_total", "Sessions ended since start", s->disconnects),
        COUNTER("bulk_losses_total", "Times that many agents were lost at once since start",
                s->bulk_losses),
        COUNTER("hub_stood_still_total", "Times that the hub's loop stood for over a second",
                s->stood),
        GAUGE("hub_stood_still_milliseconds", "The longest of these in the last minutes",
              s->stood_ms),
        COUNTER("agents_dead_total", "Agents declared dead since start", s->agents_dead),
        COUNTER("agents_port_pushed_out_total",
                "Connections without HELLO that made room for others", s->pushed_out),
        COUNTER("agents_port_cut_total", "Connections without a whole request in 5 s",
                s->strangers_cut),
        COUNTER("agents_port_refused_total", "Connections refused because all places were taken",
                s->sockets_refused),
        COUNTER("agents_stalled_total", "Times that an agent's work was found standing still",
                s->agent_stalls),
        COUNTER("agents_cloned_total", "Names refused for a while: two processes fought over them",
                s->agent_clones),
    };
    metrics_put_rows(b, rows, ARRAY_LEN(rows));
    metrics_head(b, "sonde_session_ends_total", "counter", "Sessions ended since start, by cause");
    for (int e = END_NONE + 1; e < END_COUNT; e++) {
        char label[CAUSE_MAX + sizeof("cause=\"\"")];
        snprintf(label, sizeof(label), "cause=\"%s\"", end_word((enum end)e));
        metrics_sample(b, "sonde_session_ends_total", label, (double)counter_get(&s->ends[e]));
    }
}

static void put_log(struct strbuf *b)
{
    static const char name[] = "sonde_log_dropped_total";
    metrics_head(b, name, "counter", "Lines of the log that were not written");
    metrics_sample(b, name, "reason=\"rate\"", (double)log_suppressed());
    metrics_sample(b, name, "reason=\"write\"", (double)log_unwritten());
}

/* One family of both mailboxes. */
static void put_boxes(struct strbuf *b, const char *name, const char *type, const char *help,
                      double writer, double reader)
{
    metrics_head(b, name, type, help);
    metrics_sample(b, name, "box=\"store_writer\"", writer);
    metrics_sample(b, name, "box=\"store_reader\"", reader);
}

static void put_store(struct strbuf *b, struct store *store)
{
    struct store_stats *s = store_stats(store);
    struct mailbox_stats writer, reader;
    const struct metrics_row rows[] = {
        COUNTER("store_commits_total", "Transactions committed", s->commits),
        COUNTER("store_rows_total", "Tasks written", s->rows),
        COUNTER("store_results_total", "Results written", s->results),
        COUNTER("store_duplicates_total", "Results refused by their key", s->duplicates),
        COUNTER("store_batches_purged_total", "Ended batches purged", s->batches_purged),
        COUNTER("store_tasks_purged_total", "Their tasks", s->tasks_purged),
        COUNTER("store_damaged_total", "Columns read that the disk has changed", s->damaged),
        COUNTER("store_events_total", "Events of the fleet stored", s->events),
        COUNTER("store_events_dropped_total", "Events not stored: it was too far behind",
                s->events_dropped),
        COUNTER("store_hours_rolled_total", "Hours and days of checks written", s->hours_rolled),
        COUNTER("store_rolls_failed_total", "Tries to roll up an hour that failed",
                s->rolls_failed),
        COUNTER("store_history_purged_total", "Rows of history purged", s->history_purged),
        GAUGE("store_rolled_until_seconds", "All hours before this time are rolled up",
              s->rolled_until_s),
        GAUGE("store_roll_milliseconds", "What rolling up the last hour took", s->roll_ms),
        GAUGE("store_used_bytes", "Size of the store without its free pages", s->used_bytes),
        GAUGE("store_commit_p99_milliseconds",
              "Of the commits of some seconds, when last committed", s->commit_p99_ms),
        GAUGE("store_disk_full", "1 while the disk is full", s->disk_full),
    };
    metrics_put_rows(b, rows, ARRAY_LEN(rows));
    metrics_histogram(b, "sonde_store_commit_ms", "Time of a commit", &s->commit_ms);
    store_mailbox_stats(store, &writer, &reader);
    put_boxes(b, "sonde_mailbox_letters", "gauge", "Letters that wait in a mailbox",
              (double)writer.letters, (double)reader.letters);
    put_boxes(b, "sonde_mailbox_bytes", "gauge", "Bytes that wait in a mailbox",
              (double)writer.bytes, (double)reader.bytes);
    put_boxes(b, "sonde_mailbox_refused_total", "counter", "Letters refused by a full mailbox",
              (double)writer.refused, (double)reader.refused);
}

static void put_api(struct strbuf *b, struct api *a)
{
    const struct metrics_row rows[] = {
        COUNTER("api_requests_total", "HTTP requests", a->stats.requests),
        COUNTER("api_replies_2xx_total", "Answers below 400", a->stats.replies_2xx),
        COUNTER("api_replies_4xx_total", "Refusals", a->stats.replies_4xx),
        COUNTER("api_replies_5xx_total", "Failures", a->stats.replies_5xx),
        COUNTER("api_unauthorized_total", "Requests without a good token", a->stats.unauthorized),
        COUNTER("api_uploads_total", "Batches accepted", a->stats.uploads),
        COUNTER("api_upload_lines_total", "Targets accepted", a->stats.upload_lines),
        COUNTER("api_upload_rejected_total", "Bad lines", a->stats.upload_rejected),
        COUNTER("api_upload_waits_total", "Uploads suspended by a full store",
                a->stats.upload_waits),
        COUNTER("api_shed_total", "Submissions refused because the master cannot keep up",
                a->stats.shed),
        COUNTER("api_cut_no_head_total", "Connections cut: no whole request in 8 s",
                a->guard.no_head),
        COUNTER("api_cut_no_progress_total", "Connections cut: less than 1 KiB in 30 s",
                a->guard.no_progress),
        COUNTER("api_cut_pushed_out_total",
                "Connections without a request that made room for others", a->guard.pushed_out),
        COUNTER("api_streams_total", "Streams of events opened", a->stats.streams),
        COUNTER("api_streams_refused_total", "Streams refused because there were too many",
                a->stats.streams_refused),
        COUNTER("api_stream_events_total", "Events written to streams", a->stats.stream_events),
    };
    metrics_put_rows(b, rows, ARRAY_LEN(rows));
    metrics_histogram(b, "sonde_api_request_ms", "Time of a request", &a->stats.request_ms);
    metrics_head(b, "sonde_api_requests_active", "gauge", "Requests under way");
    metrics_sample(b, "sonde_api_requests_active", NULL, (double)atomic_load(&a->active));
    metrics_head(b, "sonde_api_streams", "gauge", "Streams of events open now");
    metrics_sample(b, "sonde_api_streams", NULL, (double)atomic_load(&a->streams));
}

static void put_hub(struct strbuf *b, const struct api_config *c)
{
    if (c->hub_lag_ms) {
        metrics_head(b, "sonde_hub_lag_ms", "gauge", "How late the hub's loop is");
        metrics_sample(b, "sonde_hub_lag_ms", NULL, c->hub_lag_ms(c->hub_arg));
    }
    if (c->overloaded) {
        metrics_head(b, "sonde_overloaded", "gauge",
                     "1 while the master cannot keep up and takes no new work");
        metrics_sample(b, "sonde_overloaded", NULL, c->overloaded(c->hub_arg));
    }
}

static enum step page(struct http_req *r)
{
    struct api *a = r->api;
    reply_begin(r, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8");
    struct strbuf *b = &r->reply.body;
    if (a->conf.core_stats)
        put_core(b, a->conf.core_stats);
    put_store(b, a->conf.store);
    put_api(b, a);
    put_log(b);
    put_hub(b, &a->conf);
    if (a->conf.schedule_stats)
        metrics_put_schedules(b, a->conf.schedule_stats);
    if (a->conf.alert_stats)
        metrics_put_alerts(b, a->conf.alert_stats);
    metrics_put_checks(r);
    return STEP_DONE;
}

enum step metrics_page(struct http_req *r)
{
    if (!r->state && query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    return metrics_ask_checks(r) == STEP_WAIT ? STEP_WAIT : page(r);
}
