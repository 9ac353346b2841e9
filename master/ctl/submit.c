/* SPDX-License-Identifier: MIT */
#include "master/ctl/submit.h"
#include "common/clock.h"
#include "master/ctl/batch_view.h"
#include "common/human.h"
#include "master/ctl/result_list.h"
#include "master/ctl/results.h"
#include "common/screen.h"
#include "master/ctl/source.h"
#include "master/ctl/verbs.h"
#include "master/ctl/watch.h"
#include <inttypes.h>
#include <strings.h>

#define SUMMARY_MAX    (1u << 20)
#define DURATION_FORMS "a number of seconds, or like 90s, 15m, 2h, 7d"

/* ---- the request */

static void put_list(struct client *cl, const char *name, const struct option_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        client_query(cl, name, l->items[i]);
}

static void put_options(struct ctl *c, const char *deadline_s)
{
    char timeout[24];
    const struct ctl_options *o = &c->o;
    snprintf(timeout, sizeof(timeout), "%" PRId64, o->timeout_ms);
    client_query(c->client, "name", o->name);
    client_query(c->client, "deadline_s", deadline_s);
    client_query(c->client, "per_host", o->per_host);
    client_query(c->client, "per_host_rate", o->per_host_rate);
    client_query(c->client, "count", o->count);
    client_query(c->client, "priority", o->priority);
    client_query(c->client, "log_tasks", o->log_tasks ? "1" : NULL);
    client_query(c->client, "timeout_ms", o->timeout_ms ? timeout : NULL);
    put_list(c->client, "agent", &o->agents);
    put_list(c->client, "tag", &o->tags);
    put_list(c->client, "label", &o->labels);
}

/* A whole batch in JSON says all of it itself. */
static int check_json(const struct ctl *c, const char *deadline_s)
{
    const struct ctl_options *o = &c->o;
    const struct {
        const char *flag, *member;
        bool given;
    } all[] = {{"--name", "name", o->name != NULL},
               {"--deadline", "deadline_s", deadline_s != NULL},
               {"--per-host", "per_host", o->per_host != NULL},
               {"--per-host-rate", "per_host_rate", o->per_host_rate != NULL},
               {"--priority", "priority", o->priority != NULL},
               {"--log-tasks", "log_tasks", o->log_tasks},
               {"--timeout-ms", "defaults", o->timeout_ms != 0},
               {"--agent", "agents", o->agents.count > 0},
               {"--tag", "agents", o->tags.count > 0},
               {"--count", "agents", o->count != NULL},
               {"--label", "labels", o->labels.count > 0}};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i].given)
            return ctl_fail(
                EXIT_USAGE,
                "%s is for lists of targets; '%s' is a whole batch in JSON: write \"%s\" "
                "beside its \"targets\"",
                all[i].flag, c->words[0], all[i].member);
    return EXIT_ALL_OK;
}

static void name_upload(struct ctl *c, bool json, const char *deadline_s)
{
    client_path(c->client, API "/batches");
    if (!json)
        put_options(c, deadline_s);
    client_query(c->client, "strict", c->o.strict ? "1" : NULL);
}

static int no_rewind(const struct client_reply *r)
{
    return ctl_fail(EXIT_UNREACHABLE,
                    "the master is busy (status %ld), and a pipe cannot be read again; put the "
                    "targets into a file, or try later",
                    r->status);
}

/* Checked here too: what is no header's value must not become one. */
int submit_check_key(const char *key)
{
    size_t n = key ? strlen(key) : 1;
    bool clean = n > 0 && n <= CTL_KEY_MAX;
    for (const char *p = key; p && *p != '\0'; p++)
        clean &= *p > ' ' && *p <= '~';
    return clean ? EXIT_ALL_OK
                 : ctl_fail(EXIT_USAGE,
                            "--idempotency-key must be 1 to %d printable ASCII characters without "
                            "spaces, got '%.60s'",
                            CTL_KEY_MAX, key);
}

/* With a key the status 409 says that the same upload is under way: soon it has an answer. */
static bool is_busy(const struct ctl *c, const struct client_reply *r)
{
    return r->status == 429 || r->status == 503 || (r->status == 409 && c->o.idempotency_key);
}

