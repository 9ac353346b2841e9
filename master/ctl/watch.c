/* SPDX-License-Identifier: MIT */
#include "master/ctl/watch.h"
#include "common/clock.h"
#include "common/mem.h"
#include "master/ctl/interrupt.h"
#include "master/ctl/progress.h"
#include "common/screen.h"
#include "common/text.h"
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>

#define BAR_WAIT      "500ms" /* the master answers at once when the batch ends */
#define PLAIN_WAIT    "1s"
#define PLAIN_LINE_MS 3000
#define POLL_LEAST_MS 200 /* between two questions, whatever the answers say */
#define AWAY_RETRY_MS 1000
#define AWAY_MAX_MS   60000
#define LINE_BYTES    4096
#define BAR_SPARE     3 /* columns: the "^C" that a terminal echoes does not wrap */

struct watch {
    struct ctl *c;
    const char *id;
    bool bar;
    struct table_style style;
    struct mono began, asked, drawn, away_since;
    struct strbuf line;
    char *last;   /* line of a pipe */
    size_t shown; /* columns that the bar took */
};

bool watch_line_due(int64_t since_ms, const char *last, const char *now)
{
    return !last || (since_ms >= PLAIN_LINE_MS && strcmp(last, now) != 0);
}

/* ---- what is shown */

static void erase(struct watch *w)
{
    if (w->bar && w->shown > 0)
        fprintf(stderr, "\r%*s\r", (int)w->shown, "");
    w->shown = 0;
}

static size_t bar_width(const struct watch *w)
{
    return w->style.width > BAR_SPARE ? w->style.width - BAR_SPARE : 1;
}

/* Blanks behind it wipe what a longer line left. */
static void draw_bar(struct watch *w, const struct progress *p)
{
    w->style = screen_style(stderr); /* the window may have changed */
    strbuf_reset(&w->line);
    progress_bar(p, bar_width(w), false, &w->line);
    size_t width = text_width(w->line.data), before = w->shown;
    if (w->style.colour) {
        strbuf_reset(&w->line);
        progress_bar(p, bar_width(w), true, &w->line);
    }
    before = before < bar_width(w) ? before : bar_width(w);
    fprintf(stderr, "\r%s%*s", w->line.data, before > width ? (int)(before - width) : 0, "");
    if (p->over)
        fputc('\n', stderr);
    fflush(stderr);
    w->shown = p->over ? 0 : width;
}

static void draw_line(struct watch *w, const struct progress *p)
{
    struct mono now = mono_now();
    strbuf_reset(&w->line);
    progress_plain(p, &w->line);
    if (!p->over && !watch_line_due(mono_diff_ms(now, w->drawn), w->last, w->line.data))
        return;
    fprintf(stderr, "%s\n", w->line.data);
    free(w->last);
    w->last = mem_strdup(w->line.data);
    w->drawn = now;
}

static void draw(struct watch *w, const struct progress *p)
{
    if (w->bar)
        draw_bar(w, p);
    else
        draw_line(w, p);
}

/* ---- how it ends early */

static int stopped(struct watch *w)
{
    if (w->bar)
        fputc('\n', stderr);
    ctl_say("stopped watching; the batch goes on. To look again, or to end it:");
    ctl_say("  sonde status %s", w->id);
    ctl_say("  sonde results %s", w->id);
    ctl_say("  sonde cancel %s", w->id);
    return EXIT_INTERRUPTED;
}

static int waited(struct watch *w)
{
    erase(w);
    return ctl_fail(
        EXIT_DEADLINE,
        "the batch has not ended within --wait %s, and goes on; 'sonde status %s' shows how "
        "far it is",
        w->c->o.wait, w->id);
}

/* 0: ask again. */
static int away(struct watch *w, struct answer *a)
{
    struct mono now = mono_now();
    if (!mono_is_set(w->away_since)) {
        w->away_since = now;
        erase(w);
        ctl_say("the master does not answer at the moment; trying again");
    }
    if (mono_diff_ms(now, w->away_since) < AWAY_MAX_MS) {
        poll(NULL, 0, AWAY_RETRY_MS);
        return EXIT_ALL_OK;
    }
    int code = client_verdict(w->c->client, &a->reply);
    ctl_say("the batch is kept by the master; when it is back, 'sonde status %s' shows it", w->id);
    return code;
}

/* ---- the loop */

static void pace(struct watch *w)
{
    int64_t since = mono_is_set(w->asked) ? mono_diff_ms(mono_now(), w->asked) : POLL_LEAST_MS;
    if (since < POLL_LEAST_MS)
        poll(NULL, 0, (int)(POLL_LEAST_MS - since));
    w->asked = mono_now();
}

/* The first question is answered at once, so that there is something to see. */
static void ask(struct watch *w, struct answer *a)
{
    bool first = !mono_is_set(w->asked);
    pace(w);
    client_path(w->c->client, API "/batches/%s", w->id);
    client_query(w->c->client, "wait", first ? NULL : w->bar ? BAR_WAIT : PLAIN_WAIT);
    client_get(w->c->client, &a->reply);
}

static int follow(struct watch *w, int64_t wait_s, struct answer *a)
{
    for (;;) {
        int code = EXIT_ALL_OK;
        ask(w, a);
        if (interrupt_seen())
            return stopped(w);
        if (client_is_away(&a->reply)) {
            code = away(w, a);
        } else {
            w->away_since = (struct mono){0};
            code = ask_parse(w->c, a);
        }
        if (code != EXIT_ALL_OK)
            return code;
        if (a->doc && !mono_is_set(w->away_since)) {
            struct progress p = progress_of(answer_root(a));
            draw(w, &p);
            if (p.over)
                return EXIT_ALL_OK;
        }
        if (wait_s > 0 && mono_diff_ms(mono_now(), w->began) >= wait_s * 1000)
            return waited(w);
    }
}

int watch_batch(struct ctl *c, const char *id, int64_t wait_s, struct answer *a)
{
    struct watch w = {.c = c, .id = id, .bar = screen_is_terminal(stderr), .began = mono_now()};
    REQUIRE(wait_s >= 0);
    strbuf_init(&w.line, LINE_BYTES);
    interrupt_arm();
    int code = follow(&w, wait_s, a);
    strbuf_fini(&w.line);
    free(w.last);
    return code;
}
