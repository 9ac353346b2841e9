/* SPDX-License-Identifier: MIT */
#include "master/ctl/agent_page.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "common/human.h"
#include "common/text.h"
#include "master/ctl/agents.h"
#include "master/ctl/fact.h"

enum unit { COUNT, PERCENT, BYTES, MS, AGE };

struct figure {
    const char *name, *path;
    enum unit unit;
};

static void put_number(struct strbuf *out, double v, enum unit unit)
{
    char buf[HUMAN_MAX];
    switch (unit) {
    case COUNT:
        strbuf_puts(out, human_count((uint64_t)v, buf));
        break;
    case PERCENT:
        strbuf_printf(out, "%.1f %%", v);
        break;
    case BYTES:
        strbuf_puts(out, human_bytes((uint64_t)v, buf));
        break;
    case MS:
        strbuf_printf(out, "%s ms", human_ms(v, buf));
        break;
    case AGE:
        strbuf_puts(out, human_took((int64_t)v, buf));
        break;
    }
}

/* "name value, name value": a figure that is not known is "-", never 0; a line of none is left
 * out. */
static void put_figures(struct strbuf *out, const char *label, const struct json_node *agent,
                        const struct figure *all, size_t n)
{
    size_t begin = out->len;
    bool known = false;
    fact_label(out, label);
    for (size_t i = 0; i < n; i++) {
        double v = node_num(agent, all[i].path, -1);
        known |= v >= 0;
        strbuf_printf(out, "%s%s ", i > 0 ? ", " : "", all[i].name);
        if (v < 0)
            strbuf_putc(out, '-');
        else
            put_number(out, v, all[i].unit);
    }
    strbuf_putc(out, '\n');
    if (!known)
        strbuf_truncate(out, begin);
}
#define FIGURES(label, ...)                                                                        \
    do {                                                                                           \
        static const struct figure all[] = {__VA_ARGS__};                                          \
        put_figures(out, label, agent, all, ARRAY_LEN(all));                                       \
    } while (0)

static void put_tags(struct strbuf *out, const struct json_node *agent)
{
    struct strbuf b;
    strbuf_init(&b, 4 * TEXT_CELL_MAX);
    for (const struct json_node *n = node_first(agent, "tags"); n; n = json_next(n))
        strbuf_printf(&b, "%s%s=%s", b.len > 0 ? ", " : "", json_node_key(n), node_str(n, ""));
    fact_put(out, "tags", b.data);
    strbuf_fini(&b);
}

static void put_head(struct strbuf *out, const struct json_node *agent)
{
    fact_put(out, "agent", node_str(agent, "name"));
    fact_put(out, "state", node_str(agent, "state"));
    if (agents_is_stalled(agent)) {
        fact_put(out, "stalled", AGENTS_STALLED_TEXT);
        fact_put(out, "what to do", AGENTS_STALLED_FIX);
    }
    if (node_true(agent, "slow"))
        fact_put(out, "slow", "it does not take what is sent to it");
    fact_put(out, "trouble", node_str(agent, "trouble"));
    fact_put(out, "peer", node_str(agent, "peer"));
    fact_put(out, "version", node_str(agent, "version"));
    put_tags(out, agent);
}

static void put_last_end(struct strbuf *out, const struct json_node *agent)
{
    char line[256], age[HUMAN_MAX], at[FACT_TIME_MAX];
    const struct json_node *end = node_at(agent, "last_disconnect");
    if (!end || json_type(end) != JSON_OBJECT)
        return;
    const char *cause = node_str(end, "cause");
    snprintf(line, sizeof(line), "%s, after %s: %s", fact_time(node_str(end, "at"), at),
             human_took((int64_t)node_num(end, "session_age_ms", 0), age), cause ? cause : "-");
    fact_put(out, "last cut", line);
    fact_put(out, "", node_str(end, "text"));
    fact_put(out, "", node_str(end, "detail"));
    fact_put(out, "what to do", node_str(end, "fix"));
}

