/* SPDX-License-Identifier: MIT */
#include "master/ctl/apply_view.h"
#include "common/human.h"
#include "common/text.h"
#include <string.h>

#define VALUE_COLS 72 /* of a value in a line: what is longer is a list that nobody reads here */
#define VALUE_MAX  (1u << 20)
#define SET        "(set)" /* what the master shows of a secret */

enum kind { NEW, CHANGED, REMOVED, SAME, LEFT };
static const struct {
    const char *what, *mark, *word;
    enum table_tone tone;
} kinds[] = {[NEW] = {"new", "+", "new", TONE_GOOD},
             [CHANGED] = {"changed", "~", "changed", TONE_WARN},
             [REMOVED] = {"removed", "-", "removed", TONE_BAD},
             [SAME] = {"same", " ", "as they are", TONE_DIM},
             [LEFT] = {"left", " ", "not in the file", TONE_DIM}};

static enum kind kind_of(const struct json_node *n)
{
    const char *what = node_str(n, "what");
    for (size_t i = 0; what && i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].what, what) == 0)
            return (enum kind)i;
    return LEFT;
}

/* A line's beginning in the colour of what it tells. */
static void put_mark(struct strbuf *out, size_t indent, enum kind kind,
                     const struct table_style *style)
{
    const char *begin = style->colour ? table_tone_begin(kinds[kind].tone) : "";
    text_pad(out, indent);
    strbuf_printf(out, "%s%s%s ", begin, kinds[kind].mark, *begin ? TONE_END : "");
}

static void put_text(struct strbuf *out, const char *s)
{
    text_clean(out, s ? s : "?");
}

/* ---- what changes in a definition */

static void put_value(struct strbuf *out, const struct json_node *n)
{
    struct strbuf raw, clean;
    struct json_out w;
    strbuf_init(&raw, VALUE_MAX);
    strbuf_init(&clean, VALUE_MAX);
    json_out_init(&w, &raw);
    if (n)
        json_print(&w, n);
    text_clean(&clean, raw.data);
    text_cut_end(out, clean.data, VALUE_COLS);
    strbuf_fini(&raw);
    strbuf_fini(&clean);
}

static void put_field(struct strbuf *out, const struct json_node *change,
                      const struct table_style *style)
{
    const struct json_node *from = node_at(change, "from"), *to = node_at(change, "to");
    put_mark(out, 4, from && to ? CHANGED : to ? NEW : REMOVED, style);
    put_text(out, node_str(change, "field"));
    strbuf_puts(out, ": ");
    if (from)
        put_value(out, from);
    if (from && to)
        strbuf_puts(out, " → ");
    if (to)
        put_value(out, to);
    strbuf_putc(out, '\n');
}

static void put_targets(struct strbuf *out, const struct json_node *item,
                        const struct table_style *style)
{
    char n[HUMAN_MAX];
    uint64_t told = 0, all = node_count(item, "new") + node_count(item, "changed") +
                             node_count(item, "removed");
    for (const struct json_node *t = node_first(item, "targets"); t; t = json_next(t), told++) {
        put_mark(out, 4, kind_of(t), style);
        strbuf_puts(out, "target ");
        put_text(out, node_str(t, "key"));
        strbuf_putc(out, '\n');
    }
    if (all > told)
        strbuf_printf(out, "      … and %s more targets\n", human_count(all - told, n));
}

/* ---- an item */

static const struct json_node *field_of(const struct json_node *item, const char *field)
{
    for (const struct json_node *c = node_first(item, "definition"); c; c = json_next(c)) {
        const char *name = node_str(c, "field");
        if (name && strcmp(name, field) == 0)
            return node_at(c, "to");
    }
    return NULL;
}