/* Refused at its start for now: nothing was accepted, so it can be sent again. */
static int upload(struct ctl *c, struct source *s, const char *deadline_s, struct answer *a)
{
    const char *type = source_type(s);
    bool json = strcmp(type, "application/json") == 0;
    for (int tries = 1;; tries++) {
        name_upload(c, json, deadline_s);
        client_idempotency_key(c->client, c->o.idempotency_key);
        client_upload(c->client, type, source_read, s, &a->reply);
        if (!is_busy(c, &a->reply) || tries == ASK_BUSY_TRIES)
            break;
        if (!source_rewind(s))
            return no_rewind(&a->reply);
        ask_wait(&a->reply);
    }
    if (a->reply.curl != 0 && s->os_errno != 0 && s->file && ferror(s->file))
        return ctl_fail(EXIT_USAGE, "'%s' cannot be read to its end: %s; nothing was submitted",
                        s->name, strerror(s->os_errno));
    return ask_parse(c, a);
}

/* ---- the answer */

static void say_accepted(const struct json_node *root, const char *id)
{
    char n[HUMAN_MAX];
    struct strbuf b;
    uint64_t accepted = node_count(root, "accepted"), rejected = node_count(root, "rejected"),
             twice = node_count(root, "duplicates"), tasks = node_count(root, "tasks"), shown = 0;
    strbuf_init(&b, SUMMARY_MAX);
    strbuf_printf(&b, "batch %s: %s %s accepted", id, human_count(accepted, n),
                  accepted == 1 ? "target" : "targets");
    if (tasks != accepted)
        strbuf_printf(&b, ", %s tasks", human_count(tasks, n));
    if (twice > 0)
        strbuf_printf(&b, ", %s of them duplicates", human_count(twice, n));
    if (rejected > 0)
        strbuf_printf(&b, ", %s %s rejected", human_count(rejected, n),
                      rejected == 1 ? "line" : "lines");
    ctl_say("%s", b.data);
    strbuf_fini(&b);
    for (const struct json_node *e = node_first(root, "errors"); e; e = json_next(e), shown++) {
        const char *detail = node_str(e, "detail");
        ctl_say("  line %.0f: %s", node_num(e, "line", 0), detail ? detail : "is not valid");
    }
    if (shown > 0 && rejected > shown)
        ctl_say("  and %s more", human_count(rejected - shown, n));
}

static int print_answer(struct ctl *c, struct answer *a, const char *id)
{
    static const struct list_column columns[] = {
        {{.title = "ID"}, "id", CELL_TEXT},
        {{.title = "ACCEPTED"}, "accepted", CELL_COUNT},
        {{.title = "REJECTED"}, "rejected", CELL_COUNT},
        {{.title = "DUPLICATES"}, "duplicates", CELL_COUNT}};
    static const struct list_kind kind = {.columns = columns, .n_columns = ARRAY_LEN(columns)};
    struct listing l;
    if (c->form == FORM_TABLE) {
        printf("%s\n", id);
        return EXIT_ALL_OK;
    }
    if (c->form == FORM_JSON)
        return ask_print(a);
    listing_init(&l, &kind, c->form);
    listing_add(&l, answer_root(a));
    return ask_finish(&l);
}

/* ---- the end of a batch that was watched */

/* Every cause gets its share of the rows, the rarest first: what it leaves is for the frequent
 * ones. */
static int add_failures(struct ctl *c, const char *id, const struct json_node *batch,
                        struct listing *l)
{
    const struct json_node *causes[BATCH_VIEW_CAUSES];
    size_t n = batch_view_rare_first(batch, causes);
    int code = EXIT_ALL_OK;
    for (size_t i = 0; i < n && code == EXIT_ALL_OK; i++) {
        struct results_query q = {.cause = json_node_key(causes[i])};
        uint64_t left = (uint64_t)c->o.rows - l->n_rows, share = left / (n - i);
        code = results_add(c, id, &q, left > 0 && share == 0 ? 1 : share, l);
    }
    return code;
}

static int print_results(struct ctl *c, const char *id, const struct json_node *batch,
                         const struct progress *p)
{
    char n[HUMAN_MAX];
    struct listing l;
    struct results_query ok = {.outcome = outcome_word(OUTCOME_OK)};
    listing_init(&l, &result_list, FORM_TABLE);
    int code = add_failures(c, id, batch, &l);
    if (code == EXIT_ALL_OK && p->ended[OUTCOME_OK] > 0)
        code = results_add(c, id, &ok, (uint64_t)c->o.rows - l.n_rows, &l);
    uint64_t rows = l.n_rows;
    int printed = ask_finish(&l);
    if (code == EXIT_ALL_OK && rows > 0 && p->total > rows)
        printf("… and %s more: sonde results %s\n", human_count(p->total - rows, n), id);
    return code != EXIT_ALL_OK ? code : printed;
}

