/* SPDX-License-Identifier: MIT */
#include "master/store/sqlite_db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/json.h"
#include "common/mem.h"

/* One request looks at no more than this many ids or rows, whatever its filter lets through: read
 * transactions stay short. */
#define SCAN_ROWS 20000
/* Grouping costs more for each of them: so few that pages do not wait long behind it. */
#define GROUP_ROWS 5000

/* In the place of a spec that is none: no agent can run it, and each says so. */
#define NO_SPEC "{}"

static unsigned bounded(unsigned limit)
{
    return limit < 1 ? 1 : limit > STORE_PAGE_ROWS ? STORE_PAGE_ROWS : limit;
}

/* ---- refill */

static enum err batch_size(struct sqlite_db *d, uint32_t num, uint64_t *total, uint32_t *slots)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_BATCH_TOTAL);
    sqlite3_bind_int64(st, 1, num);
    bool row = false;
    enum err e = sqlite_step(d, st, &row);
    if (!e && !row)
        e = ERR_NOT_FOUND;
    if (!e)
        *total = (uint64_t)sqlite3_column_int64(st, 0);
    if (!e)
        *slots = (uint32_t)sqlite3_column_int64(st, 1);
    sqlite3_reset(st);
    return e;
}

static enum err batch_total(struct sqlite_db *d, uint32_t num, uint64_t *total)
{
    uint32_t slots;
    return batch_size(d, num, total, &slots);
}

/*
 * With hosts in the question: the hash stands before the spec, so that a row passed over costs
 * little, and only for the others it matters whether they have ended.
 */
static enum err passed_over(struct sqlite_db *d, struct store_req *r, sqlite3_stmt *st, bool *over)
{
    uint64_t host = (uint64_t)sqlite3_column_int64(st, 1);
    unsigned i = 0;
    while (i < r->refill.n_hosts && r->refill.hosts[i] != host)
        i++;
    bool named = i < r->refill.n_hosts;
    *over = named != r->refill.only;
    if (*over && named)
        r->refill.passed[i] = (uint64_t)sqlite3_column_int64(st, 0);
    return *over ? ERR_NONE : sqlite_result_exists(d, (uint64_t)sqlite3_column_int64(st, 0), over);
}

static enum err refill_rows(struct sqlite_db *d, struct store_req *r, sqlite3_stmt *st,
                            unsigned limit)
{
    bool row = false, over = false;
    enum err e;
    while (!(e = sqlite_step(d, st, &row)) && row) {
        if (r->refill.n_hosts > 0 && (e = passed_over(d, r, st, &over)))
            break;
        if (over)
            continue;
        struct store_task *t = &r->refill.tasks[r->refill.n++];
        *t = (struct store_task){
            .task = (uint64_t)sqlite3_column_int64(st, 0),
            .host_hash = (uint64_t)sqlite3_column_int64(st, 1),
            .slot = (uint32_t)sqlite3_column_int64(st, 3),
            .at = {sqlite3_column_int64(st, 4)},
            .deadline_ms = sqlite3_column_int64(st, 5),
        };
        t->spec = sqlite_put_object(d, &r->arena, st, 2, NO_SPEC, &t->spec_len);
        if (r->refill.n == limit || r->arena.len >= STORE_PAGE_BYTES)
            break;
    }
    sqlite3_reset(st);
    for (unsigned i = 0; i < r->refill.n; i++)
        sqlite_rebase(&r->arena, &r->refill.tasks[i].spec);
    return e;
}

static enum err target_answers(struct sqlite_db *d, struct store_req *r, uint64_t target,
                               uint32_t slots, unsigned *cap)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_TARGET_ANSWERS);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)target);
    sqlite3_bind_int64(st, 2, slots);
    bool row = false;
    enum err e;
    while (!(e = sqlite_step(d, st, &row)) && row) {
        if (r->refill.n_answers == *cap) {
            *cap = *cap ? *cap * 2 : 64;
            r->refill.answers = mem_realloc(r->refill.answers, *cap * sizeof(struct store_answer));
        }
        const char *agent = (const char *)sqlite3_column_text(st, 1);
        r->refill.answers[r->refill.n_answers++] = (struct store_answer){
            (uint64_t)sqlite3_column_int64(st, 0), hash64(agent, strlen(agent)),
            (uint32_t)sqlite3_column_int64(st, 2)};
    }
    sqlite3_reset(st);
    return e;
}

