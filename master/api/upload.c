/* SPDX-License-Identifier: MIT */
#include "master/api/upload.h"
#include "common/digest.h"
#include "common/mem.h"
#include "common/random.h"
#include "common/utf8.h"
#include "master/api/batch_options.h"
#include "master/api/batches.h"
#include "master/api/hash_set.h"
#include "master/api/upload_store.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FULL_UPLOADS 4 /* at the same time, with all of API_DUPLICATES_MAX */

/*
 * NEW ──first group──► BEGINNING ──num──► OPEN ──all rows committed──► COMMITTING ──► OPENING ──►
 * DONE └─ PAUSING (the core's mailbox is full) Before COMMITTING has succeeded the end of the
 * request aborts it.
 */
enum state { NEW, BEGINNING, OPEN, COMMITTING, OPENING, PAUSING, DONE };

struct line_error {
    uint64_t line;
    const char *code;
    char *detail;
};
struct upload {
    struct http_req *req;
    enum state state;
    bool strict, single, too_many;
    struct store_req *
        main; /* BEGIN, later COMMIT or ABORT: carries the info; also req->sreq while it is asked */
    struct target_defaults *defaults;
    struct store_idempotency *first; /* to be kept with the commit; then of main */
    struct group *group;             /* under way, not yet posted */
    struct tally *tally;
    struct hash_set seen;
    uint64_t accepted, rejected, duplicates; /* targets … */
    uint64_t tasks;                          /* … and, of a retry, tasks */
    uint32_t last_target, last_slot;
    struct line_error errors[API_ERRORS_MAX];
    unsigned n_errors;
};

bool upload_may_begin(struct http_req *r)
{
    struct core_stats *s = r->api->conf.core_stats;
    int64_t length = 0;
    const char *h = http_header(r, "Content-Length");
    if (reply_no_new_work(r))
        return false;
    if (s && gauge_get(&s->open_tasks) > r->api->conf.open_tasks_max) {
        reply_problem(r, MHD_HTTP_TOO_MANY_REQUESTS, "too_many_open_tasks",
                      "more than %" PRId64 " tasks are open; wait until some have ended",
                      r->api->conf.open_tasks_max);
        return false;
    }
    int64_t commit_ms = store_commit_p99_ms(r->api->conf.store, mono_now());
    if (commit_ms > API_COMMIT_MS_MAX) {
        reply_problem(r, MHD_HTTP_TOO_MANY_REQUESTS, "store_slow",
                      "the master's disk is slow: commits take up to %" PRId64
                      " ms; wait until it has caught up",
                      commit_ms);
        return false;
    }
    if (h && i64_parse(h, strlen(h), &length) == ERR_NONE && length > r->api->conf.body_max_bytes) {
        reply_problem(r, MHD_HTTP_CONTENT_TOO_LARGE, "body_too_large",
                      "the body of %" PRId64 " bytes is larger than the limit of %" PRId64
                      " bytes; split the batch",
                      length, r->api->conf.body_max_bytes);
        return false;
    }
    return true;
}

/* The more uploads there are, the less each may remember: all together stay bounded. */
static size_t hashes_max(struct api *a)
{
    return API_DUPLICATES_MAX / (1 + atomic_load(&a->tallies) / FULL_UPLOADS);
}

struct upload *upload_create(struct http_req *r, bool strict)
{
    struct upload *u = mem_zalloc(sizeof(*u));
    uint8_t random[10];
    u->req = r;
    u->strict = strict;
    u->main = http_store_req(r, STORE_UPLOAD_BEGIN);
    u->tally = tally_create(r->api);
    hash_set_init(&u->seen, hashes_max(r->api));
    struct batch_info *b = &u->main->upload.info;
    random_bytes(random, sizeof(random));
    b->created_at = wall_now();
    uuid7_format(b->created_at, random, b->uuid);
    memcpy(b->trace, r->trace, sizeof(b->trace));
    b->cls = CLASS_BULK;
    b->deadline_s = DEADLINE_S_DEFAULT;
    b->per_host = PER_HOST_DEFAULT;
    b->slots = 1;
    return u;
}

/* Once a number was given there is something to abort. */
void upload_destroy(struct upload **up)
{
    struct upload *u = *up;
    if (!u)
        return;
    if (u->req->sreq == u->main)
        u->req->sreq = NULL;
    bool stored = u->state == OPEN || u->state == COMMITTING;
    tally_leave(&u->tally, stored && u->main->upload.info.num ? &u->main : NULL);
    if (u->main)
        store_req_destroy(&u->main);
    group_destroy(&u->group);
    store_idempotency_free(&u->first);
    target_defaults_destroy(&u->defaults);
    hash_set_fini(&u->seen);
    for (unsigned i = 0; i < u->n_errors; i++)
        free(u->errors[i].detail);
    free(u);
    *up = NULL;
}