/* "every 30s, 1,200 targets" */
static void put_summary(struct strbuf *out, const struct json_node *item)
{
    static const char *const when[] = {"every", "cron"};
    char n[HUMAN_MAX];
    uint64_t checks = node_count(item, "checks");
    strbuf_puts(out, " (");
    for (size_t i = 0; i < ARRAY_LEN(when); i++) {
        const struct json_node *v = field_of(item, when[i]);
        if (!v || json_type(v) != JSON_STRING)
            continue;
        strbuf_printf(out, "%s ", when[i]);
        put_text(out, json_node_str(v));
        strbuf_puts(out, ", ");
    }
    strbuf_printf(out, "%s %s)", human_count(checks, n), checks == 1 ? "target" : "targets");
}

static void put_item(struct strbuf *out, const struct json_node *item,
                     const struct table_style *style)
{
    enum kind kind = kind_of(item);
    const char *of = node_str(item, "kind");
    bool schedule = of && strcmp(of, "schedule") == 0;
    if (kind == SAME)
        return;
    put_mark(out, 0, kind, style);
    strbuf_puts(out, schedule ? "schedule " : "alert ");
    put_text(out, node_str(item, "name"));
    if (schedule)
        put_summary(out, item);
    if (kind == LEFT)
        strbuf_puts(out, ": of this owner and not in the file; --prune removes it");
    strbuf_putc(out, '\n');
    if (kind != CHANGED)
        return;
    for (const struct json_node *c = node_first(item, "definition"); c; c = json_next(c))
        put_field(out, c, style);
    put_targets(out, item, style);
}

void apply_view_put(struct strbuf *out, const struct json_node *plan,
                    const struct table_style *style)
{
    for (const struct json_node *i = node_first(plan, "items"); i; i = json_next(i))
        put_item(out, i, style);
}

size_t apply_view_count(const struct json_node *plan, const char *what)
{
    size_t n = 0;
    for (const struct json_node *i = node_first(plan, "items"); i; i = json_next(i))
        n += strcmp(kinds[kind_of(i)].what, what) == 0;
    return n;
}

size_t apply_view_changes(const struct json_node *plan)
{
    return apply_view_count(plan, "new") + apply_view_count(plan, "changed") +
           apply_view_count(plan, "removed");
}

void apply_view_counts(struct strbuf *out, const struct json_node *plan)
{
    char buf[HUMAN_MAX];
    const char *gap = "";
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t n = apply_view_count(plan, kinds[i].what);
        if (n == 0)
            continue;
        strbuf_printf(out, "%s%s %s", gap, human_count(n, buf), kinds[i].word);
        gap = ", ";
    }
}

/* ---- alert channels */

static bool is_text(const struct json_node *n, const char *text)
{
    return json_type(n) == JSON_STRING && strcmp(json_node_str(n), text) == 0;
}

static enum apply_same compare_members(const struct json_node *given, const struct json_node *there)
{
    enum apply_same worst = APPLY_SAME;
    for (const struct json_node *g = json_first(given); g; g = json_next(g)) {
        const struct json_node *t = json_first(there);
        while (t && strcmp(json_node_key(t), json_node_key(g)) != 0)
            t = json_next(t);
        enum apply_same s = apply_compare(g, t);
        worst = s > worst ? s : worst;
    }
    return worst;
}

static bool same_text(const struct json_node *a, const struct json_node *b)
{
    struct strbuf x, y;
    struct json_out w;
    strbuf_init(&x, VALUE_MAX);
    strbuf_init(&y, VALUE_MAX);
    json_out_init(&w, &x);
    json_print(&w, a);
    json_out_init(&w, &y);
    json_print(&w, b);
    bool same = x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
    strbuf_fini(&x);
    strbuf_fini(&y);
    return same;
}

enum apply_same apply_compare(const struct json_node *given, const struct json_node *there)
{
    if (!there)
        return json_type(given) == JSON_NULL ? APPLY_SAME : APPLY_DIFFERENT;
    if (is_text(there, SET))
        return is_text(given, SET) ? APPLY_SAME : APPLY_SECRET;
    if (json_type(given) == JSON_OBJECT && json_type(there) == JSON_OBJECT)
        return compare_members(given, there);
    return same_text(given, there) ? APPLY_SAME : APPLY_DIFFERENT;
}