/* Which agents the other tasks of these targets have had. */
static enum err refill_answers(struct sqlite_db *d, struct store_req *r, uint32_t slots)
{
    uint64_t last = 0;
    unsigned cap = 0;
    enum err e = ERR_NONE;
    for (unsigned i = 0; !e && i < r->refill.n; i++) {
        uint64_t target = r->refill.tasks[i].task - r->refill.tasks[i].slot;
        if (target != last)
            e = target_answers(d, r, target, slots, &cap);
        last = target;
    }
    return e;
}

enum err sqlite_refill(struct sqlite_db *d, struct store_req *r)
{
    uint32_t num = r->refill.batch, slots = 1;
    uint64_t total = 0, after = r->refill.after;
    enum err e = batch_size(d, num, &total, &slots);
    if (e)
        return e;
    uint64_t first = task_id(num, 0), end = first + total; /* first id that is not the batch's */
    uint64_t from = after + 1 < first ? first : after + 1;
    if (r->refill.to != 0 && r->refill.to + 1 < end)
        end = r->refill.to + 1;
    uint64_t to = from >= end ? end : end - from > SCAN_ROWS ? from + SCAN_ROWS : end;
    unsigned limit = bounded(r->refill.limit);
    r->refill.tasks = mem_array(limit, sizeof(*r->refill.tasks));
    if (from < to) {
        REQUIRE(r->refill.n_hosts <= STORE_REFILL_HOSTS);
        sqlite3_stmt *st = sqlite_use(d, r->refill.n_hosts ? SQL_REFILL_HOSTS : SQL_REFILL);
        sqlite3_bind_int64(st, 1, (sqlite3_int64)from - 1);
        sqlite3_bind_int64(st, 2, (sqlite3_int64)to - 1);
        if (r->refill.n_hosts == 0)
            sqlite3_bind_int64(st, 3, limit);
        e = refill_rows(d, r, st, limit);
        if (!e && slots > 1)
            e = refill_answers(d, r, slots);
    }
    bool cut = r->refill.n == limit || r->arena.len >= STORE_PAGE_BYTES;
    if (cut)
        r->refill.last = r->refill.tasks[r->refill.n - 1].task;
    else
        r->refill.last = from < to ? to - 1 : after;
    r->refill.exhausted = r->refill.last + 1 >= first + total;
    return e;
}

/* ---- batches */

static enum err read_causes(struct sqlite_db *d, struct store_req *r)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_CAUSES);
    sqlite3_bind_int64(st, 1, r->batch_get.info.num);
    sqlite3_bind_int64(st, 2, CAUSE_COUNTS_MAX);
    bool row = false;
    enum err e;
    while (!(e = sqlite_step(d, st, &row)) && row) {
        struct cause_count *c = &r->batch_get.causes[r->batch_get.n_causes++];
        snprintf(c->cause, sizeof(c->cause), "%s", (const char *)sqlite3_column_text(st, 0));
        c->count = (uint64_t)sqlite3_column_int64(st, 1);
    }
    sqlite3_reset(st);
    return e;
}

static enum err read_retries(struct sqlite_db *d, struct store_req *r)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_RETRIES);
    sqlite_bind_str(st, 1, r->batch_get.info.uuid);
    sqlite3_bind_int64(st, 2, STORE_RETRIES_MAX);
    bool row = false;
    enum err e;
    while (!(e = sqlite_step(d, st, &row)) && row)
        snprintf(r->batch_get.retries[r->batch_get.n_retries++], UUID_TEXT_MAX, "%s",
                 (const char *)sqlite3_column_text(st, 0));
    sqlite3_reset(st);
    return e;
}

enum err sqlite_batch_get(struct sqlite_db *d, struct store_req *r)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_BATCH_BY_UUID);
    sqlite_bind_str(st, 1, r->batch_get.uuid);
    bool row = false;
    enum err e = sqlite_step(d, st, &row);
    if (!e && !row)
        e = ERR_NOT_FOUND;
    if (!e)
        d->damaged += !sqlite_batch_row(st, &r->batch_get.info);
    sqlite3_reset(st);
    if (!e)
        e = read_causes(d, r);
    return e ? e : read_retries(d, r);
}

