/* SPDX-License-Identifier: MIT */
#include "proto/message.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/cidr.h"
#include "common/ids.h"
#include "common/mem.h"
#include "proto/ticket.h"

#define RECONNECT_MS_MAX  (3600 * 1000)
#define INTERVAL_MS_MAX   (3600 * 1000)
#define TASK_DEADLINE_MAX ((int64_t)DEADLINE_S_MAX * 1000)
/* A measure (load, lag, percent) beyond this is nonsense. */
#define MEASURE_MAX 1e12
/* Between two times that four digits of year can show. */
#define CLOCK_MS_MAX INT64_C(320000000000000)

static const char *const words[] = {[MSG_UNKNOWN] = "unknown",
#define X(id, word) [MSG_##id] = word,
                                    MESSAGE_TABLE(X)
#undef X
};

static const char *const class_words[TASK_CLASSES] = {
    [CLASS_INTERACTIVE] = "interactive",
    [CLASS_SCHEDULE] = "schedule",
    [CLASS_BULK] = "bulk",
};

const char *message_word(enum message_type t)
{
    REQUIRE((size_t)t < ARRAY_LEN(words));
    return words[t];
}

bool message_clock_is_off(int64_t clock_ms, double rtt_ms)
{
    return llabs(clock_ms) > CLOCK_SKEW_MS + (int64_t)(rtt_ms > 0 ? rtt_ms / 2 : 0);
}

const char *task_class_word(enum task_class c)
{
    REQUIRE((unsigned)c < TASK_CLASSES);
    return class_words[c];
}

static int word_index(const char *word, const char *const *table, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(word, table[i]) == 0)
            return (int)i;
    return -1;
}