static void put_clock(struct strbuf *out, const struct json_node *agent)
{
    char line[80];
    double ms = node_num(agent, "clock_ahead_ms", 0);
    if (!node_at(agent, "clock_ahead_ms") || !node_true(agent, "clock_skew"))
        return;
    snprintf(line, sizeof(line), "%.1f s %s the master's: clock_skew", fabs(ms) / 1000,
             ms < 0 ? "behind" : "ahead of");
    fact_put(out, "its clock", line);
}

static void put_session(struct strbuf *out, const struct json_node *agent)
{
    FIGURES("connected", {"for", "connected_ms", AGE},
            {"reconnects in 24 h", "reconnects_24h", COUNT},
            {"since the start", "reconnects", COUNT});
    FIGURES("cut", {"in the last hour", "cuts.hour", COUNT}, {"in 24 h", "cuts.day", COUNT});
    put_last_end(out, agent);
    put_clock(out, agent);
    FIGURES("heartbeat", {"heard", "heartbeat_age_ms", AGE},
            {"longest gap", "heartbeat_gap_max_ms", AGE}, {"round trip", "rtt_ms", MS},
            {"loop lag", "heartbeat.lag_ms", MS});
}

static void put_work(struct strbuf *out, const struct json_node *agent)
{
    FIGURES("tasks", {"credit left", "credit_left", COUNT}, {"in flight", "in_flight", COUNT},
            {"queue", "heartbeat.queue", COUNT}, {"running", "heartbeat.running", COUNT},
            {"slots", "heartbeat.slots", COUNT});
    FIGURES("", {"sent", "sent_tasks", COUNT}, {"received", "heartbeat.received_tasks", COUNT},
            {"results", "results", COUNT}, {"oldest", "heartbeat.oldest_ms", AGE});
    FIGURES("stands still", {"a probe over its time-out", "heartbeat.overdue_ms", AGE},
            {"tasks wait, nothing moves", "heartbeat.still_ms", AGE});
    FIGURES("outbox", {"results", "heartbeat.outbox_results", COUNT},
            {"in memory", "heartbeat.outbox_bytes", BYTES},
            {"on disk", "heartbeat.spool_bytes", BYTES}, {"dropped", "heartbeat.drops", COUNT});
}

static void put_host(struct strbuf *out, const struct json_node *agent)
{
    FIGURES("our socket", {"Send-Q", "link.sendq_bytes", BYTES},
            {"Recv-Q", "link.recvq_bytes", BYTES}, {"TCP round trip", "link.tcp_rtt_ms", MS});
    FIGURES("", {"unacknowledged segments", "link.unacked_segments", COUNT},
            {"retransmits", "link.retransmits", COUNT});
    FIGURES("its socket", {"Send-Q", "heartbeat.sendq_bytes", BYTES},
            {"Recv-Q", "heartbeat.recvq_bytes", BYTES});
    FIGURES("host", {"CPU", "heartbeat.cpu_percent", PERCENT},
            {"memory", "heartbeat.rss_bytes", BYTES},
            {"free", "heartbeat.mem_available_bytes", BYTES});
    FIGURES("descriptors", {"used", "heartbeat.fds_used", COUNT},
            {"of", "heartbeat.fds_max", COUNT},
            {"ephemeral ports", "heartbeat.ephemeral_ports", COUNT});
    FIGURES("sockets", {"ESTABLISHED", "heartbeat.established", COUNT},
            {"TIME_WAIT", "heartbeat.time_wait", COUNT},
            {"CLOSE_WAIT", "heartbeat.close_wait", COUNT});
    FIGURES("log", {"lines lost", "heartbeat.log_lost", COUNT});
}

void agent_page_put(const struct json_node *agent, struct strbuf *out)
{
    put_head(out, agent);
    put_session(out, agent);
    put_work(out, agent);
    put_host(out, agent);
}