/* ---- the list */

static bool same(const char *text, const char *p, size_t n)
{
    return text && strlen(text) == n && memcmp(text, p, n) == 0;
}

static bool has_label(const struct json_node *labels, const struct store_label *wanted)
{
    for (const struct json_node *n = json_first(labels); n; n = json_next(n))
        if (same(json_node_key(n), wanted->key, wanted->key_len))
            return json_type(n) == JSON_STRING &&
                   same(json_node_str(n), wanted->value, wanted->value_len);
    return false;
}

static bool has_labels(const struct store_req *r, const struct batch_info *b)
{
    struct json_doc *d = NULL;
    if (r->batch_list.n_labels == 0)
        return true;
    if (!b->labels || json_parse(b->labels, strlen(b->labels), &d, NULL, 0) != ERR_NONE)
        return false;
    bool all = json_type(json_root(d)) == JSON_OBJECT;
    for (unsigned i = 0; all && i < r->batch_list.n_labels; i++)
        all = has_label(json_root(d), &r->batch_list.labels[i]);
    json_free(&d);
    return all;
}

static void list_row(struct sqlite_db *d, struct store_req *r, sqlite3_stmt *st)
{
    struct batch_info *b = &r->batch_list.infos[r->batch_list.n];
    d->damaged += !sqlite_batch_row(st, b);
    r->batch_list.last = b->num;
    bool kind = !b->lane || r->batch_list.lanes;
    bool phase = r->batch_list.phases == 0 || (r->batch_list.phases & 1u << batch_info_phase(b));
    if (kind && phase && has_labels(r, b))
        r->batch_list.n++;
    else
        batch_info_fini(b);
}

enum err sqlite_batch_list(struct sqlite_db *d, struct store_req *r)
{
    unsigned limit = bounded(r->batch_list.limit), scanned = 0;
    bool open = r->batch_list.phases != 0 && !(r->batch_list.phases & 1u << PHASE_ENDED);
    REQUIRE(r->batch_list.n_labels <= STORE_LABELS_MAX);
    r->batch_list.infos = mem_array(limit, sizeof(*r->batch_list.infos));
    sqlite3_stmt *st = sqlite_use(d, open ? SQL_BATCH_LIST_OPEN : SQL_BATCH_LIST);
    sqlite3_bind_int64(st, 1,
                       r->batch_list.before ? (sqlite3_int64)r->batch_list.before : INT64_MAX);
    sqlite3_bind_int64(st, 2, SCAN_ROWS);
    bool row = false;
    enum err e;
    for (; r->batch_list.n < limit && !(e = sqlite_step(d, st, &row)) && row; scanned++)
        list_row(d, r, st);
    sqlite3_reset(st);
    r->batch_list.more = r->batch_list.n == limit || scanned == SCAN_ROWS;
    return e;
}

/* ---- tasks that have ended */

/* Where a look that begins at an ordinal ends. */
static uint64_t stretch_end(uint64_t after, uint64_t total, unsigned rows)
{
    if (after >= total)
        return after;
    return total - after > rows ? after + rows : total;
}

static enum err ended_rows(struct sqlite_db *d, struct store_req *r, sqlite3_stmt *st,
                           unsigned limit, uint64_t *last)
{
    bool row = false;
    enum err e;
    while (!(e = sqlite_step(d, st, &row)) && row) {
        *last = (uint64_t)sqlite3_column_int64(st, 0);
        struct store_row *t = &r->ended_tasks.rows[r->ended_tasks.n++];
        *t = (struct store_row){
            .host_hash = (uint64_t)sqlite3_column_int64(st, 1),
            .user_id = sqlite_put_text(d, &r->arena, st, 3),
            .target = (uint32_t)*last - (uint32_t)sqlite3_column_int64(st, 4),
        };
        t->spec = sqlite_put_object(d, &r->arena, st, 2, NO_SPEC, &t->spec_len);
        if (r->ended_tasks.n == limit || r->arena.len >= STORE_PAGE_BYTES / 4)
            break;
    }
    sqlite3_reset(st);
    for (unsigned i = 0; i < r->ended_tasks.n; i++) {
        sqlite_rebase(&r->arena, &r->ended_tasks.rows[i].spec);
        sqlite_rebase(&r->arena, &r->ended_tasks.rows[i].user_id);
    }
    return e;
}

