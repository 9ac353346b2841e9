/* SPDX-License-Identifier: MIT */
#include "master/ctl/agents.h"
#include "master/ctl/ask.h"
#include "master/ctl/batch_view.h"
#include "master/ctl/batches.h"
#include "common/human.h"
#include "common/screen.h"
#include "common/text.h"
#include "master/ctl/verbs.h"

#define OUT_MAX    (1u << 20)
#define OPEN_SHOWN "100" /* the newest batches that are looked at for open ones */

/* ---- of a batch */

static void put_line(struct strbuf *out, const char *label, const char *value)
{
    if (!value || !*value)
        return;
    strbuf_printf(out, "%-11s", label);
    text_clean(out, value);
    strbuf_putc(out, '\n');
}

static void put_flow(struct strbuf *out, const struct progress *p)
{
    char rate[HUMAN_MAX], eta[HUMAN_MAX], line[2 * HUMAN_MAX + 32];
    if (p->over)
        return;
    snprintf(line, sizeof(line), "%u%%, %s%s%s", progress_percent(p), human_rate(p->rate, rate),
             p->eta_s >= 0 ? ", ends in about " : "",
             p->eta_s >= 0 ? human_duration(p->eta_s, eta) : "");
    put_line(out, "progress", line);
    put_line(out, "waits for", p->waits_for);
}

static void put_retries(struct strbuf *out, const struct json_node *batch)
{
    for (const struct json_node *n = node_first(batch, "retried_by"); n; n = json_next(n))
        put_line(out, "retried by", node_str(n, ""));
}

static void print_batch(const struct json_node *batch)
{
    struct table_style style = screen_style(stdout);
    struct progress p = progress_of(batch);
    struct strbuf out, counts;
    strbuf_init(&out, OUT_MAX);
    strbuf_init(&counts, OUT_MAX);
    batch_view_counts(&p, &counts);
    put_line(&out, "batch", node_str(batch, "id"));
    put_line(&out, "name", node_str(batch, "name"));
    put_line(&out, "state", node_str(batch, "state"));
    put_line(&out, "counts", counts.data);
    put_line(&out, "retry of", node_str(batch, "retry_of"));
    put_retries(&out, batch);
    put_flow(&out, &p);
    put_line(&out, "created", node_str(batch, "created_at"));
    put_line(&out, "ended", node_str(batch, "ended_at"));
    put_line(&out, "purged", node_str(batch, "purged_at"));
    put_line(&out, "deadline", p.over ? NULL : node_str(batch, "deadline_at"));
    if (node_at(batch, "causes") && json_count(node_at(batch, "causes")) > 0)
        strbuf_putc(&out, '\n');
    batch_view_causes(batch, &style, &out);
    fputs(out.data, stdout);
    strbuf_fini(&out);
    strbuf_fini(&counts);
}

/* Counting by host takes a look at every result: only when there is something to see. */
static int print_hosts(struct ctl *c, const char *id)
{
    struct answer a;
    struct strbuf out;
    struct table_style style = screen_style(stdout);
    answer_init(&a);
    client_path(c->client, API "/batches/%s", id);
    client_query(c->client, "by", "host");
    int code = ask_get(c, &a);
    if (code == EXIT_ALL_OK) {
        strbuf_init(&out, OUT_MAX);
        batch_view_hosts(answer_root(&a), &style, &out);
        printf("%s%s", out.len > 0 ? "\n" : "", out.data);
        strbuf_fini(&out);
    }
    answer_fini(&a);
    return code;
}

static int status_batch(struct ctl *c, const char *ref)
{
    struct answer a;
    char id[UUID_TEXT_MAX];
    int code = ask_batch_id(c, ref, id);
    if (code != EXIT_ALL_OK)
        return code;
    answer_init(&a);
    client_path(c->client, API "/batches/%s", id);
    code = ask_get(c, &a);
    if (code == EXIT_ALL_OK && c->form != FORM_TABLE) {
        code = ask_row(&a, &batches_list, c->form);
    } else if (code == EXIT_ALL_OK) {
        print_batch(answer_root(&a));
        if (node_count(answer_root(&a), "counts.failed") > 0 &&
            !node_str(answer_root(&a), "purged_at")) {
            fflush(stdout); /* of a large batch that takes seconds */
            code = print_hosts(c, id);
        }
    }
    answer_fini(&a);
    return code;
}

/* ---- of the master */

struct overview {
    struct answer ready, agents, batches;
    bool is_ready;
    unsigned alive, known, open;
};

static bool is_open(const struct json_node *batch)
{
    const char *state = node_str(batch, "state");
    return !state || strcmp(state, "ended") != 0;
}

