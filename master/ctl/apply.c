/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "common/screen.h"
#include "common/text.h"
#include "master/ctl/apply_file.h"
#include "master/ctl/apply_view.h"
#include "master/ctl/ask.h"
#include "master/ctl/confirm.h"
#include "master/ctl/pages.h"
#include "master/ctl/verbs.h"
#include <errno.h>
#include <stdlib.h>

/*
 * `schedule apply`: first the whole plan, from dry runs of the master, then all of it. So a file of
 * which one schedule is bad changes nothing, and what is there as the file says is not touched.
 * Channels have no dry run: a bad one is found when it is written, before any schedule is.
 */

#define BODY_MAX   (256u << 20)
#define PLAN_MAX   (256u << 20)
#define WRONG_TOLD 20  /* problems that are said one by one */
#define OWNER_PAGE 500 /* schedules in a page of the master */

enum what { SAME, NEW, CHANGED, SECRET };
static const char *const what_words[] = {
    [SAME] = "same", [NEW] = "new", [CHANGED] = "changed", [SECRET] = "same"};

struct apply {
    struct ctl *c;
    struct apply_file file;
    enum what *schedules, *alerts; /* as they stand in the file */
    const char **names;            /* of the file's schedules, sorted */
    struct strbuf plan, body;
    struct json_out w; /* into the plan */
    struct json_doc *doc;
    size_t wrong, done;
};

static size_t count(const struct json_node *container)
{
    return container ? json_count(container) : 0;
}

static const struct json_node *first(const struct json_node *container)
{
    return container ? json_first(container) : NULL;
}

/* ---- calls */

/* One big definition at a time is taken: waiting helps. */
static void put_patiently(struct apply *x, const char *kind, const char *name, bool dry_run,
                          struct client_reply *r)
{
    for (int tries = 1;; tries++) {
        client_path(x->c->client, API "/%s/%s", kind, name);
        client_query(x->c->client, "dry_run", dry_run ? "1" : NULL);
        client_put(x->c->client, x->body.data, x->body.len, r);
        if ((r->status != 429 && r->status != 503) || tries == ASK_BUSY_TRIES)
            return;
        ask_wait(r);
    }
}

/* ---- bodies */

static bool is_new_channel(const struct apply *x, const char *name)
{
    size_t i = 0;
    for (const struct json_node *n = first(x->file.alerts); n; n = json_next(n), i++)
        if (strcmp(json_node_key(n), name) == 0)
            return x->alerts[i] == NEW;
    return false;
}

static bool is_known_name(const struct apply *x, const struct json_node *n, bool dry_run)
{
    return !dry_run || json_type(n) != JSON_STRING || !is_new_channel(x, json_node_str(n));
}

/* Channels that the file makes are not there yet in a dry run. */
static void put_names(const struct apply *x, struct json_out *w, const struct json_node *list,
                      bool dry_run)
{
    json_arr_begin(w);
    for (const struct json_node *n = json_first(list); n; n = json_next(n))
        if (is_known_name(x, n, dry_run))
            json_print(w, n);
    json_arr_end(w);
}

static const struct json_node *channels_of(const struct json_node *definition)
{
    const struct json_node *list = node_at(definition, "alerts");
    return list && json_type(list) == JSON_ARRAY ? list : NULL;
}

static void make_body(struct apply *x, const struct json_node *definition, bool dry_run)
{
    struct json_out w;
    strbuf_reset(&x->body);
    json_out_init(&w, &x->body);
    json_obj_begin(&w);
    for (const struct json_node *m = json_first(definition); m; m = json_next(m)) {
        json_key_str(&w, json_node_key(m));
        if (m == channels_of(definition))
            put_names(x, &w, m, dry_run);
        else
            json_print(&w, m);
    }
    if (!node_str(definition, "owner"))
        json_str(&w, "owner", x->file.owner);
    json_obj_end(&w);
    REQUIRE(!x->body.overflow); /* the file has the same bound */
}

/* ---- the plan: schedules */