enum err sqlite_ended_tasks(struct sqlite_db *d, struct store_req *r)
{
    uint64_t total = 0, after = r->ended_tasks.after, last = 0;
    enum err e = batch_total(d, r->ended_tasks.batch, &total);
    if (e)
        return e;
    uint64_t first = task_id(r->ended_tasks.batch, 0);
    uint64_t to = stretch_end(after, total, SCAN_ROWS);
    unsigned limit = bounded(r->ended_tasks.limit);
    r->ended_tasks.rows = mem_array(limit, sizeof(*r->ended_tasks.rows));
    sqlite3_stmt *st = sqlite_use(d, SQL_ENDED_TASKS);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)(first + after));
    sqlite3_bind_int64(st, 2, (sqlite3_int64)(first + to));
    sqlite3_bind_int64(st, 3, r->ended_tasks.outcomes);
    sqlite3_bind_int64(st, 4, limit);
    e = ended_rows(d, r, st, limit, &last);
    bool cut = r->ended_tasks.n == limit || r->arena.len >= STORE_PAGE_BYTES / 4;
    r->ended_tasks.next = cut ? last - first + 1 : to;
    r->ended_tasks.exhausted = r->ended_tasks.next >= total;
    return e;
}

static enum err failed_rows(struct sqlite_db *d, struct store_req *r, sqlite3_stmt *st)
{
    bool row = false;
    unsigned cap = 0;
    enum err e;
    while (!(e = sqlite_step(d, st, &row)) && row) {
        if (r->failed_hosts.n == cap) {
            cap = cap ? cap * 2 : 64;
            r->failed_hosts.hosts =
                mem_realloc(r->failed_hosts.hosts, cap * sizeof(*r->failed_hosts.hosts));
        }
        struct store_host *out = &r->failed_hosts.hosts[r->failed_hosts.n++];
        *out = (struct store_host){
            .hash = (uint64_t)sqlite3_column_int64(st, 0),
            .failed = (uint64_t)sqlite3_column_int64(st, 1),
            .task = (uint64_t)sqlite3_column_int64(st, 2),
            .cause = sqlite_cause(st, 3),
        };
    }
    sqlite3_reset(st);
    return e;
}

enum err sqlite_failed_hosts(struct sqlite_db *d, struct store_req *r)
{
    uint64_t total = 0, after = r->failed_hosts.after;
    enum err e = batch_total(d, r->failed_hosts.batch, &total);
    if (e)
        return e;
    sqlite3_int64 first = first_task(r->failed_hosts.batch);
    uint64_t to = stretch_end(after, total, GROUP_ROWS);
    sqlite3_stmt *st = sqlite_use(d, SQL_FAILED_HOSTS);
    sqlite3_bind_int64(st, 1, first + (sqlite3_int64)after);
    sqlite3_bind_int64(st, 2, first + (sqlite3_int64)to);
    sqlite3_bind_int(st, 3, OUTCOME_FAILED);
    r->failed_hosts.next = to;
    r->failed_hosts.exhausted = to >= total;
    return failed_rows(d, r, st);
}

/* ---- results */

#define DAMAGED "its record is damaged in the store, see `sonde-master check`"

/* In the place of a record that is none: what the other columns know. */
static void stand_in(const struct store_result_row *row, const char *cause, char *out, size_t max)
{
    enum cause known;
    bool has = cause && cause[0] && cause_parse(cause, &known) == ERR_NONE;
    snprintf(out, max, "{\"outcome\":\"%s\",\"cause\":%s%s%s,\"message\":\"" DAMAGED "\"}",
             outcome_word(row->outcome), has ? "\"" : "", has ? cause : "null", has ? "\"" : "");
}