enum err task_class_parse(const char *word, enum task_class *out)
{
    int i = word_index(word, class_words, TASK_CLASSES);
    if (i < 0)
        return ERR_NOT_FOUND;
    *out = (enum task_class)i;
    return ERR_NONE;
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool agent_name_valid(const char *name)
{
    if (!is_alnum(name[0]))
        return false;
    size_t n = 1;
    for (; name[n] != '\0'; n++)
        if (n >= AGENT_NAME_MAX || !(is_alnum(name[n]) || strchr("._-", name[n]) != NULL))
            return false;
    return true;
}

/* Ids end up in logs, file names and headers: nothing in them needs quoting. */
static const char *need_word(struct json_cur *c, const char *name, size_t max)
{
    const char *s = json_need_str(c, name, max);
    if (c->err != ERR_NONE)
        return "";
    for (const char *p = s; *p != '\0'; p++)
        if (!is_alnum(*p) && strchr("._+-", *p) == NULL)
            json_cur_fail(c, "'%s' may hold only letters, digits and . _ + -", name);
    if (*s == '\0')
        json_cur_fail(c, "'%s' is empty", name);
    return s;
}

/* Ids are stored as signed 64-bit integers. */
static uint64_t need_task(struct json_cur *c)
{
    uint64_t id = json_need_id(c, "task");
    if (id > INT64_MAX)
        json_cur_fail(c, "'task' is over the largest id");
    return id;
}

static const char *need_ticket(struct json_cur *c)
{
    return json_need_str(c, "ticket", TICKET_TEXT_MAX - 1);
}

static const char *get_text(struct json_cur *c, const char *name)
{
    return json_get_str(c, name, MESSAGE_TEXT_MAX, "");
}

static uint64_t need_count(struct json_cur *c, const char *name)
{
    return (uint64_t)json_need_int(c, name, 0, JSON_COUNT_MAX);
}

static uint64_t get_count(struct json_cur *c, const char *name)
{
    return (uint64_t)json_get_int(c, name, 0, JSON_COUNT_MAX, 0);
}

static int64_t get_figure(struct json_cur *c, const char *name)
{
    return json_get_int(c, name, -1, JSON_COUNT_MAX, -1);
}

static double get_measure(struct json_cur *c, const char *name)
{
    return json_get_num(c, name, -1, MEASURE_MAX, -1);
}

static bool need_bool(struct json_cur *c, const char *name)
{
    bool given = json_get_bool(c, name, false);
    if (given != json_get_bool(c, name, true))
        json_cur_fail(c, "'%s' is missing", name);
    return given;
}

static struct window window_of(struct json_cur *c, const char *name, const struct json_node *n)
{
    struct window v = {0};
    struct json_cur in;
    json_cur_init(&in, n);
    v.count = need_count(&in, "count");
    v.bytes = need_count(&in, "bytes");
    if (json_cur_end_lenient(&in) != ERR_NONE)
        json_cur_fail(c, "in '%s': %s", name, in.problem);
    return v;
}

static struct window need_window(struct json_cur *c, const char *name)
{
    const struct json_node *n = json_get_obj(c, name);
    if (n != NULL)
        return window_of(c, name, n);
    json_cur_fail(c, "'%s' is missing", name);
    return (struct window){0};
}

static const char *item_str(struct json_cur *c, const char *list, const struct json_node *n,
                            size_t max)
{
    if (json_type(n) != JSON_STRING || strlen(json_node_str(n)) > max) {
        json_cur_fail(c, "'%s' must hold strings of at most %zu bytes", list, max);
        return "";
    }
    return json_node_str(n);
}

static void read_tags(struct json_cur *c, struct msg_hello *m)
{
    const struct json_node *tags = json_get_obj(c, "tags");
    if (tags == NULL)
        return;
    if (json_count(tags) > TAGS_MAX) {
        json_cur_fail(c, "'tags' has more than %d members", TAGS_MAX);
        return;
    }
    for (const struct json_node *n = json_first(tags); n != NULL; n = json_next(n)) {
        const char *key = json_node_key(n);
        if (*key == '\0' || strlen(key) > TAG_KEY_MAX)
            json_cur_fail(c, "a name in 'tags' must be 1 to %d bytes long", TAG_KEY_MAX);
        m->tags[m->n_tags++] = (struct msg_tag){key, item_str(c, "tags", n, TAG_VALUE_MAX)};
    }
}

static void read_capabilities(struct json_cur *c, struct msg_hello *m)
{
    const struct json_node *list = json_get_arr(c, "capabilities", CAPABILITIES_MAX);
    if (list == NULL)
        return;
    for (const struct json_node *n = json_first(list); n != NULL; n = json_next(n))
        m->capabilities[m->n_capabilities++] = item_str(c, "capabilities", n, MESSAGE_ID_MAX);
}

static void read_hello(struct json_cur *c, struct message *out)
{
    struct msg_hello *m = &out->hello;
    m->proto_min = (int)json_need_int(c, "proto_min", 1, 1000);
    m->proto_max = (int)json_need_int(c, "proto_max", m->proto_min, 1000);
    m->agent = json_need_str(c, "agent", AGENT_NAME_MAX);
    if (!agent_name_valid(m->agent))
        json_cur_fail(c, "'agent' must be 1 to %d letters, digits and . _ -, not a mark first",
                      AGENT_NAME_MAX);
    m->instance = need_word(c, "instance", INSTANCE_ID_LEN);
    m->run_id = need_word(c, "run_id", INSTANCE_ID_LEN);
    m->version = need_word(c, "version", MESSAGE_ID_MAX);
    m->store_id = json_get_str(c, "store_id", MESSAGE_ID_MAX, "");
    read_tags(c, m);
    read_capabilities(c, m);
    m->slots = json_need_int(c, "slots", 1, INT32_MAX);
    m->workers = json_get_int(c, "workers", 1, INT32_MAX, 1);
    m->queue = json_get_int(c, "queue", 0, INT32_MAX, 0);
    m->outbox_results = json_get_int(c, "outbox_results", 0, JSON_COUNT_MAX, 0);
}

static void read_inflight(struct json_cur *c, struct message *out)
{
    static const char *const states[] = {"queued", "running", "done"};
    out->inflight.task = need_task(c);
    out->inflight.ticket = need_ticket(c);
    int i = word_index(json_need_str(c, "state", MESSAGE_ID_MAX), states, ARRAY_LEN(states));
    if (i < 0)
        json_cur_fail(c, "'state' must be queued, running or done");
    else
        out->inflight.state = (enum inflight_state)i;
}

static void read_nothing(struct json_cur *c, struct message *out)
{
}

static void read_deny(struct json_cur *c, struct msg_welcome *m)
{
    const struct json_node *list = json_get_arr(c, "deny", DENY_MAX);
    if (list == NULL)
        return;
    for (const struct json_node *n = json_first(list); n != NULL; n = json_next(n)) {
        struct cidr unused;
        const char *text = item_str(c, "deny", n, MESSAGE_ID_MAX);
        if (cidr_parse(text, &unused) != ERR_NONE)
            json_cur_fail(c, "'deny' item %u is not a CIDR", m->n_deny + 1);
        m->deny[m->n_deny++] = text;
    }
}

static void read_welcome(struct json_cur *c, struct message *out)
{
    struct msg_welcome *m = &out->welcome;
    m->proto = (int)json_need_int(c, "proto", 1, 1000);
    m->session = need_word(c, "session", MESSAGE_ID_MAX);
    m->store_id = need_word(c, "store_id", MESSAGE_ID_MAX);
    m->heartbeat_ms = json_need_int(c, "heartbeat_ms", 1, INTERVAL_MS_MAX);
    m->timeout_ms = json_need_int(c, "timeout_ms", 1, INTERVAL_MS_MAX);
    m->results = need_window(c, "results");
    read_deny(c, m);
    if (wall_parse(json_need_str(c, "time", MESSAGE_ID_MAX), &m->time) != ERR_NONE)
        json_cur_fail(c, "'time' is not an RFC 3339 time");
}

static void read_verdict(struct json_cur *c, struct message *out)
{
    out->verdict.task = need_task(c);
    out->verdict.keep = need_bool(c, "keep");
}

static void read_credit(struct json_cur *c, struct message *out)
{
    out->credit.count = need_count(c, "tasks");
    out->credit.bytes = need_count(c, "bytes");
}

static void read_machine(struct json_cur *c, struct msg_heartbeat *m)
{
    m->cpu_percent = get_measure(c, "cpu_percent");
    m->load1 = get_measure(c, "load1");
    m->rss_bytes = get_figure(c, "rss_bytes");
    m->mem_available_bytes = get_figure(c, "mem_available_bytes");
    m->fds_used = get_figure(c, "fds_used");
    m->fds_max = get_figure(c, "fds_max");
    m->established = get_figure(c, "established");
    m->time_wait = get_figure(c, "time_wait");
    m->close_wait = get_figure(c, "close_wait");
    m->ephemeral_ports = get_figure(c, "ephemeral_ports");
    m->recvq_bytes = get_figure(c, "recvq_bytes");
    m->sendq_bytes = get_figure(c, "sendq_bytes");
}

static void read_clock(struct json_cur *c, struct msg_heartbeat *m)
{
    m->clock_ms = json_get_int(c, "clock_ms", -CLOCK_MS_MAX, CLOCK_MS_MAX, 0);
    m->has_clock = m->clock_ms == json_get_int(c, "clock_ms", -CLOCK_MS_MAX, CLOCK_MS_MAX, 1);
}

static void read_heartbeat(struct json_cur *c, struct message *out)
{
    struct msg_heartbeat *m = &out->heartbeat;
    m->seq = need_count(c, "seq");
    m->received = need_window(c, "received");
    m->credit = need_window(c, "credit");
    m->lag_ms = get_measure(c, "lag_ms");
    m->rtt_ms = get_measure(c, "rtt_ms");
    read_clock(c, m);
    m->queue = get_figure(c, "queue");
    m->running = get_figure(c, "running");
    m->slots = get_figure(c, "slots");
    m->oldest_ms = get_figure(c, "oldest_ms");
    m->overdue_ms = get_figure(c, "overdue_ms");
    m->still_ms = get_figure(c, "still_ms");
    m->outbox_results = get_figure(c, "outbox_results");
    m->outbox_bytes = get_figure(c, "outbox_bytes");
    m->spool_bytes = get_figure(c, "spool_bytes");
    m->log_lost = get_figure(c, "log_lost");
    read_machine(c, m);
    m->drops = get_count(c, "drops");
    m->probes = get_count(c, "probes");
    m->trouble = get_text(c, "trouble");
}

static void read_heartbeat_ack(struct json_cur *c, struct message *out)
{
    out->heartbeat_ack.seq = need_count(c, "seq");
    out->heartbeat_ack.lag_ms = get_measure(c, "lag_ms");
    out->heartbeat_ack.results = need_window(c, "results");
    const char *time = json_get_str(c, "time", MESSAGE_ID_MAX, "");
    if (*time != '\0' && wall_parse(time, &out->heartbeat_ack.time) != ERR_NONE)
        json_cur_fail(c, "'time' is not an RFC 3339 time");
}

/* An object member, and its bytes as they came: *text holds the line before (lend_line), the
 * member's after. */
static const struct json_node *need_span(struct json_cur *c, const char *name, const char **text,
                                         size_t *len)
{
    const struct json_node *n = json_get_obj(c, name);
    size_t at = 0;
    if (n != NULL)
        json_node_span(n, &at, len);
    else
        json_cur_fail(c, "'%s' is missing", name);
    *text += at;
    return n;
}

static void read_task(struct json_cur *c, struct message *out)
{
    struct msg_task *m = &out->task;
    m->spec = need_span(c, "spec", &m->spec_text, &m->spec_len);
    m->task = need_task(c);
    m->ticket = need_ticket(c);
    m->trace = json_get_str(c, "trace", MESSAGE_ID_MAX, "");
    m->log = json_get_bool(c, "log", false);
    if (task_class_parse(json_need_str(c, "class", MESSAGE_ID_MAX), &m->cls) != ERR_NONE)
        json_cur_fail(c, "'class' must be interactive, schedule or bulk");
    m->deadline_in_ms = json_need_int(c, "deadline_in_ms", 0, TASK_DEADLINE_MAX);
}

static void read_result(struct json_cur *c, struct message *out)
{
    struct msg_result *m = &out->result;
    m->record = need_span(c, "record", &m->record_text, &m->record_len);
    m->task = need_task(c);
    m->ticket = need_ticket(c);
    const struct json_node *credit = json_get_obj(c, "credit");
    m->has_credit = credit != NULL;
    if (credit != NULL)
        m->credit = window_of(c, "credit", credit);
}

static void read_release(struct json_cur *c, struct message *out)
{
    out->nack.task = need_task(c);
    out->nack.ticket = need_ticket(c);
    out->nack.cause = out->nack.detail = "";
}

static void read_nack(struct json_cur *c, struct message *out)
{
    read_release(c, out);
    out->nack.cause = need_word(c, "cause", CAUSE_MAX - 1);
    out->nack.detail = get_text(c, "detail");
}

static uint64_t item_id(struct json_cur *c, const char *list, const struct json_node *n)
{
    uint64_t id = 0;
    const char *s = json_type(n) == JSON_STRING ? json_node_str(n) : "";
    if (u64_parse(s, strlen(s), &id) != ERR_NONE || id > INT64_MAX)
        json_cur_fail(c, "'%s' must hold task ids: decimal numbers in quotes", list);
    return id;
}

static void read_results_ack(struct json_cur *c, struct message *out)
{
    static const char *const lists[] = {
        [ACK_STORED] = "stored", [ACK_DUPLICATE] = "duplicate", [ACK_REJECTED] = "rejected"};
    struct msg_results_ack *m = &out->results_ack;
    const struct json_node *arrays[ARRAY_LEN(lists)];
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        arrays[i] = json_get_arr(c, lists[i], ACK_TASKS_MAX);
        n += arrays[i] == NULL ? 0 : json_count(arrays[i]);
    }
    if (n > ACK_TASKS_MAX)
        json_cur_fail(c, "more than %d ids", ACK_TASKS_MAX);
    m->results = need_window(c, "results");
    if (c->err != ERR_NONE)
        return;
    m->acks = mem_array(n + 1, sizeof(*m->acks));
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        const struct json_node *id = arrays[i] == NULL ? NULL : json_first(arrays[i]);
        for (; id != NULL; id = json_next(id))
            m->acks[m->n++] = (struct msg_ack){item_id(c, lists[i], id), (enum ack_verdict)i};
    }
}