const struct batch_info *upload_info(const struct upload *u)
{
    return &u->main->upload.info;
}

void upload_set_class(struct upload *u, enum task_class c)
{
    u->main->upload.info.cls = c;
}

void upload_set_single(struct upload *u)
{
    REQUIRE(u->state == NEW && u->accepted == 0 && u->rejected == 0);
    u->single = true;
}

enum err upload_options(struct upload *u, const struct json_node *options, struct target_problem *p)
{
    REQUIRE(u->state == NEW && u->accepted == 0);
    return batch_options_parse(
        options, token_grant_allows(&(struct token_grant){.scope = u->req->scope}, SCOPE_ADMIN),
        &u->main->upload.info, &u->defaults, p);
}

static char *dup_text(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

void upload_options_of(struct upload *u, const struct batch_info *of)
{
    struct batch_info *b = &u->main->upload.info;
    REQUIRE(u->state == NEW && u->accepted == 0 && !b->name && !b->labels && !b->agents);
    b->cls = of->cls;
    b->deadline_s = of->deadline_s;
    b->per_host = of->per_host;
    b->per_host_rate = of->per_host_rate;
    b->slots = of->slots;
    b->log_tasks = of->log_tasks;
    b->name = dup_text(of->name);
    b->labels = dup_text(of->labels);
    b->agents = dup_text(of->agents);
    memcpy(b->retry_of, of->uuid, sizeof(b->retry_of));
}

/* ---- targets in */

void upload_reject(struct upload *u, uint64_t line, const char *code, const char *detail)
{
    u->rejected++;
    counter_add(&u->req->api->stats.upload_rejected, 1);
    if (u->n_errors == API_ERRORS_MAX)
        return;
    struct strbuf clean;
    strbuf_init(&clean, 4 * JSON_PROBLEM_MAX);
    utf8_sanitize(&clean, detail, strlen(detail), JSON_PROBLEM_MAX);
    u->errors[u->n_errors++] = (struct line_error){line, code, strbuf_take(&clean, NULL)};
}

static bool hopeless(const struct upload *u)
{
    return u->strict && u->rejected > 0;
}

/* Tasks of a target; of "all" agents as many as there can be, until the store has said. */
static uint32_t slots(const struct upload *u)
{
    bool known = u->state >= OPEN || !upload_info(u)->all_agents;
    return known ? upload_info(u)->slots : AGENTS_COUNT_MAX;
}

static uint64_t all_tasks(const struct upload *u)
{
    return u->tasks ? u->tasks : u->accepted * slots(u);
}

static void add_target(struct upload *u, const struct target *t, uint64_t line)
{
    if (hopeless(u))
        return;
    if (all_tasks(u) + slots(u) > BATCH_TARGETS_MAX) {
        u->too_many = true;
        return;
    }
    if (!u->group)
        u->group = group_create();
    const char *spec;
    size_t len;
    if (!group_add(u->group, t, &spec, &len)) {
        upload_reject(u, line, "too_long",
                      "the target and its options are over 60 KiB; shorten its headers or body");
        return;
    }
    u->accepted++;
    counter_add(&u->req->api->stats.upload_lines, 1);
    if (hash_set_add(&u->seen, hash64_long(spec, len)) == HASH_SET_KNOWN)
        u->duplicates++;
}

static void take(struct upload *u, uint64_t line, enum err e, struct target **t,
                 const struct target_problem *p)
{
    if (e != ERR_NONE) {
        upload_reject(u, line, p->code, p->detail);
        return;
    }
    add_target(u, *t, line);
    target_destroy(t);
}

void upload_add_node(struct upload *u, uint64_t line, const struct json_node *n)
{
    struct target *t = NULL;
    struct target_problem p = {.code = "bad_value"};
    enum err e = target_from_json(n, u->defaults, &t, &p);
    take(u, line, e, &t, &p);
}

static void add_json(struct upload *u, uint64_t line, const char *text, size_t len)
{
    struct json_doc *d = NULL;
    char why[JSON_PROBLEM_MAX];
    if (json_parse(text, len, &d, why, sizeof(why)) != ERR_NONE) {
        upload_reject(u, line, "bad_json", why);
        return;
    }
    upload_add_node(u, line, json_root(d));
    json_free(&d);
}

static bool blank(const char *p, size_t n)
{
    while (n > 0 && (*p == ' ' || *p == '\t')) {
        p++;
        n--;
    }
    return n == 0 || *p == '#';
}

void upload_add(struct upload *u, enum upload_kind kind, uint64_t line, const char *text,
                size_t len)
{
    struct target *t = NULL;
    struct target_problem p = {.code = "bad_value"};
    if (kind == UPLOAD_JSON) {
        add_json(u, line, text, len);
        return;
    }
    if (blank(text, len))
        return;
    enum err e = target_from_text(text, len, u->defaults, &t, &p);
    take(u, line, e, &t, &p);
}

/* Of what is retried of one target, the first has slot 0. */
static void renumber(struct upload *u, struct store_row *row)
{
    bool same = u->tasks > 0 && row->target == u->last_target;
    row->slot = u->last_slot = same ? u->last_slot + 1 : 0;
    u->last_target = row->target;
    u->accepted += !same;
    u->tasks++;
}

void upload_add_rows(struct upload *u, struct store_req *page)
{
    unsigned n = page->ended_tasks.n;
    REQUIRE(u->state <= OPEN && !u->group);
    if (n == 0)
        return;
    for (unsigned i = 0; i < n; i++)
        renumber(u, &page->ended_tasks.rows[i]);
    u->group = group_take(page);
    counter_add(&u->req->api->stats.upload_lines, n);
}

/* ---- rows out */

static enum step refuse(struct upload *u)
{
    char why[TALLY_WHY_MAX];
    enum err e = tally_err(u->tally, why);
    return reply_store_error(u->req, e, why);
}

/* Of BEGIN and COMMIT: STEP_MORE when it is done, the wait for room when the mailbox was full. */
static enum step main_answer(struct upload *u, enum state again, enum state next)
{
    REQUIRE(u->req->sreq == u->main);
    if (u->main->err == ERR_NONE) {
        u->state = next;
        u->req->sreq = NULL; /* the handler may ask for more */
        return STEP_MORE;
    }
    if (u->main->err == ERR_EXISTS && u->main->upload.first)
        return reply_problem(u->req, MHD_HTTP_CONFLICT, "idempotency_conflict",
                             "another upload with this Idempotency-Key was accepted meanwhile; "
                             "repeat this one to have its answer");
    if (u->main->err == ERR_NOT_FOUND && upload_info(u)->retry_of[0]) {
        struct batch_info gone = {0};
        memcpy(gone.uuid, upload_info(u)->retry_of, sizeof(gone.uuid));
        return batch_purged(u->req, &gone);
    }
    if (u->main->err == ERR_INVALID)
        return reply_problem(u->req, MHD_HTTP_UNPROCESSABLE_CONTENT, "agents_count",
                             "'agents.count': %s", u->main->why);
    if (u->main->err != ERR_FULL || atomic_load(&u->req->api->stopping))
        return reply_store_error(u->req, u->main->err, u->main->why);
    u->state = again;
    http_wait_room(u->req);
    return STEP_WAIT;
}

static enum step begin(struct upload *u)
{
    if (u->state == BEGINNING)
        return main_answer(u, NEW, OPEN);
    u->state = BEGINNING;
    return http_ask_store(u->req, u->main);
}

static enum step post_group(struct upload *u)
{
    enum err e = tally_post(u->tally, &u->group, upload_info(u)->num, slots(u));
    if (e == ERR_NONE)
        return STEP_MORE;
    if (e != ERR_FULL || atomic_load(&u->req->api->stopping))
        return reply_store_error(u->req, e, "");
    http_wait_room(u->req);
    return STEP_WAIT;
}

static enum step pump(struct upload *u, bool all)
{
    tally_unwait(u->tally);
    if (tally_failed(u->tally))
        return refuse(u);
    if (u->too_many)
        return reply_problem(u->req, MHD_HTTP_CONTENT_TOO_LARGE, "too_many_targets",
                             "a batch holds at most %d tasks; split it", BATCH_TARGETS_MAX);
    if (hopeless(u))
        group_destroy(&u->group);
    if (!u->group || (!all && !group_full(u->group, slots(u))))
        return STEP_MORE;
    if (u->state < OPEN) {
        enum step s = begin(u);
        if (s != STEP_MORE)
            return s;
    }
    if (tally_wait(u->tally, UPLOAD_PIPELINE, u->req))
        return STEP_WAIT;
    return post_group(u);
}

enum step upload_pump(struct upload *u)
{
    REQUIRE(u->state <= OPEN);
    return pump(u, false);
}

enum step upload_pump_rows(struct upload *u)
{
    REQUIRE(u->state <= OPEN);
    return pump(u, true);
}

/* ---- the end */

static void put_errors(const struct upload *u, struct json_out *w)
{
    json_key(w, "errors");
    json_arr_begin(w);
    for (unsigned i = 0; i < u->n_errors; i++) {
        json_obj_begin(w);
        json_u64(w, "line", u->errors[i].line);
        json_str(w, "code", u->errors[i].code);
        json_str(w, "detail", u->errors[i].detail);
        json_obj_end(w);
    }
    json_arr_end(w);
}

static void tell_bad(const struct upload *u, char *out, size_t max)
{
    bool one = u->rejected == 1;
    if (u->accepted > 0 || u->strict)
        snprintf(out, max,
                 "%" PRIu64
                 " target%s bad, and strict=1 refuses the whole batch for %s; see errors",
                 u->rejected, one ? " is" : "s are", one ? "it" : "them");
    else if (one)
        snprintf(out, max, "the only target is bad: %s", u->errors[0].detail);
    else
        snprintf(out, max, "none of the %" PRIu64 " targets is good; see errors", u->rejected);
}

static enum step refuse_lines(struct upload *u)
{
    struct json_out w;
    char text[JSON_PROBLEM_MAX + 100];
    const char *code = "bad_targets", *detail = text;
    if (u->rejected == 0) {
        code = "empty_batch";
        detail = "the batch is empty: give at least one target in 'targets', or one URI a line";
    } else if (u->single) {
        code = u->errors[0].code;
        detail = u->errors[0].detail;
    } else {
        tell_bad(u, text, sizeof(text));
    }
    reply_problem_open(u->req, &w, MHD_HTTP_UNPROCESSABLE_CONTENT, code, detail);
    json_u64(&w, "rejected", u->rejected);
    put_errors(u, &w);
    json_obj_end(&w);
    return STEP_DONE;
}

void upload_keep_answer(struct upload *u, struct store_idempotency *first)
{
    REQUIRE(u->state < COMMITTING && !u->first && first);
    u->first = first;
}

/* All of it is known before the commit. */
static void put_answer(struct upload *u)
{
    struct strbuf b;
    struct json_out w;
    strbuf_init(&b, REPLY_BODY_MAX);
    json_out_init(&w, &b);
    json_obj_begin(&w);
    upload_put(u, &w);
    json_obj_end(&w);
    REQUIRE(!b.overflow);
    u->first->answer = strbuf_take(&b, NULL);
    u->main->upload.first = u->first;
    u->first = NULL;
}

static enum step commit(struct upload *u)
{
    struct batch_info *b = &u->main->upload.info;
    if (u->first)
        put_answer(u);
    b->total = all_tasks(u);
    b->rejected = u->rejected;
    b->duplicates = u->duplicates;
    u->main->op = STORE_UPLOAD_COMMIT;
    u->state = COMMITTING;
    return http_ask_store(u->req, u->main);
}

static enum step open_in_core(struct upload *u)
{
    struct core_req *c = http_core_req(u->req, REQ_BATCH_OPENED);
    c->batch = upload_info(u)->num;
    c->opened = &u->main->upload.info;
    u->state = OPENING;
    return http_ask_core(u->req, c);
}

/* Any question to the store takes a while; then the core is asked again. */
static enum step wait_for_core(struct upload *u)
{
    struct http_req *r = u->req;
    struct store_req *s = http_store_req(r, STORE_BATCH_GET);
    memcpy(s->batch_get.uuid, upload_info(u)->uuid, UUID_TEXT_MAX);
    u->state = PAUSING;
    return http_ask_store(r, s);
}

/* All rows are in the store's hands; now they must be down. */
static enum step flush(struct upload *u)
{
    enum step s = pump(u, true);
    if (s != STEP_MORE)
        return s;
    if (u->accepted == 0 || hopeless(u))
        return refuse_lines(u);
    return tally_wait(u->tally, 1, u->req) ? STEP_WAIT : STEP_MORE;
}

enum step upload_finish(struct upload *u)
{
    enum step s;
    switch (u->state) {
    case NEW:
    case BEGINNING:
    case OPEN:
        s = flush(u);
        if (s == STEP_MORE && tally_failed(u->tally))
            return refuse(u);
        return s == STEP_MORE ? commit(u) : s;
    case COMMITTING:
        s = main_answer(u, OPEN, COMMITTING);
        return s == STEP_MORE ? open_in_core(u) : s;
    case PAUSING:
        return open_in_core(u);
    case OPENING:
        if (!u->req->core_ok && u->req->core_err == ERR_FULL)
            return wait_for_core(u);
        /* Not even when the master stops: it is committed, and will be taken up at the next start.
         */
        u->state = DONE;
        counter_add(&u->req->api->stats.uploads, 1);
        return STEP_MORE;
    case DONE:
        return STEP_MORE;
    }
    UNREACHABLE("an upload has seven states");
}

void upload_put(const struct upload *u, struct json_out *w)
{
    REQUIRE(u->state >= OPEN);
    json_str(w, "id", upload_info(u)->uuid);
    json_u64(w, "accepted", u->accepted);
    json_u64(w, "rejected", u->rejected);
    json_u64(w, "duplicates", u->duplicates);
    json_bool(w, "duplicates_exact", !u->seen.full);
    json_u64(w, "tasks", all_tasks(u));
    json_str(w, "trace", upload_info(u)->trace);
    put_errors(u, w);
}