static bool has_new_channel(const struct apply *x, const struct json_node *definition)
{
    const struct json_node *list = channels_of(definition);
    for (const struct json_node *n = first(list); n; n = json_next(n))
        if (!is_known_name(x, n, true))
            return true;
    return false;
}

static void put_node(struct json_out *w, const struct json_node *n)
{
    if (n)
        json_print(w, n);
    else
        json_put_null(w);
}

/* The master's diff, but for `alerts` with the channels that it has not seen. */
static void put_definition(struct apply *x, const struct json_node *definition,
                           const struct json_node *diff)
{
    struct json_out *w = &x->w;
    bool pending = has_new_channel(x, definition), told = false;
    json_key(w, "definition");
    json_arr_begin(w);
    for (const struct json_node *c = node_first(diff, "definition"); c; c = json_next(c)) {
        const char *field = node_str(c, "field");
        bool alerts = pending && field && strcmp(field, "alerts") == 0;
        told |= alerts;
        if (!alerts) {
            json_print(w, c);
            continue;
        }
        json_obj_begin(w);
        json_str(w, "field", "alerts");
        json_key(w, "from");
        put_node(w, node_at(c, "from"));
        json_key(w, "to");
        json_print(w, channels_of(definition));
        json_obj_end(w);
    }
    if (pending && !told) {
        json_obj_begin(w);
        json_str(w, "field", "alerts");
        json_key(w, "from");
        put_names(x, w, channels_of(definition), true);
        json_key(w, "to");
        json_print(w, channels_of(definition));
        json_obj_end(w);
    }
    json_arr_end(w);
}