static void read_cancel(struct json_cur *c, struct message *out)
{
    struct msg_cancel *m = &out->cancel;
    const struct json_node *list = json_get_arr(c, "tasks", ACK_TASKS_MAX);
    if (list == NULL) {
        json_cur_fail(c, "'tasks' is missing");
        return;
    }
    m->tasks = mem_array(json_count(list) + 1, sizeof(*m->tasks));
    for (const struct json_node *n = json_first(list); n != NULL; n = json_next(n))
        m->tasks[m->n++] = item_id(c, "tasks", n);
}

static void read_text(struct json_cur *c, struct message *out)
{
    out->text.reason = get_text(c, "reason");
    out->text.reconnect_in_ms = json_get_int(c, "reconnect_in_ms", 0, RECONNECT_MS_MAX, 0);
}

typedef void read_f(struct json_cur *c, struct message *out);

static read_f *const readers[] = {
    [MSG_HELLO] = read_hello,
    [MSG_INFLIGHT] = read_inflight,
    [MSG_INFLIGHT_END] = read_nothing,
    [MSG_WELCOME] = read_welcome,
    [MSG_VERDICT] = read_verdict,
    [MSG_VERDICT_END] = read_nothing,
    [MSG_CREDIT] = read_credit,
    [MSG_HEARTBEAT] = read_heartbeat,
    [MSG_HEARTBEAT_ACK] = read_heartbeat_ack,
    [MSG_TASK] = read_task,
    [MSG_RESULT] = read_result,
    [MSG_NACK] = read_nack,
    [MSG_RELEASE] = read_release,
    [MSG_RESULTS_ACK] = read_results_ack,
    [MSG_CANCEL] = read_cancel,
    [MSG_DRAIN] = read_text,
    [MSG_GOAWAY] = read_text,
    [MSG_BYE] = read_text,
};
_Static_assert(ARRAY_LEN(readers) == ARRAY_LEN(words), "every message has its reader");