static void count_all(struct overview *v)
{
    for (const struct json_node *n = node_first(answer_root(&v->agents), "agents"); n;
         n = json_next(n), v->known++)
        v->alive += agents_is_alive(n);
    for (const struct json_node *n = node_first(answer_root(&v->batches), "batches"); n;
         n = json_next(n))
        v->open += is_open(n);
}

/* "Not ready" is an answer too, and shown with its reason. */
static int ask_all(struct ctl *c, struct overview *v)
{
    client_path(c->client, "/readyz");
    client_get(c->client, &v->ready.reply);
    v->is_ready = v->ready.reply.status == 200;
    if (v->ready.reply.status != 503) {
        int code = client_verdict(c->client, &v->ready.reply);
        if (code != EXIT_ALL_OK)
            return code;
    } else if (json_parse(v->ready.reply.body.data, v->ready.reply.body.len, &v->ready.doc, NULL,
                          0) != ERR_NONE) {
        return client_verdict(c->client, &v->ready.reply);
    }
    client_path(c->client, API "/agents");
    int code = ask_get(c, &v->agents);
    if (code != EXIT_ALL_OK)
        return code;
    client_path(c->client, API "/batches");
    client_query(c->client, "limit", OPEN_SHOWN);
    code = ask_get(c, &v->batches);
    if (code == EXIT_ALL_OK)
        count_all(v);
    return code;
}

static const char *not_ready_because(const struct overview *v)
{
    const char *detail = v->ready.doc ? node_str(answer_root(&v->ready), "detail") : NULL;
    return detail ? detail : "it does not say why";
}

static int print_tables(struct ctl *c, const struct overview *v)
{
    struct listing l;
    struct strbuf why;
    strbuf_init(&why, OUT_MAX);
    text_clean(&why, v->is_ready ? "ready" : not_ready_because(v));
    printf("master %s: %s%s; %u of %u agents alive, %u %s open\n", client_url(c->client),
           v->is_ready ? "" : "not ready: ", why.data, v->alive, v->known, v->open,
           v->open == 1 ? "batch" : "batches");
    strbuf_fini(&why);
    if (v->known > 0)
        putchar('\n');
    listing_init(&l, &agents_list, FORM_TABLE);
    for (const struct json_node *n = node_first(answer_root(&v->agents), "agents"); n;
         n = json_next(n))
        listing_add(&l, n);
    int code = ask_finish(&l);
    if (v->open > 0)
        putchar('\n');
    listing_init(&l, &batches_list, FORM_TABLE);
    for (const struct json_node *n = node_first(answer_root(&v->batches), "batches"); n;
         n = json_next(n))
        if (is_open(n))
            listing_add(&l, n);
    int second = ask_finish(&l);
    return code != EXIT_ALL_OK ? code : second;
}

static void put_object(struct ctl *c, const struct overview *v, struct strbuf *out)
{
    struct json_out w;
    json_out_init(&w, out);
    json_obj_begin(&w);
    json_str(&w, "url", client_url(c->client));
    json_bool(&w, "ready", v->is_ready);
    json_str(&w, "detail", v->is_ready ? NULL : not_ready_because(v));
    json_int(&w, "agents_alive", v->alive);
    json_int(&w, "agents_known", v->known);
    json_int(&w, "batches_open", v->open);
    json_obj_end(&w);
    strbuf_putc(out, '\n');
}

static int print_object(struct ctl *c, const struct overview *v)
{
    struct strbuf out;
    strbuf_init(&out, OUT_MAX);
    put_object(c, v, &out);
    if (c->form == FORM_CSV)
        printf("url,ready,agents_alive,agents_known,batches_open\r\n%s,%s,%u,%u,%u\r\n",
               client_url(c->client), v->is_ready ? "true" : "false", v->alive, v->known, v->open);
    else
        fputs(out.data, stdout);
    strbuf_fini(&out);
    return EXIT_ALL_OK;
}

static int status_master(struct ctl *c)
{
    struct overview v = {.is_ready = false};
    answer_init(&v.ready);
    answer_init(&v.agents);
    answer_init(&v.batches);
    int code = ask_all(c, &v);
    if (code == EXIT_ALL_OK)
        code = c->form == FORM_TABLE ? print_tables(c, &v) : print_object(c, &v);
    if (code == EXIT_ALL_OK && (!v.is_ready || v.alive == 0))
        code = EXIT_SOME_FAILED;
    answer_fini(&v.ready);
    answer_fini(&v.agents);
    answer_fini(&v.batches);
    return code;
}

int status_run(struct ctl *c)
{
    return c->n_words > 0 ? status_batch(c, c->words[0]) : status_master(c);
}
