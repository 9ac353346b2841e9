/* SPDX-License-Identifier: MIT */
#include "master/ctl/schedules.h"
#include "common/human.h"
#include "common/screen.h"
#include "master/ctl/confirm.h"
#include "master/ctl/pages.h"
#include "master/ctl/schedule_page.h"
#include "master/ctl/verbs.h"
#include <errno.h>
#include <string.h>

#define NAME_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
#define LIST_PAGE    500
#define OUT_MAX      (256u << 20)
#define LABEL_MAX    512

/* ---- what several pages say */

void schedules_put_when(const struct json_node *schedule, struct strbuf *out)
{
    const char *every = node_str(schedule, "when.every"), *cron = node_str(schedule, "when.cron");
    const char *zone = node_str(schedule, "when.zone");
    if (every)
        strbuf_printf(out, "every %s", every);
    else if (cron)
        strbuf_printf(out, "%s%s%s", cron, zone ? " " : "", zone ? zone : "");
}

void schedules_put_counts(const struct json_node *object, struct strbuf *out)
{
    char n[HUMAN_MAX];
    const char *gap = "";
    if (!object || json_type(object) != JSON_OBJECT)
        return;
    for (const struct json_node *i = json_first(object); i; i = json_next(i)) {
        if (node_count(i, "") == 0)
            continue;
        strbuf_printf(out, "%s%s %s", gap, human_count(node_count(i, ""), n), json_node_key(i));
        gap = ", ";
    }
}

bool schedules_name_ok(const char *name)
{
    return *name != '\0' && name[strspn(name, NAME_LETTERS)] == '\0' &&
           name[strspn(name, ".")] != '\0';
}

int schedules_check_name(const char *name)
{
    if (schedules_name_ok(name))
        return EXIT_ALL_OK;
    return ctl_fail(EXIT_USAGE, "'%s' cannot be a name: letters, digits, . _ and - can", name);
}

int schedules_remove(struct ctl *c, const char *kind, const char *thing, const char *with,
                     const char *done)
{
    char what[128];
    struct client_reply r;
    const char *name = c->words[0];
    int code = schedules_check_name(name);
    snprintf(what, sizeof(what), "%s '%.64s'%s", thing, name, with);
    code = code == EXIT_ALL_OK ? confirm_removal(c, what) : code;
    if (code != EXIT_ALL_OK)
        return code;
    client_reply_init(&r);
    client_path(c->client, API "/%s/%s", kind, name);
    client_delete(c->client, &r);
    code = client_verdict(c->client, &r);
    if (code == EXIT_ALL_OK && c->form == FORM_TABLE)
        printf("%s %s is removed%s\n", thing, name, done);
    client_reply_fini(&r);
    return code;
}

/* ---- list */

static void put_missed(const struct json_node *row, struct strbuf *out)
{
    char buf[HUMAN_MAX];
    uint64_t n = 0;
    const struct json_node *missed = node_at(row, "missed");
    if (!missed || json_type(missed) != JSON_OBJECT)
        return;
    for (const struct json_node *i = json_first(missed); i; i = json_next(i))
        n += node_count(i, "");
    strbuf_puts(out, human_count(n, buf));
}

static const struct list_column columns[] = {
    {{.title = "NAME", .least = 12}, "name", CELL_TEXT},
    {{.title = "WHEN"}, "when", CELL_OWN},
    {{.title = "CHECKS", .right = true}, "checks", CELL_COUNT},
    {{.title = "UP", .right = true}, "states.up", CELL_COUNT},
    {{.title = "DEGRADED", .right = true, .drop = 1}, "states.degraded", CELL_COUNT},
    {{.title = "DOWN", .right = true}, "states.down", CELL_COUNT},
    {{.title = "UNKNOWN", .right = true, .drop = 2}, "states.unknown", CELL_COUNT},
    {{.title = "FLAPPING", .right = true, .drop = 6}, "flapping", CELL_COUNT},
    {{.title = "RUNS", .right = true, .drop = 4}, "runs", CELL_COUNT},
    {{.title = "MISSED", .right = true, .drop = 3}, "missed", CELL_OWN},
    {{.title = "NEXT", .drop = 5}, "next_at", CELL_WHEN},
    {{.title = "OWNER", .least = 8, .drop = 7}, "owner", CELL_TEXT},
};

static enum table_tone tone(const struct json_node *row)
{
    if (node_true(row, "paused"))
        return TONE_DIM;
    if (node_count(row, "states.down") > 0)
        return TONE_BAD;
    return node_count(row, "states.up") == node_count(row, "checks") ? TONE_GOOD : TONE_WARN;
}

