/* SPDX-License-Identifier: MIT */
#include "master/ctl/progress.h"
#include "common/human.h"
#include "common/node.h"
#include "common/table.h"
#include "common/text.h"
#include <inttypes.h>
#include <stdio.h>

#define BAR_MAX   40
#define BAR_LEAST 8
#define GAP       2
#define PIECE_MAX 128
#define PIECES    16

/* What a line says, most important first: the last are left out when the width does not suffice. */
struct piece {
    char text[PIECE_MAX];
    enum table_tone tone;
};
struct pieces {
    struct piece p[PIECES];
    size_t n;
};

struct progress progress_of(const struct json_node *batch)
{
    char path[64];
    const char *state = node_str(batch, "state");
    struct progress p = {.total = node_count(batch, "counts.total"),
                         .queued = node_count(batch, "counts.queued"),
                         .running = node_count(batch, "counts.running"),
                         .rate = node_num(batch, "rate", 0),
                         .eta_s = (int64_t)node_num(batch, "eta_s", -1),
                         .waits_for = node_str(batch, "waits_for"),
                         .over = state && strcmp(state, "ended") == 0};
    for (int o = 0; o < OUTCOME_COUNT; o++) {
        snprintf(path, sizeof(path), "counts.%s", outcome_word((enum outcome)o));
        p.ended[o] = node_count(batch, path);
    }
    return p;
}

uint64_t progress_done(const struct progress *p)
{
    uint64_t n = 0;
    for (int o = 0; o < OUTCOME_COUNT; o++)
        n += p->ended[o];
    return n;
}

unsigned progress_percent(const struct progress *p)
{
    uint64_t done = progress_done(p);
    if (done >= p->total)
        return 100;
    return (unsigned)((double)done * 100.0 / (double)p->total);
}

static void add(struct pieces *s, enum table_tone tone, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void add(struct pieces *s, enum table_tone tone, const char *fmt, ...)
{
    va_list ap;
    REQUIRE(s->n < PIECES);
    va_start(ap, fmt);
    vsnprintf(s->p[s->n].text, PIECE_MAX, fmt, ap);
    va_end(ap);
    s->p[s->n++].tone = tone;
}

static enum table_tone tone_of(enum outcome o)
{
    return o == OUTCOME_OK ? TONE_GOOD : o == OUTCOME_FAILED ? TONE_BAD : TONE_WARN;
}

/* ok and failed always show, so that the line does not jump; the rest when there is any. */
static void add_outcomes(struct pieces *s, const struct progress *p)
{
    char n[HUMAN_MAX];
    for (int o = 0; o < OUTCOME_COUNT; o++) {
        if (p->ended[o] == 0 && o != OUTCOME_OK && o != OUTCOME_FAILED)
            continue;
        add(s, p->ended[o] ? tone_of((enum outcome)o) : TONE_PLAIN, "%s %s",
            outcome_word((enum outcome)o), human_count(p->ended[o], n));
    }
}

static void add_flow(struct pieces *s, const struct progress *p)
{
    char n[HUMAN_MAX];
    struct strbuf why;
    if (p->over)
        return;
    add(s, TONE_PLAIN, "running %s", human_count(p->running, n));
    if (p->rate > 0)
        add(s, TONE_PLAIN, "%s", human_rate(p->rate, n));
    if (p->eta_s >= 0)
        add(s, TONE_PLAIN, "eta %s", human_duration(p->eta_s, n));
    if (!p->waits_for)
        return;
    strbuf_init(&why, 4 * TEXT_CELL_MAX);
    struct strbuf shown;
    strbuf_init(&shown, 4 * TEXT_CELL_MAX);
    text_clean(&why, p->waits_for);
    text_cut_end(&shown, why.data, 60);
    add(s, TONE_WARN, "waits for %.100s", shown.data);
    strbuf_fini(&why);
    strbuf_fini(&shown);
}

static size_t pieces_width(const struct pieces *s)
{
    size_t w = 0;
    for (size_t i = 0; i < s->n; i++)
        w += text_width(s->p[i].text) + (i > 0 ? GAP : 0);
    return w;
}

static void put_bar(struct strbuf *out, unsigned percent, size_t cells)
{
    size_t full = cells * percent / 100;
    for (size_t i = 0; i < cells; i++)
        strbuf_puts(out, i < full ? "█" : "░");
    text_pad(out, GAP);
}

static void put_pieces(struct strbuf *out, const struct pieces *s, const char *gap, bool colour)
{
    for (size_t i = 0; i < s->n; i++) {
        const char *begin = colour ? table_tone_begin(s->p[i].tone) : "";
        strbuf_puts(out, i > 0 ? gap : "");
        strbuf_puts(out, begin);
        strbuf_puts(out, s->p[i].text);
        strbuf_puts(out, *begin ? TONE_END : "");
    }
}

void progress_bar(const struct progress *p, size_t width, bool colour, struct strbuf *out)
{
    char done[HUMAN_MAX], total[HUMAN_MAX];
    struct pieces s = {.n = 0};
    add(&s, TONE_PLAIN, "%3u%%", progress_percent(p));
    add(&s, TONE_PLAIN, "%s/%s", human_count(progress_done(p), done), human_count(p->total, total));
    add_outcomes(&s, p);
    add_flow(&s, p);
    while (s.n > 1 && pieces_width(&s) > width)
        s.n--;
    size_t used = pieces_width(&s);
    size_t left = width > used + GAP ? width - used - GAP : 0;
    if (left >= BAR_LEAST)
        put_bar(out, progress_percent(p), left < BAR_MAX ? left : BAR_MAX);
    put_pieces(out, &s, "  ", colour);
}

void progress_plain(const struct progress *p, struct strbuf *out)
{
    char done[HUMAN_MAX], total[HUMAN_MAX];
    struct pieces s = {.n = 0};
    add(&s, TONE_PLAIN, "%s of %s done (%u%%)", human_count(progress_done(p), done),
        human_count(p->total, total), progress_percent(p));
    add_outcomes(&s, p);
    add_flow(&s, p);
    put_pieces(out, &s, ", ", false);
}
