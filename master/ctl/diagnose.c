/* SPDX-License-Identifier: MIT */
#include "master/ctl/diagnose.h"
#include "common/screen.h"
#include "common/text.h"
#include "master/ctl/ask.h"
#include "master/ctl/listing.h"
#include "master/ctl/verbs.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define OUT_MAX    (1u << 20)
#define STATE_COLS 9 /* "unknown" and a gap */
#define UNDER      4 /* where what belongs to a finding begins */
#define LABEL_COLS 7 /* "means" and a gap */

/* ---- for people */

static enum table_tone tone_of(const char *state)
{
    if (state && strcmp(state, "bad") == 0)
        return TONE_BAD;
    if (state && strcmp(state, "warn") == 0)
        return TONE_WARN;
    return state && strcmp(state, "ok") == 0 ? TONE_GOOD : TONE_DIM;
}

static void put_toned(struct strbuf *out, const char *text, enum table_tone tone,
                      const struct table_style *style)
{
    const char *begin = style->colour ? table_tone_begin(tone) : "";
    strbuf_puts(out, begin);
    text_clean(out, text);
    strbuf_puts(out, *begin ? TONE_END : "");
}

/* The rest of a line that has come to column `at`. */
static void put_text(struct strbuf *out, const char *s, const struct table_style *style, size_t at)
{
    struct strbuf clean;
    strbuf_init(&clean, 4 * TEXT_CELL_MAX);
    text_clean(&clean, s ? s : "");
    text_wrap(out, clean.data, style->width, at, at);
    strbuf_putc(out, '\n');
    strbuf_fini(&clean);
}

static void put_label(struct strbuf *out, const char *label, const char *text,
                      const struct table_style *style)
{
    if (!text || !*text)
        return;
    text_pad(out, UNDER);
    put_toned(out, label, TONE_DIM, style);
    text_pad(out, LABEL_COLS - strlen(label));
    put_text(out, text, style, UNDER + LABEL_COLS);
}

static void put_items(struct strbuf *out, const struct json_node *finding,
                      const struct table_style *style)
{
    uint64_t more = node_count(finding, "more_items");
    for (const struct json_node *n = node_first(finding, "items"); n; n = json_next(n)) {
        struct strbuf line;
        const char *name = node_str(n, "name"), *evidence = node_str(n, "evidence");
        strbuf_init(&line, OUT_MAX);
        strbuf_printf(&line, "%s: %s", name ? name : "?", evidence ? evidence : "");
        text_pad(out, UNDER);
        put_text(out, line.data, style, UNDER);
        strbuf_fini(&line);
    }
    if (more > 0) {
        text_pad(out, UNDER);
        strbuf_printf(out, "and %" PRIu64 " more\n", more);
    }
}

static bool is_well(const struct json_node *finding)
{
    const char *state = node_str(finding, "state");
    return state && (strcmp(state, "ok") == 0 || strcmp(state, "unknown") == 0);
}

static void put_finding(struct strbuf *out, const struct json_node *n, size_t word_cols,
                        const struct table_style *style)
{
    const char *state = node_str(n, "state"), *word = node_str(n, "check");
    state = state ? state : "?";
    word = word ? word : "?";
    put_toned(out, state, tone_of(state), style);
    text_pad(out, strlen(state) < STATE_COLS ? STATE_COLS - strlen(state) : 1);
    text_clean(out, word);
    text_pad(out, strlen(word) < word_cols ? word_cols - strlen(word) : 1);
    put_text(out, node_str(n, "evidence"), style, STATE_COLS + word_cols);
    if (is_well(n))
        return;
    put_items(out, n, style);
    put_label(out, "means", node_str(n, "meaning"), style);
    put_label(out, "do", node_str(n, "fix"), style);
}

