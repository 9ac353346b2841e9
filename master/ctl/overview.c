/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "master/ctl/checks.h"
#include "master/ctl/pages.h"
#include "master/ctl/verbs.h"
#include "common/human.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OVERVIEW_PAGE 10000

/* All rows are read, because the worst may be the last; those that show are kept in a heap with the
 * best of them on top. */
struct worst {
    struct json_doc **rows;
    size_t n, max;
    uint64_t seen, perfect, unknown;
    double uptime_sum;
};

/* Of what is unknown nothing can be said: after all that is known. */
static double badness(const struct json_node *row)
{
    double uptime = node_num(row, "uptime", -1);
    return uptime < 0 ? -1 : 1 - uptime;
}

/* The worst first; of equals, the longest down, then by id as they came. */
static int by_badness(const void *a, const void *b)
{
    const struct json_node *x = json_root(*(struct json_doc *const *)a),
                           *y = json_root(*(struct json_doc *const *)b);
    double l = badness(x), r = badness(y);
    if (l != r)
        return l > r ? -1 : 1;
    l = node_num(x, "down_ms", 0);
    r = node_num(y, "down_ms", 0);
    if (l != r)
        return l > r ? -1 : 1;
    l = strtod(node_str(x, "id") ? node_str(x, "id") : "0", NULL);
    r = strtod(node_str(y, "id") ? node_str(y, "id") : "0", NULL);
    return l < r ? -1 : l > r;
}

static void sink(struct worst *w, size_t i)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->n)
            return;
        if (child + 1 < w->n && by_badness(&w->rows[child + 1], &w->rows[child]) > 0)
            child++;
        if (by_badness(&w->rows[child], &w->rows[i]) <= 0)
            return;
        struct json_doc *moved = w->rows[i];
        w->rows[i] = w->rows[child];
        w->rows[child] = moved;
        i = child;
    }
}

static void rise(struct worst *w, size_t i)
{
    while (i > 0 && by_badness(&w->rows[i], &w->rows[(i - 1) / 2]) > 0) {
        struct json_doc *moved = w->rows[i];
        w->rows[i] = w->rows[(i - 1) / 2];
        w->rows[(i - 1) / 2] = moved;
        i = (i - 1) / 2;
    }
}

static struct json_doc *copy_of(const struct json_node *row)
{
    struct strbuf b;
    struct json_out w;
    struct json_doc *d = NULL;
    strbuf_init(&b, 1 << 20);
    json_out_init(&w, &b);
    json_print(&w, row);
    REQUIRE(json_parse(b.data, b.len, &d, NULL, 0) == ERR_NONE);
    strbuf_fini(&b);
    return d;
}

static void keep(struct worst *w, const struct json_node *row)
{
    struct json_doc *d = copy_of(row);
    if (w->n < w->max) {
        w->rows[w->n++] = d;
        rise(w, w->n - 1);
        return;
    }
    if (by_badness(&d, &w->rows[0]) < 0) {
        struct json_doc *best = w->rows[0];
        w->rows[0] = d;
        d = best;
        sink(w, 0);
    }
    json_free(&d);
}

static int on_row(void *arg, const struct json_node *row)
{
    struct worst *w = arg;
    double bad = badness(row);
    w->seen++;
    w->unknown += bad < 0;
    w->perfect += bad == 0;
    w->uptime_sum += bad < 0 ? 0 : 1 - bad;
    keep(w, row);
    return EXIT_ALL_OK;
}

/* ---- rows */

static void own(const struct json_node *row, const char *path, struct strbuf *out)
{
    char buf[CHECKS_PERCENT_MAX];
    strbuf_puts(out, checks_percent(node_at(row, path), buf));
}

static const struct list_column columns[] = {
    {{.title = "ID"}, "id", CELL_TEXT},
    {{.title = "STATE"}, "state", CELL_TEXT},
    {{.title = "TARGET", .least = 24}, "target", CELL_TEXT},
    {{.title = "SCHEDULE", .least = 8, .drop = 2}, "schedule", CELL_TEXT},
    {{.title = "UPTIME", .right = true}, "uptime", CELL_OWN},
    {{.title = "AVAILABILITY", .right = true, .drop = 4}, "availability", CELL_OWN},
    {{.title = "DOWN", .right = true}, "down_ms", CELL_AGE_MS},
    {{.title = "UNKNOWN", .right = true, .drop = 5}, "unknown_ms", CELL_AGE_MS},
    {{.title = "RUNS", .right = true, .drop = 3}, "runs", CELL_COUNT},
    {{.title = "MISSED", .right = true, .drop = 1}, "missed", CELL_COUNT},
};

static enum table_tone tone(const struct json_node *row)
{
    return checks_tone(node_str(row, "state"));
}

static const struct list_kind list = {
    .columns = columns, .n_columns = ARRAY_LEN(columns), .toned = 1, .tone = tone, .own = own};

static int print_worst(struct worst *w)
{
    char n[HUMAN_MAX], perfect[HUMAN_MAX], unknown[HUMAN_MAX];
    struct listing l;
    uint64_t known = w->seen - w->unknown;
    if (w->n > 0)
        qsort(w->rows, w->n, sizeof(w->rows[0]), by_badness);
    listing_init(&l, &list, FORM_TABLE);
    for (size_t i = 0; i < w->n; i++)
        listing_add(&l, json_root(w->rows[i]));
    int code = ask_finish(&l);
    if (code != EXIT_ALL_OK || w->seen == 0)
        return code;
    printf("%s%s checks, %s of them never down", w->n > 0 ? "\n" : "", human_count(w->seen, n),
           human_count(w->perfect, perfect));
    if (w->unknown > 0)
        printf(", of %s nothing is known", human_count(w->unknown, unknown));
    if (known > 0)
        printf("; %.3f %% up on average", 100 * w->uptime_sum / (double)known);
    putchar('\n');
    return EXIT_ALL_OK;
}

static int print_table(struct ctl *c, const struct pages *p)
{
    struct worst w = {.max = (size_t)c->o.limit};
    w.rows = mem_array(w.max, sizeof(*w.rows));
    int code = pages_each(c, p, UINT64_MAX, on_row, &w);
    if (code == EXIT_ALL_OK && w.seen == 0)
        ctl_say("%s", p->none);
    if (code == EXIT_ALL_OK)
        code = print_worst(&w);
    for (size_t i = 0; i < w.n; i++)
        json_free(&w.rows[i]);
    free(w.rows);
    return code;
}

int overview_run(struct ctl *c)
{
    char days[24];
    snprintf(days, sizeof(days), "%" PRId64, c->o.days);
    const struct pages p = {.path = "/overview",
                            .member = "checks",
                            .kind = &list,
                            .query = {{"days", days}, {"schedule", c->o.schedule}},
                            .page_max = OVERVIEW_PAGE,
                            .none = c->o.schedule ? "that schedule has no checks, or there is none"
                                                  : "there is no check yet"};
    return c->form == FORM_TABLE ? print_table(c, &p) : pages_run(c, &p);
}