static void put_counts(struct json_out *w, const struct json_node *answer)
{
    static const char *const names[] = {"checks", "new", "changed", "removed"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        json_u64(w, names[i], node_count(answer, names[i]));
}

static enum what judge(const struct apply *x, const struct json_node *definition,
                       const struct json_node *answer)
{
    if (node_true(answer, "created"))
        return NEW;
    bool same =
        node_count(answer, "new") + node_count(answer, "changed") + node_count(answer, "removed") ==
            0 &&
        node_first(answer, "diff.definition") == NULL && !has_new_channel(x, definition);
    return same ? SAME : CHANGED;
}

static void put_schedule(struct apply *x, const struct json_node *definition, enum what what,
                         const struct json_node *answer)
{
    struct json_out *w = &x->w;
    const struct json_node *targets = node_at(answer, "diff.targets");
    json_obj_begin(w);
    json_str(w, "kind", "schedule");
    json_str(w, "name", node_str(definition, "name"));
    json_str(w, "what", what_words[what]);
    put_counts(w, answer);
    put_definition(x, definition, node_at(answer, "diff"));
    json_key(w, "targets");
    put_node(w, targets);
    json_obj_end(w);
}

/* A definition that the master refuses: where it is wrong, and on with the next one. */
static bool is_refused(const struct client_reply *r)
{
    return r->curl == 0 && !r->interrupted && r->is_json &&
           (r->status == 400 || r->status == 413 || r->status == 422);
}

static void say_refused(struct apply *x, const struct json_node *definition,
                        const struct client_reply *r)
{
    char where[APPLY_WHERE_MAX];
    struct json_doc *d = NULL;
    if (x->wrong++ >= WRONG_TOLD)
        return;
    if (json_parse(r->body.data, r->body.len, &d, NULL, 0) != ERR_NONE)
        d = NULL;
    const struct json_node *problem = d ? json_root(d) : NULL;
    const char *field = node_str(problem, "field"), *detail = node_str(problem, "detail");
    apply_file_where(&x->file, definition, field ? field : "", where);
    ctl_say("%s:%s: schedule '%s': %s", x->file.name, where, node_str(definition, "name"),
            detail ? detail : "it is not valid");
    json_free(&d);
}

/* Under a problem that is not of the definition alone, such as a token's scope. */
static void say_which(const struct apply *x, const struct json_node *definition)
{
    char where[APPLY_WHERE_MAX];
    ctl_say("  at schedule '%s', %s:%s; nothing was changed", node_str(definition, "name"),
            x->file.name, apply_file_where(&x->file, definition, "", where));
}

static int plan_schedule(struct apply *x, const struct json_node *definition, enum what *what)
{
    struct answer a;
    int code = EXIT_ALL_OK;
    answer_init(&a);
    make_body(x, definition, true);
    put_patiently(x, "schedules", node_str(definition, "name"), true, &a.reply);
    if (is_refused(&a.reply)) {
        say_refused(x, definition, &a.reply);
    } else {
        code = ask_parse(x->c, &a);
        if (code != EXIT_ALL_OK)
            say_which(x, definition);
        if (code == EXIT_ALL_OK) {
            *what = judge(x, definition, answer_root(&a));
            put_schedule(x, definition, *what, answer_root(&a));
        }
    }
    answer_fini(&a);
    return code;
}

static int plan_schedules(struct apply *x)
{
    size_t i = 0;
    int code = EXIT_ALL_OK;
    for (const struct json_node *n = first(x->file.schedules); n && code == EXIT_ALL_OK;
         n = json_next(n), i++)
        code = plan_schedule(x, n, &x->schedules[i]);
    if (code != EXIT_ALL_OK || x->wrong == 0)
        return code;
    if (x->wrong > WRONG_TOLD)
        ctl_say("… and %zu more", x->wrong - WRONG_TOLD);
    return ctl_fail(EXIT_USAGE, "%zu of %zu schedules are not valid; nothing was changed", x->wrong,
                    count(x->file.schedules));
}

/* ---- the plan: channels, and what the file has no more */

static int plan_alert(struct apply *x, const struct json_node *channel, enum what *what)
{
    static const enum what of[] = {
        [APPLY_SAME] = SAME, [APPLY_SECRET] = SECRET, [APPLY_DIFFERENT] = CHANGED};
    struct answer a;
    answer_init(&a);
    client_path(x->c->client, API "/alerts/%s", json_node_key(channel));
    client_get(x->c->client, &a.reply);
    bool none = a.reply.curl == 0 && a.reply.status == 404 && a.reply.is_json;
    int code = none ? EXIT_ALL_OK : ask_parse(x->c, &a);
    if (none)
        *what = NEW;
    else if (code == EXIT_ALL_OK)
        *what = of[apply_compare(channel, node_at(answer_root(&a), "definition"))];
    if (code == EXIT_ALL_OK) {
        json_obj_begin(&x->w);
        json_str(&x->w, "kind", "alert");
        json_str(&x->w, "name", json_node_key(channel));
        json_str(&x->w, "what", what_words[*what]);
        json_obj_end(&x->w);
    }
    answer_fini(&a);
    return code;
}

static int plan_alerts(struct apply *x)
{
    size_t i = 0;
    int code = EXIT_ALL_OK;
    for (const struct json_node *n = first(x->file.alerts); n && code == EXIT_ALL_OK;
         n = json_next(n), i++)
        code = plan_alert(x, n, &x->alerts[i]);
    return code;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort_names(struct apply *x)
{
    size_t i = 0;
    x->names = mem_array(count(x->file.schedules) + 1, sizeof(*x->names));
    for (const struct json_node *n = first(x->file.schedules); n; n = json_next(n))
        x->names[i++] = node_str(n, "name");
    qsort(x->names, i, sizeof(*x->names), by_text);
}

static int plan_leftover(void *arg, const struct json_node *schedule)
{
    struct apply *x = arg;
    const char *name = node_str(schedule, "name");
    if (!name || bsearch(&name, x->names, count(x->file.schedules), sizeof(name), by_text))
        return EXIT_ALL_OK;
    json_obj_begin(&x->w);
    json_str(&x->w, "kind", "schedule");
    json_str(&x->w, "name", name);
    json_str(&x->w, "what", x->c->o.prune ? "removed" : "left");
    json_u64(&x->w, "checks", node_count(schedule, "checks"));
    json_obj_end(&x->w);
    return EXIT_ALL_OK;
}

static int plan_leftovers(struct apply *x)
{
    const struct pages p = {.path = "/schedules",
                            .member = "schedules",
                            .query = {{"owner", x->file.owner}},
                            .page_max = OWNER_PAGE};
    if (!x->file.owner || !x->file.schedules)
        return EXIT_ALL_OK;
    sort_names(x);
    return pages_each(x->c, &p, UINT64_MAX, plan_leftover, x);
}

static int make_plan(struct apply *x)
{
    json_out_init(&x->w, &x->plan);
    json_obj_begin(&x->w);
    json_str(&x->w, "owner", x->file.owner);
    json_bool(&x->w, "dry_run", x->c->o.dry_run);
    json_key(&x->w, "items");
    json_arr_begin(&x->w);
    int code = plan_alerts(x);
    code = code == EXIT_ALL_OK ? plan_schedules(x) : code;
    code = code == EXIT_ALL_OK ? plan_leftovers(x) : code;
    json_arr_end(&x->w);
    json_obj_end(&x->w);
    if (code == EXIT_ALL_OK)
        REQUIRE(json_parse(x->plan.data, x->plan.len, &x->doc, NULL, 0) == ERR_NONE);
    return code;
}

/* ---- doing it */

static int finish(struct apply *x, struct client_reply *r)
{
    int code = client_verdict(x->c->client, r);
    x->done += code == EXIT_ALL_OK;
    return code;
}

static int do_alerts(struct apply *x, struct client_reply *r)
{
    char where[APPLY_WHERE_MAX];
    size_t i = 0;
    int code = EXIT_ALL_OK;
    for (const struct json_node *n = first(x->file.alerts); n && code == EXIT_ALL_OK;
         n = json_next(n), i++) {
        struct json_out w;
        if (x->alerts[i] == SAME)
            continue;
        strbuf_reset(&x->body);
        json_out_init(&w, &x->body);
        json_print(&w, n);
        put_patiently(x, "alerts", json_node_key(n), false, r);
        code = finish(x, r);
        if (code != EXIT_ALL_OK)
            ctl_say("  at alert channel '%s', %s:%s", json_node_key(n), x->file.name,
                    apply_file_where(&x->file, n, "", where));
    }
    return code;
}

static int do_schedules(struct apply *x, struct client_reply *r)
{
    size_t i = 0;
    int code = EXIT_ALL_OK;
    for (const struct json_node *n = first(x->file.schedules); n && code == EXIT_ALL_OK;
         n = json_next(n), i++) {
        if (x->schedules[i] == SAME)
            continue;
        make_body(x, n, false);
        put_patiently(x, "schedules", node_str(n, "name"), false, r);
        code = finish(x, r);
    }
    return code;
}

static int do_removals(struct apply *x, struct client_reply *r)
{
    int code = EXIT_ALL_OK;
    const struct json_node *i = node_first(json_root(x->doc), "items");
    for (; i && code == EXIT_ALL_OK; i = json_next(i)) {
        if (strcmp(node_str(i, "what"), "removed") != 0)
            continue;
        client_path(x->c->client, API "/schedules/%s", node_str(i, "name"));
        client_delete(x->c->client, r);
        code = r->status == 404 ? EXIT_ALL_OK : finish(x, r); /* another has done it */
    }
    return code;
}

static int do_all(struct apply *x)
{
    struct client_reply r;
    client_reply_init(&r);
    int code = do_alerts(x, &r);
    code = code == EXIT_ALL_OK ? do_schedules(x, &r) : code;
    code = code == EXIT_ALL_OK ? do_removals(x, &r) : code;
    if (code != EXIT_ALL_OK && x->done > 0)
        ctl_say("sonde: %zu changes were made before that; the same command again makes the rest",
                x->done);
    client_reply_fini(&r);
    return code;
}

/* ---- the verb */

static const struct list_column columns[] = {
    {{.title = "KIND"}, "kind", CELL_TEXT},
    {{.title = "NAME"}, "name", CELL_TEXT},
    {{.title = "WHAT"}, "what", CELL_TEXT},
    {{.title = "CHECKS", .right = true}, "checks", CELL_COUNT},
    {{.title = "NEW", .right = true}, "new", CELL_COUNT},
    {{.title = "CHANGED", .right = true}, "changed", CELL_COUNT},
    {{.title = "REMOVED", .right = true}, "removed", CELL_COUNT},
};
static const struct list_kind items_list = {.columns = columns, .n_columns = ARRAY_LEN(columns)};

static int print_rows(const struct apply *x)
{
    struct listing l;
    listing_init(&l, &items_list, x->c->form);
    for (const struct json_node *i = node_first(json_root(x->doc), "items"); i; i = json_next(i))
        listing_add(&l, i);
    return ask_finish(&l);
}

/* A table is shown before anything is done, the rest when all is done. */
static int print_diff(const struct apply *x)
{
    struct table_style style = screen_style(stdout);
    struct strbuf out;
    if (x->c->form != FORM_TABLE)
        return EXIT_ALL_OK;
    strbuf_init(&out, PLAN_MAX);
    apply_view_put(&out, json_root(x->doc), &style);
    fputs(out.data, stdout);
    strbuf_fini(&out);
    return fflush(stdout) == 0 ? EXIT_ALL_OK : ctl_unwritten(errno);
}

static int print_end(const struct apply *x)
{
    struct strbuf out;
    const struct json_node *plan = json_root(x->doc);
    if (x->c->form == FORM_JSON)
        return printf("%s\n", x->plan.data) < 0 ? ctl_unwritten(errno) : EXIT_ALL_OK;
    if (x->c->form != FORM_TABLE)
        return print_rows(x);
    strbuf_init(&out, PLAN_MAX);
    apply_view_counts(&out, plan);
    if (apply_view_changes(plan) == 0)
        printf("nothing to do%s%s\n", out.len > 0 ? ": " : "", out.data);
    else
        printf("%s: %s\n", x->c->o.dry_run ? "would be" : "applied", out.data);
    strbuf_fini(&out);
    return EXIT_ALL_OK;
}

static int confirm(const struct apply *x)
{
    char what[400];
    size_t n = apply_view_count(json_root(x->doc), "removed");
    if (n == 0)
        return EXIT_ALL_OK;
    snprintf(what, sizeof(what), "%zu %s of owner '%.256s' with %s checks", n,
             n == 1 ? "schedule" : "schedules", x->file.owner, n == 1 ? "its" : "their");
    return confirm_removal(x->c, what);
}

static int run(struct apply *x)
{
    int code = make_plan(x);
    code = code == EXIT_ALL_OK ? print_diff(x) : code;
    if (code == EXIT_ALL_OK && !x->c->o.dry_run) {
        code = confirm(x);
        code = code == EXIT_ALL_OK ? do_all(x) : code;
    }
    code = code == EXIT_ALL_OK ? print_end(x) : code;
    bool would =
        x->c->o.dry_run && code == EXIT_ALL_OK && apply_view_changes(json_root(x->doc)) > 0;
    return would ? EXIT_SOME_FAILED : code;
}

int apply_run(struct ctl *c)
{
    struct apply x = {.c = c};
    int code = apply_file_read(&x.file, c->words[0]);
    strbuf_init(&x.plan, PLAN_MAX);
    strbuf_init(&x.body, BODY_MAX);
    if (code == EXIT_ALL_OK && c->o.prune && !x.file.owner)
        code =
            ctl_fail(EXIT_USAGE, "--prune removes what an owner has no more: '%s' names no 'owner'",
                     c->words[0]);
    if (code == EXIT_ALL_OK) {
        x.schedules = mem_array(count(x.file.schedules) + 1, sizeof(*x.schedules));
        x.alerts = mem_array(count(x.file.alerts) + 1, sizeof(*x.alerts));
        code = run(&x);
    }
    free(x.schedules);
    free(x.alerts);
    free(x.names);
    json_free(&x.doc);
    strbuf_fini(&x.plan);
    strbuf_fini(&x.body);
    apply_file_fini(&x.file);
    return code;
}
