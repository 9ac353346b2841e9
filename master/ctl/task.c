/* SPDX-License-Identifier: MIT */
#include "common/err.h"
#include "master/ctl/ask.h"
#include "master/ctl/listing.h"
#include "common/screen.h"
#include "common/text.h"
#include "master/ctl/verbs.h"
#include "proto/cause.h"
#include "proto/result_view.h"
#include <inttypes.h>
#include <string.h>

#define OUT_MAX (4u << 20)

static const struct list_column columns[] = {
    {{.title = "STEP"}, "step", CELL_TEXT},
    {{.title = "AT"}, "at", CELL_TEXT},
    {{.title = "CLOCK", .drop = 2}, "clock", CELL_TEXT},
    {{.title = "MS", .right = true, .drop = 3}, "ms", CELL_MS},
    {{.title = "AGENT", .least = 8}, "agent", CELL_TEXT},
    {{.title = "CAUSE", .drop = 1}, "cause", CELL_TEXT},
};

static const struct {
    const char *step;
    enum table_tone tone;
} tones[] = {{"nack", TONE_WARN},
             {"lost", TONE_WARN},
             {"died", TONE_BAD},
             {"stalled", TONE_BAD},
             {"stored", TONE_GOOD}};

static enum table_tone tone(const struct json_node *row)
{
    const char *step = node_str(row, "step");
    for (size_t i = 0; step && i < ARRAY_LEN(tones); i++)
        if (strcmp(step, tones[i].step) == 0)
            return tones[i].tone;
    return TONE_PLAIN;
}

static void note(const struct json_node *row, struct strbuf *out)
{
    enum cause c;
    const char *word = node_str(row, "cause");
    if (word && cause_parse(word, &c) == ERR_NONE)
        strbuf_puts(out, cause_text(c));
}

static const struct list_kind steps_list = {
    .columns = columns, .n_columns = ARRAY_LEN(columns), .toned = 0, .tone = tone, .note = note};

static int print_steps(const struct json_node *task, enum form form)
{
    struct listing l;
    listing_init(&l, &steps_list, form);
    for (const struct json_node *n = node_first(task, "timeline"); n; n = json_next(n))
        listing_add(&l, n);
    return ask_finish(&l);
}

static void put_line(struct strbuf *out, const char *label, const char *value)
{
    if (!value || !*value)
        return;
    strbuf_printf(out, "%-9s", label);
    text_clean(out, value);
    strbuf_putc(out, '\n');
}

static void print_head(const struct json_node *task)
{
    struct strbuf out;
    strbuf_init(&out, OUT_MAX);
    put_line(&out, "task", node_str(task, "task"));
    put_line(&out, "batch", node_str(task, "batch"));
    put_line(&out, "target", node_str(task, "target"));
    put_line(&out, "state", node_str(task, "state"));
    put_line(&out, "user id", node_str(task, "user_id"));
    put_line(&out, "trace", node_str(task, "trace"));
    if (node_true(task, "history_lost"))
        put_line(&out, "history",
                 "not whole: there were attempts that are not remembered any more");
    printf("%s\n", out.data);
    strbuf_fini(&out);
}

static void print_result(const struct json_node *task)
{
    struct strbuf out;
    struct table_style style = screen_style(stdout);
    const struct json_node *result = node_at(task, "result");
    if (!result || json_type(result) != JSON_OBJECT)
        return;
    strbuf_init(&out, OUT_MAX);
    result_view_put(result, &style, &out);
    printf("\n%s", out.data);
    strbuf_fini(&out);
}

static int print(struct ctl *c, const struct answer *a)
{
    const struct json_node *task = answer_root(a);
    if (c->form == FORM_JSON)
        return ask_print(a);
    if (c->form == FORM_TABLE)
        print_head(task);
    int code = print_steps(task, c->form);
    if (c->form == FORM_TABLE && code == EXIT_ALL_OK)
        print_result(task);
    return code;
}

int task_run(struct ctl *c)
{
    struct answer a;
    uint64_t id;
    const char *word = c->words[0];
    if (u64_parse(word, strlen(word), &id) != ERR_NONE)
        return ctl_fail(EXIT_USAGE,
                        "'%s' is no id of a task, which is a number; 'sonde results BATCH -o "
                        "ndjson' shows those of a batch",
                        word);
    answer_init(&a);
    client_path(c->client, API "/tasks/%" PRIu64, id);
    int code = ask_get(c, &a);
    if (code == EXIT_ALL_OK)
        code = print(c, &a);
    answer_fini(&a);
    return code;
}