static enum message_type type_of(struct json_cur *c)
{
    const char *word = json_need_str(c, "type", LINE_MAX_BYTES);
    int i = c->err == ERR_NONE ? word_index(word, words, ARRAY_LEN(words)) : 0;
    return i > 0 ? (enum message_type)i : MSG_UNKNOWN;
}

/* A task or a result must fit every window, so its line has a smaller bound than others. The
 * newline counts. */
static enum err check_size(enum message_type t, size_t len, char *why, size_t why_max)
{
    size_t max = t == MSG_TASK     ? TASK_MAX_BYTES
                 : t == MSG_RESULT ? RESULT_MAX_BYTES
                                   : LINE_MAX_BYTES;
    if (len + 1 <= max || t == MSG_UNKNOWN)
        return ERR_NONE;
    snprintf(why, why_max, "%s: the line has %zu bytes, at most %zu are allowed", message_word(t),
             len + 1, max);
    return ERR_TOO_BIG;
}

/* Where need_span() looks for bytes. */
static void lend_line(struct message *m, const char *line)
{
    if (m->type == MSG_TASK)
        m->task.spec_text = line;
    else if (m->type == MSG_RESULT)
        m->result.record_text = line;
}

static enum err read_fields(struct json_cur *c, const char *line, size_t len, struct message *m,
                            char *why, size_t why_max)
{
    m->type = type_of(c);
    enum err e = check_size(m->type, len, why, why_max);
    if (e != ERR_NONE)
        return e;
    lend_line(m, line);
    if (m->type != MSG_UNKNOWN)
        readers[m->type](c, m);
    e = json_cur_end_lenient(c);
    if (e != ERR_NONE)
        snprintf(why, why_max, "%s: %s", m->type == MSG_UNKNOWN ? "message" : words[m->type],
                 c->problem);
    return e;
}

enum err message_decode(const char *line, size_t len, struct message *out, char *why,
                        size_t why_max)
{
    REQUIRE(out != NULL && why != NULL && why_max > 0);
    struct message m = {0};
    char fault[JSON_PROBLEM_MAX];
    enum err e = json_parse(line, len, &m.doc, fault, sizeof(fault));
    if (e != ERR_NONE) {
        snprintf(why, why_max, "message: not a line of JSON: %s", fault);
        return e;
    }
    struct json_cur c;
    json_cur_init(&c, json_root(m.doc));
    e = read_fields(&c, line, len, &m, why, why_max);
    if (e == ERR_NONE)
        *out = m;
    else
        message_fini(&m);
    return e;
}

void message_fini(struct message *m)
{
    if (m->type == MSG_RESULTS_ACK)
        free(m->results_ack.acks);
    else if (m->type == MSG_CANCEL)
        free(m->cancel.tasks);
    json_free(&m->doc);
    *m = (struct message){0};
}