static void own(const struct json_node *row, const char *path, struct strbuf *out)
{
    if (strcmp(path, "when") == 0)
        schedules_put_when(row, out);
    else
        put_missed(row, out);
}

/* What was missed, by reason: a number alone is no answer. */
static void note(const struct json_node *row, struct strbuf *out)
{
    struct strbuf missed;
    strbuf_init(&missed, 1 << 16);
    schedules_put_counts(node_at(row, "missed"), &missed);
    if (node_true(row, "paused"))
        strbuf_puts(out, "paused");
    if (missed.len > 0)
        strbuf_printf(out, "%smissed: %s", out->len > 0 ? "; " : "", missed.data);
    strbuf_fini(&missed);
}

static const struct list_kind list = {.columns = columns,
                                      .n_columns = ARRAY_LEN(columns),
                                      .toned = 0,
                                      .tone = tone,
                                      .own = own,
                                      .note = note};

/* KEY=VALUE, as labels are written everywhere here; the address has KEY:VALUE. */
static int take_label(const char *given, char out[LABEL_MAX])
{
    const char *equals = given ? strchr(given, '=') : NULL;
    out[0] = '\0';
    if (!given)
        return EXIT_ALL_OK;
    if (!equals || equals == given || strlen(given) >= LABEL_MAX)
        return ctl_fail(EXIT_USAGE, "--label must be KEY=VALUE, got '%s'", given);
    snprintf(out, LABEL_MAX, "%.*s:%s", (int)(equals - given), given, equals + 1);
    return EXIT_ALL_OK;
}

int schedule_list_run(struct ctl *c)
{
    char label[LABEL_MAX];
    int code = take_label(c->o.label, label);
    if (code != EXIT_ALL_OK)
        return code;
    const struct pages p = {
        .path = "/schedules",
        .member = "schedules",
        .kind = &list,
        .query = {{"owner", c->o.schedule_owner}, {"label", label[0] ? label : NULL}},
        .page_max = LIST_PAGE,
        .none = c->o.schedule_owner || label[0]
                    ? "there is no such schedule"
                    : "there is no schedule yet; 'sonde schedule apply FILE' makes some"};
    return pages_run(c, &p);
}

/* ---- show */

static int print_page(const struct json_node *root)
{
    struct strbuf out;
    unsigned char last = 0;
    strbuf_init(&out, OUT_MAX);
    schedule_page_put(&out, root);
    bool good = screen_put(stdout, out.data, out.len, &last) && fflush(stdout) == 0;
    strbuf_fini(&out);
    return good ? EXIT_ALL_OK : ctl_unwritten(errno);
}

int schedule_show_run(struct ctl *c)
{
    struct answer a;
    int code = schedules_check_name(c->words[0]);
    if (code != EXIT_ALL_OK)
        return code;
    answer_init(&a);
    client_path(c->client, API "/schedules/%s", c->words[0]);
    client_query(c->client, "targets", c->o.targets ? "1" : NULL);
    code = ask_get(c, &a);
    if (code == EXIT_ALL_OK)
        code = c->form == FORM_TABLE ? print_page(answer_root(&a)) : ask_row(&a, &list, c->form);
    answer_fini(&a);
    return code;
}

/* ---- pause, resume, remove */

static const struct list_column change_columns[] = {{{.title = "NAME"}, "name", CELL_TEXT},
                                                    {{.title = "PAUSED"}, "paused", CELL_TEXT}};
static const struct list_kind change_list = {.columns = change_columns,
                                             .n_columns = ARRAY_LEN(change_columns)};

static int change(struct ctl *c, const char *call, const char *done)
{
    struct answer a;
    int code = schedules_check_name(c->words[0]);
    if (code != EXIT_ALL_OK)
        return code;
    answer_init(&a);
    client_path(c->client, API "/schedules/%s/%s", c->words[0], call);
    client_post(c->client, NULL, &a.reply);
    code = ask_parse(c, &a);
    if (code == EXIT_ALL_OK && c->form == FORM_TABLE)
        printf("schedule %s %s\n", c->words[0], done);
    else if (code == EXIT_ALL_OK)
        code = ask_row(&a, &change_list, c->form);
    answer_fini(&a);
    return code;
}

int schedule_pause_run(struct ctl *c)
{
    return change(c, "pause", "is paused; what runs ends, and its checks are unknown");
}

int schedule_resume_run(struct ctl *c)
{
    return change(c, "resume", "goes on");
}

int schedule_remove_run(struct ctl *c)
{
    return schedules_remove(c, "schedules", "schedule", " with its checks",
                            "; its history stays until it is old");
}