static void print_summary(const struct json_node *batch, const struct progress *p, const char *id)
{
    struct table_style style = screen_style(stdout);
    struct strbuf b;
    char took[HUMAN_MAX];
    struct wall from, to;
    const char *opened = node_str(batch, "opened_at"), *ended = node_str(batch, "ended_at");
    strbuf_init(&b, SUMMARY_MAX);
    strbuf_printf(&b, "\nbatch %s", id);
    if (opened && ended && wall_parse(opened, &from) == ERR_NONE &&
        wall_parse(ended, &to) == ERR_NONE)
        strbuf_printf(&b, " ended after %s", human_took((to.us - from.us) / 1000, took));
    strbuf_putc(&b, '\n');
    batch_view_counts(p, &b);
    strbuf_putc(&b, '\n');
    batch_view_causes(batch, &style, &b);
    fputs(b.data, stdout);
    strbuf_fini(&b);
}

static int print_end(struct ctl *c, const char *id, struct answer *a)
{
    struct progress p = progress_of(answer_root(a));
    int code = EXIT_ALL_OK;
    if (c->form == FORM_JSON) {
        code = ask_print(a);
    } else if (c->form != FORM_TABLE) {
        code = results_export(c, id, &(struct results_query){.outcome = NULL});
    } else {
        code = c->o.rows > 0 ? print_results(c, id, answer_root(a), &p) : EXIT_ALL_OK;
        if (code == EXIT_ALL_OK)
            print_summary(answer_root(a), &p, id);
    }
    return code != EXIT_ALL_OK ? code : batch_view_exit_code(&p);
}

int submit_accepted(struct ctl *c, int64_t wait_s, struct answer *a)
{
    char id[UUID_TEXT_MAX];
    const char *got = node_str(answer_root(a), "id");
    uint64_t rejected = node_count(answer_root(a), "rejected");
    if (!got || !uuid_valid(got))
        return ctl_fail(EXIT_UNREACHABLE, "%s did not answer as a Sonde master does",
                        client_url(c->client));
    snprintf(id, sizeof(id), "%s", got);
    say_accepted(answer_root(a), id);
    int code = EXIT_ALL_OK;
    if (!c->o.watch && !c->o.wait) {
        code = print_answer(c, a, id);
    } else {
        code = watch_batch(c, id, wait_s, a);
        code = code != EXIT_ALL_OK ? code : print_end(c, id, a);
    }
    return code == EXIT_ALL_OK && rejected > 0 ? EXIT_SOME_FAILED : code;
}

/* ---- the verb */

int submit_wait(const struct ctl *c, int64_t *wait_s)
{
    *wait_s = 0;
    if (c->o.wait && human_parse_duration(c->o.wait, wait_s) != ERR_NONE)
        return ctl_fail(EXIT_USAGE, "--wait must be " DURATION_FORMS ", got '%s'", c->o.wait);
    return EXIT_ALL_OK;
}

/* out "" when no deadline was given. */
static int take_deadline(const struct ctl *c, char out[24])
{
    int64_t s;
    const struct ctl_options *o = &c->o;
    out[0] = '\0';
    if (o->deadline && o->deadline_s)
        return ctl_fail(EXIT_USAGE, "--deadline and --deadline-s say the same; give one of them");
    const char *given = o->deadline ? o->deadline : o->deadline_s;
    if (!given)
        return EXIT_ALL_OK;
    if (human_parse_duration(given, &s) != ERR_NONE)
        return ctl_fail(EXIT_USAGE, "--deadline must be " DURATION_FORMS ", got '%s'", given);
    snprintf(out, 24, "%" PRId64, s);
    return EXIT_ALL_OK;
}

int submit_run(struct ctl *c)
{
    struct source s;
    struct answer a;
    char deadline[24];
    int64_t wait_s;
    int code = submit_wait(c, &wait_s);
    if (code == EXIT_ALL_OK)
        code = take_deadline(c, deadline);
    if (code == EXIT_ALL_OK)
        code = submit_check_key(c->o.idempotency_key);
    if (code != EXIT_ALL_OK)
        return code;
    if (source_open(&s, c->words[0]) != ERR_NONE)
        return ctl_fail(EXIT_USAGE, "'%s' cannot be read: %s", c->words[0], strerror(s.os_errno));
    const char *deadline_s = deadline[0] ? deadline : NULL;
    answer_init(&a);
    if (strcmp(source_type(&s), "application/json") == 0)
        code = check_json(c, deadline_s);
    if (code == EXIT_ALL_OK)
        code = upload(c, &s, deadline_s, &a);
    if (code == EXIT_ALL_OK)
        code = submit_accepted(c, wait_s, &a);
    answer_fini(&a);
    source_close(&s);
    return code;
}