/* Columns of SQL_RESULTS_PAGE and SQL_RESULT_GET. */
static void result_row(struct sqlite_db *d, sqlite3_stmt *st, struct strbuf *arena,
                       struct store_result_row *row)
{
    char instead[sizeof(DAMAGED) + CAUSE_MAX + 128];
    unsigned outcome = (unsigned)sqlite3_column_int(st, 3);
    *row = (struct store_result_row){
        .seq = (uint64_t)sqlite3_column_int64(st, 0),
        .task = (uint64_t)sqlite3_column_int64(st, 1),
        .attempt = (uint32_t)sqlite3_column_int64(st, 2),
        .outcome = outcome < OUTCOME_COUNT ? (enum outcome)outcome : OUTCOME_UNDETERMINED,
        .agent = sqlite_put_text(d, arena, st, 4),
        .cause = sqlite_put_text(d, arena, st, 5),
    };
    d->damaged += outcome >= OUTCOME_COUNT;
    stand_in(row, (const char *)sqlite3_column_text(st, 5), instead, sizeof(instead));
    row->record = sqlite_put_object(d, arena, st, 6, instead, &row->record_len);
}

void sqlite_rebase_row(const struct strbuf *arena, struct store_result_row *row)
{
    const char **strings[] = {&row->agent, &row->cause,   &row->record,
                              &row->spec,  &row->user_id, &row->history};
    for (unsigned i = 0; i < ARRAY_LEN(strings); i++)
        sqlite_rebase(arena, strings[i]);
}

/* What the user gave: of the task's own row, or of its check. */
static enum err add_task(struct sqlite_db *d, struct strbuf *arena, struct store_result_row *row)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_TASK_GET);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)row->task);
    bool there = false;
    enum err e = sqlite_step(d, st, &there);
    if (!e && !there)
        e = ERR_NOT_FOUND;
    if (!e) {
        row->spec = sqlite_put_object(d, arena, st, 0, NO_SPEC, &row->spec_len);
        row->user_id = sqlite_put_text(d, arena, st, 1);
    }
    sqlite3_reset(st);
    return e;
}

static bool column_is(sqlite3_stmt *st, int i, const char *wanted)
{
    const char *s = (const char *)sqlite3_column_text(st, i);
    return s && strcmp(s, wanted) == 0;
}

static bool passes(const struct store_req *r, sqlite3_stmt *st)
{
    if (r->results_page.outcome >= 0 && sqlite3_column_int(st, 3) != r->results_page.outcome)
        return false;
    if (r->results_page.agent[0] && !column_is(st, 4, r->results_page.agent))
        return false;
    return !r->results_page.cause[0] || column_is(st, 5, r->results_page.cause);
}

/* A look at the task's own row, so only where the other filters let its result through. */
static enum err host_passes(struct sqlite_db *d, const struct store_req *r, uint64_t task,
                            bool *passes)
{
    bool there = false;
    *passes = r->results_page.n_hosts == 0;
    if (*passes)
        return ERR_NONE;
    REQUIRE(r->results_page.n_hosts <= STORE_HOSTS_MAX);
    sqlite3_stmt *st = sqlite_use(d, SQL_TASK_HOST);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)task);
    enum err e = sqlite_step(d, st, &there);
    uint64_t host = !e && there ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
    for (unsigned i = 0; there && i < r->results_page.n_hosts; i++)
        *passes |= r->results_page.hosts[i] == host;
    sqlite3_reset(st);
    return e;
}

static enum err page_row(struct sqlite_db *d, struct store_req *r, sqlite3_stmt *st)
{
    bool of_host = false;
    if (!passes(r, st))
        return ERR_NONE;
    enum err e = host_passes(d, r, (uint64_t)sqlite3_column_int64(st, 1), &of_host);
    if (e || !of_host)
        return e;
    struct store_result_row *out = &r->results_page.rows[r->results_page.n++];
    result_row(d, st, &r->arena, out);
    e = add_task(d, &r->arena, out);
    if (e != ERR_NOT_FOUND)
        return e;
    snprintf(d->why, sizeof(d->why), "a result without its task, see `sonde-master check`");
    return ERR_CORRUPT;
}

static enum err page_rows(struct sqlite_db *d, struct store_req *r, sqlite3_stmt *st,
                          unsigned limit)
{
    bool row = false;
    enum err e;
    for (unsigned scanned = 0; !(e = sqlite_step(d, st, &row)) && row; scanned++) {
        if (scanned == SCAN_ROWS || r->results_page.n == limit ||
            r->arena.len >= r->results_page.max_bytes) {
            r->results_page.more = true;
            break;
        }
        r->results_page.last = (uint64_t)sqlite3_column_int64(st, 0);
        e = page_row(d, r, st);
        if (e)
            break;
    }
    sqlite3_reset(st);
    return e;
}