static void put_sum(struct strbuf *out, const struct json_node *root)
{
    static const struct {
        const char *path, *word;
    } parts[] = {{"counts.ok", "ok"},
                 {"counts.warn", "warn"},
                 {"counts.bad", "bad"},
                 {"counts.unknown", "unknown"}};
    uint64_t all = node_count(root, "counts.checks"), ok = node_count(root, "counts.ok");
    uint64_t unknown = node_count(root, "counts.unknown");
    if (ok + unknown == all) {
        strbuf_printf(out, "all %" PRIu64 " checks ok", ok);
        if (unknown > 0)
            strbuf_printf(out, ", %" PRIu64 " could not tell (--all shows why)", unknown);
        strbuf_putc(out, '\n');
        return;
    }
    strbuf_printf(out, "%" PRIu64 " checks:", all);
    const char *gap = " ";
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        uint64_t n = node_count(root, parts[i].path);
        if (n > 0) {
            strbuf_printf(out, "%s%" PRIu64 " %s", gap, n, parts[i].word);
            gap = ", ";
        }
    }
    strbuf_putc(out, '\n');
}

void diagnose_put(struct strbuf *out, const struct json_node *root, bool all,
                  const struct table_style *style)
{
    size_t word_cols = 0;
    for (const struct json_node *n = node_first(root, "findings"); n; n = json_next(n)) {
        const char *word = node_str(n, "check");
        if (word && (all || !is_well(n)) && strlen(word) + 2 > word_cols)
            word_cols = strlen(word) + 2;
    }
    for (const struct json_node *n = node_first(root, "findings"); n; n = json_next(n)) {
        if (!all && is_well(n))
            continue;
        put_finding(out, n, word_cols, style);
        if (!is_well(n))
            strbuf_putc(out, '\n');
    }
    put_sum(out, root);
}

int diagnose_code(const struct json_node *root)
{
    static const struct {
        const char *state;
        int code;
    } codes[] = {{"ok", 0}, {"warn", 1}, {"bad", 2}};
    const char *state = node_str(root, "state");
    for (size_t i = 0; state && i < ARRAY_LEN(codes); i++)
        if (strcmp(state, codes[i].state) == 0)
            return codes[i].code;
    return EXIT_UNREACHABLE;
}

/* ---- for programs */

static const struct list_column columns[] = {
    {{.title = "STATE"}, "state", CELL_TEXT},     {{.title = "CHECK"}, "check", CELL_TEXT},
    {{.title = "ABOUT"}, "about", CELL_TEXT},     {{.title = "EVIDENCE"}, "evidence", CELL_TEXT},
    {{.title = "MEANING"}, "meaning", CELL_TEXT}, {{.title = "FIX"}, "fix", CELL_TEXT},
};
static const struct list_kind findings_list = {.columns = columns, .n_columns = ARRAY_LEN(columns)};

static int print_rows(const struct ctl *c, const struct json_node *root)
{
    struct listing l;
    listing_init(&l, &findings_list, c->form);
    for (const struct json_node *n = node_first(root, "findings"); n; n = json_next(n))
        listing_add(&l, n);
    return ask_finish(&l);
}

static int print_people(const struct ctl *c, const struct json_node *root)
{
    struct table_style style = screen_style(stdout);
    struct strbuf out;
    strbuf_init(&out, OUT_MAX);
    diagnose_put(&out, root, c->o.all, &style);
    fputs(out.data, stdout);
    strbuf_fini(&out);
    return fflush(stdout) == 0 ? EXIT_ALL_OK : ctl_unwritten(errno);
}

/* ---- the verb */

int diagnose_run(struct ctl *c)
{
    struct answer a;
    enum form form = c->o.json ? FORM_JSON : c->form;
    answer_init(&a);
    client_path(c->client, API "/diagnosis");
    int code = ask_get(c, &a);
    if (code == EXIT_ALL_OK && form == FORM_JSON)
        code = ask_print(&a);
    else if (code == EXIT_ALL_OK && form == FORM_TABLE)
        code = print_people(c, answer_root(&a));
    else if (code == EXIT_ALL_OK)
        code = print_rows(c, answer_root(&a));
    c->graded = code == EXIT_ALL_OK;
    if (c->graded)
        code = diagnose_code(answer_root(&a));
    if (c->graded && code == EXIT_UNREACHABLE)
        ctl_say("sonde: the master's answer has no state that this version knows");
    answer_fini(&a);
    return code;
}
