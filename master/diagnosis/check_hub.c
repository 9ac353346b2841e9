/* SPDX-License-Identifier: MIT */
#include "master/diagnosis/checks.h"
#include <stdio.h>

/* The thread that holds the agents' connections. */

#define LAG_WARN_MS   250
#define LAG_BAD_MS    1000 /* from here on the core takes its own lateness into account */
#define SILENT_BAD_MS 5000 /* as /healthz */
#define STOOD_WARN_MS 5000 /* half of what makes an agent suspect */
#define USED_WARN     80   /* percent of the most agents */
#define NO_HELLO_WARN 32   /* agents that come back in a storm are past it in a moment */

void check_loop_lag(const struct diag_facts *f, struct diag_finding *out)
{
    diag_figure(out, "lag_ms", f->hub.lag_ms);
    diag_figure(out, "silent_ms", (double)f->hub.silent_ms);
    if (f->hub.silent_ms >= SILENT_BAD_MS)
        diag_say(out, DIAG_BAD, "the hub thread has not turned for %.0f s: it hangs",
                 (double)f->hub.silent_ms / 1000);
    else if (f->hub.lag_ms < 0)
        diag_say(out, DIAG_UNKNOWN, "the hub does not say how late it is");
    else
        diag_say(out, diag_over(f->hub.lag_ms, LAG_WARN_MS, LAG_BAD_MS),
                 "the hub was at most %.0f ms late in the last 5 s", f->hub.lag_ms);
}

void check_stood_still(const struct diag_facts *f, struct diag_finding *out)
{
    char stood[HUMAN_MAX], ago[HUMAN_MAX];
    bool lately = f->hub.stood > 0 && f->hub.stood_ago_ms <= CORE_STOOD_MS;
    diag_figure(out, "times", (double)f->hub.stood);
    diag_figure(out, "stood_ms", lately ? (double)f->hub.stood_ms : -1);
    diag_figure(out, "ago_ms", lately ? (double)f->hub.stood_ago_ms : -1);
    if (f->hub.stood < 0)
        diag_say(out, DIAG_UNKNOWN, "the hub does not say whether it stood still");
    else if (!lately)
        diag_say(out, DIAG_OK, "not for a second in the last 10 min");
    else
        diag_say(out, f->hub.stood_ms >= STOOD_WARN_MS ? DIAG_WARN : DIAG_OK,
                 "it stood still for %s, %s ago", human_took(f->hub.stood_ms, stood),
                 human_duration(f->hub.stood_ago_ms / 1000, ago));
}

void check_overload(const struct diag_facts *f, struct diag_finding *out)
{
    diag_figure(out, "lag_ms", f->hub.lag_ms);
    if (f->hub.overloaded)
        diag_say(out, DIAG_BAD, "it cannot keep up: new work is refused");
    else
        diag_say(out, DIAG_OK, "it keeps up, and takes new work");
}

void check_sessions(const struct diag_facts *f, struct diag_finding *out)
{
    int64_t waiting = f->hub.hellos_waiting, said = diag_count_connected(f) + waiting;
    int64_t silent = f->has_core && f->hub.sessions > said ? f->hub.sessions - said : 0;
    char line[64] = "";
    double percent = diag_percent(f->hub.sessions, f->hub.sessions_max);
    diag_figure(out, "sessions", (double)f->hub.sessions);
    diag_figure(out, "limit", (double)f->hub.sessions_max);
    diag_figure(out, "without_hello", f->has_core ? (double)silent : -1);
    diag_figure(out, "hellos_waiting", (double)waiting);
    if (percent < 0) {
        diag_say(out, DIAG_UNKNOWN, "the hub does not say how many there are");
        return;
    }
    if (waiting > 0)
        snprintf(line, sizeof(line), ", %lld that wait for their turn to say it",
                 (long long)waiting);
    diag_say(out,
             silent >= NO_HELLO_WARN && percent < USED_WARN ? DIAG_WARN
                                                            : diag_over(percent, USED_WARN, 100),
             "%lld of at most %lld, %lld without HELLO%s", (long long)f->hub.sessions,
             (long long)f->hub.sessions_max, (long long)silent, line);
}