enum err sqlite_results_page(struct sqlite_db *d, struct store_req *r)
{
    uint64_t total;
    enum err e = batch_total(d, r->results_page.batch, &total);
    if (e)
        return e;
    unsigned limit = bounded(r->results_page.limit);
    r->results_page.rows = mem_array(limit, sizeof(*r->results_page.rows));
    r->results_page.last = r->results_page.after;
    sqlite3_stmt *st = sqlite_use(d, SQL_RESULTS_PAGE);
    sqlite3_bind_int64(st, 1, r->results_page.batch);
    uint64_t after = r->results_page.after > INT64_MAX ? INT64_MAX : r->results_page.after;
    sqlite3_bind_int64(st, 2, (sqlite3_int64)after);
    e = page_rows(d, r, st, limit);
    for (unsigned i = 0; i < r->results_page.n; i++)
        sqlite_rebase_row(&r->arena, &r->results_page.rows[i]);
    return e;
}

enum err sqlite_task_row(struct sqlite_db *d, struct strbuf *arena, struct store_result_row *row)
{
    uint64_t total, task = row->task;
    enum err e = batch_total(d, task_batch(task), &total);
    if (e)
        return e;
    *row = (struct store_result_row){.task = task};
    sqlite3_stmt *st = sqlite_use(d, SQL_RESULT_GET);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)task);
    bool there = false;
    e = sqlite_step(d, st, &there);
    if (!e && there) {
        result_row(d, st, arena, row);
        row->history = sqlite_put_text(d, arena, st, 7);
        row->stored_at.us = sqlite3_column_int64(st, 8);
        row->leased_at.us = sqlite3_column_int64(st, 9);
        row->arrived_at.us = sqlite3_column_int64(st, 10);
    }
    sqlite3_reset(st);
    return e ? e : add_task(d, arena, row);
}

enum err sqlite_task_get(struct sqlite_db *d, struct store_req *r)
{
    r->task_get.row = (struct store_result_row){.task = r->task_get.task};
    enum err e = sqlite_task_row(d, &r->arena, &r->task_get.row);
    sqlite_rebase_row(&r->arena, &r->task_get.row);
    return e;
}

/* ---- idempotency */

static enum err idempotency_row(struct sqlite_db *d, sqlite3_stmt *st, struct store_req *r)
{
    struct store_idempotency *x = r->idempotency.first;
    if (sqlite3_column_bytes(st, 0) != IDEMPOTENCY_DIGEST) {
        snprintf(d->why, sizeof(d->why), "a first answer has a digest that is none");
        return ERR_CORRUPT;
    }
    memcpy(x->digest, sqlite3_column_blob(st, 0), IDEMPOTENCY_DIGEST);
    r->idempotency.batch = (uint32_t)sqlite3_column_int64(st, 1);
    snprintf(r->idempotency.uuid, sizeof(r->idempotency.uuid), "%s",
             (const char *)sqlite3_column_text(st, 2));
    const char *answer = (const char *)sqlite3_column_text(st, 3);
    if (!answer || !json_is_object(answer, strlen(answer))) {
        snprintf(d->why, sizeof(d->why), "a first answer is damaged, see `sonde-master check`");
        return ERR_CORRUPT;
    }
    x->answer = mem_strdup(answer);
    return ERR_NONE;
}

enum err sqlite_idempotency_get(struct sqlite_db *d, struct store_req *r)
{
    const struct store_idempotency *x = r->idempotency.first;
    REQUIRE(x != NULL && x->token[0] && x->key[0] && x->answer == NULL);
    sqlite3_stmt *st = sqlite_use(d, SQL_IDEMPOTENCY_GET);
    sqlite_bind_str(st, 1, x->token);
    sqlite_bind_str(st, 2, x->key);
    sqlite3_bind_int64(st, 3, r->idempotency.at.us - IDEMPOTENCY_KEEP_S * INT64_C(1000000));
    bool row = false;
    enum err e = sqlite_step(d, st, &row);
    if (!e)
        e = row ? idempotency_row(d, st, r) : ERR_NOT_FOUND;
    sqlite3_reset(st);
    return e;
}
