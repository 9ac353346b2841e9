/* SPDX-License-Identifier: MIT */
#include "master/hub/desk.h"
#include <stdlib.h>
#include <string.h>
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/hub/history.h"
#include "master/hub/journal.h"

/* Sockets asked for one answer: three system calls each, on the thread that must not block. */
#define DESK_LOOKS_MAX 500

void desk_init(struct desk *d, mailbox_wake_f *wake, void *arg)
{
    *d = (struct desk){0};
    d->box = mailbox_create("hub-requests", CORE_REQS_MAX, SIZE_MAX, wake, arg);
    list_init(&d->waits);
    list_init(&d->commits);
}

void desk_fini(struct desk *d)
{
    REQUIRE(list_empty(&d->waits) && list_empty(&d->commits));
    mailbox_destroy(&d->box);
}

enum err desk_post(struct desk *d, struct core_req *r)
{
    REQUIRE(r != NULL && r->done != NULL);
    r->letter.weight_bytes = sizeof(*r);
    return mailbox_post(d->box, &r->letter);
}

/* ---- opening a batch */

/* The selection of a batch, borrowed from the parsed text. */
struct selection {
    struct json_doc *doc;
    const char **names;
    unsigned n_names;
    struct msg_tag *tags;
    unsigned n_tags;
};

static void selection_names(struct selection *s, const struct json_node *names)
{
    if (names == NULL)
        return;
    s->names = mem_array(json_count(names) + 1, sizeof(*s->names));
    for (const struct json_node *n = json_first(names); n != NULL; n = json_next(n))
        if (json_type(n) == JSON_STRING)
            s->names[s->n_names++] = json_node_str(n);
}

static void selection_tags(struct selection *s, const struct json_node *tags)
{
    if (tags == NULL)
        return;
    s->tags = mem_array(json_count(tags) + 1, sizeof(*s->tags));
    for (const struct json_node *n = json_first(tags); n != NULL; n = json_next(n))
        if (json_type(n) == JSON_STRING)
            s->tags[s->n_tags++] = (struct msg_tag){json_node_key(n), json_node_str(n)};
}

/* A selection that cannot be read selects nobody: better late than at the wrong agents. */
static void selection_init(struct selection *s, const struct batch_info *b)
{
    char why[160] = "";
    struct json_cur cur;
    *s = (struct selection){0};
    if (b->agents == NULL)
        return;
    if (json_parse(b->agents, strlen(b->agents), &s->doc, why, sizeof(why)) == ERR_NONE) {
        json_cur_init(&cur, json_root(s->doc));
        selection_names(s, json_get_arr(&cur, "names", SIZE_MAX));
        selection_tags(s, json_get_obj(&cur, "tags"));
        if (json_cur_end_lenient(&cur) == ERR_NONE)
            return;
        snprintf(why, sizeof(why), "%.150s", cur.problem);
    }
    LOG(LOG_ERROR, "hub", "bad_selection", LS("batch", b->uuid), LS("why", why));
    free(s->names);
    s->names = mem_array(1, sizeof(*s->names));
    s->names[0] = "";
    s->n_names = 1;
}

static void selection_fini(struct selection *s)
{
    free(s->names);
    free(s->tags);
    json_free(&s->doc);
}

/* The time of day is asked only when nothing better is known: after a reboot. */
static int64_t deadline_in_ms(const struct batch_info *info, bool resumed)
{
    struct boot boot;
    if (!resumed)
        return info->deadline_s * 1000;
    boot_read(&boot);
    if (boot.id[0] && strcmp(boot.id, info->boot) == 0)
        return (info->deadline_boot_us - boot.us) / 1000;
    return (info->deadline_at.us - wall_now().us) / 1000;
}

void desk_open_batch(struct core *core, const struct batch_info *info, bool resumed,
                     struct mono now)
{
    struct selection s;
    selection_init(&s, info);
    struct core_batch b = {
        .num = info->num,
        .uuid = info->uuid,
        .trace = info->trace,
        .cls = info->cls,
        .per_host = info->per_host,
        .per_host_rate = info->per_host_rate,
        .slots = info->slots,
        .agent_names = s.names,
        .n_agent_names = s.n_names,
        .tags = s.tags,
        .n_tags = s.n_tags,
        .total = info->total,
        .low_water = info->low_water,
        .deadline_in_ms = deadline_in_ms(info, resumed),
        .marked = info->mark != MARK_NONE,
        .paused = info->paused,
        .log_tasks = info->log_tasks,
        .lane = info->lane,
        .growing = info->growing,
        .resumed = resumed,
    };
    memcpy(b.ended, info->ended, sizeof(b.ended));
    LOG(LOG_INFO, "batch", resumed ? "resumed" : "opened", LS("trace", info->trace),
        LS("batch", info->uuid), LU("tasks", info->total), LS("priority", task_class_word(b.cls)));
    core_batch_open(core, &b, now);
    selection_fini(&s);
}

/* ---- requests */

static void answer(struct core_req *r, bool found)
{
    REQUIRE(!list_linked(&r->letter.node) && !list_linked(&r->wait_node));
    r->found = found;
    r->done(r);
}

/* The core may answer at once, from inside core_wait. */
static void wait(struct desk *d, struct core_req *r, struct mono now)
{
    r->wait_until = mono_add_ms(now, r->wait_ms > 0 ? r->wait_ms : 0);
    list_push_back(&d->waits, &r->wait_node);
    core_wait(d->core, r->batch, r);
}

/* Of a batch that is not open, only the time is waited for: who asks sees in the store why. */
static void watch(struct desk *d, struct core_req *r, struct mono now)
{
    bool open = core_batch_counts(d->core, r->batch, &r->counts);
    if (r->wait_ms <= 0) {
        answer(r, open);
        return;
    }
    r->wait_until = mono_add_ms(now, r->wait_ms);
    list_push_back(&d->waits, &r->wait_node);
    if (open)
        core_wait(d->core, r->batch, r);
}

/* Answered by desk_on_committed; at the end of the hub by desk_close, whatever the store has done.
 */
static void change(struct desk *d, struct core_req *r, struct mono now)
{
    bool taken = r->op == REQ_CANCEL ? core_cancel(d->core, r->batch, r, now)
                                     : core_pause(d->core, r->batch, r->pause, r, now);
    if (taken) {
        list_push_back(&d->commits, &r->wait_node);
        return;
    }
    core_batch_counts(d->core, r->batch, &r->counts);
    answer(r, false);
}

static bool find_task(struct desk *d, struct core_req *r, struct mono now)
{
    struct core_task_view v;
    struct strbuf b;
    if (!core_task(d->core, r->task, &v))
        return false;
    strbuf_init(&b, HISTORY_JSON_MAX);
    history_encode(&v.history, now, wall_now(), &b);
    r->state = v.state;
    r->history = strbuf_take(&b, NULL);
    return true;
}

/* A few system calls for each: of ten thousand only those whose figures will be asked for. */
static void look_at_links(struct desk *d, struct core_req *r)
{
    bool all = r->n_views <= DESK_LOOKS_MAX;
    unsigned looks = 0;
    for (unsigned i = 0; d->look && i < r->n_views && looks < DESK_LOOKS_MAX; i++) {
        if (!all && !r->views[i].slow)
            continue;
        d->look(d->look_arg, &r->views[i], 1);
        looks++;
    }
}

static void serve(struct desk *d, struct core_req *r, struct mono now)
{
    switch (r->op) {
    case REQ_BATCH_OPENED:
        REQUIRE(r->opened != NULL);
        desk_open_batch(d->core, r->opened, false, now);
        answer(r, true);
        break;
    case REQ_BATCH_COUNTS:
        answer(r, core_batch_counts(d->core, r->batch, &r->counts));
        break;
    case REQ_CANCEL:
    case REQ_PAUSE:
        change(d, r, now);
        break;
    case REQ_WAIT:
        wait(d, r, now);
        break;
    case REQ_WATCH:
        watch(d, r, now);
        break;
    case REQ_TASK:
        answer(r, find_task(d, r, now));
        break;
    case REQ_AGENTS:
        r->n_views = core_agents(d->core, r->agent, now, &r->views);
        look_at_links(d, r);
        answer(r, r->n_views > 0);
        break;
    case REQ_EVENTS:
        journal_serve(d->journal, r, now);
        break;
    case REQ_DIAGNOSE:
        r->n_views = core_agents(d->core, NULL, now, &r->views);
        look_at_links(d, r);
        journal_pile(d->journal, now, &r->pile);
        r->stuck = mem_array(CORE_STUCK_MAX, sizeof(*r->stuck));
        r->n_stuck = core_stuck(d->core, now, r->stuck, &r->more_stuck);
        mailbox_stats(d->box, &r->box);
        answer(r, true);
        break;
    }
}

void desk_take(struct desk *d, struct mono now)
{
    struct list got;
    struct list_node *n;
    list_init(&got);
    mailbox_take_all(d->box, &got);
    while ((n = list_pop_front(&got)) != NULL)
        serve(d, CONTAINER_OF(n, struct core_req, letter.node), now);
}

void desk_on_ended(struct desk *d, struct core_req *waiter)
{
    list_remove(&d->waits, &waiter->wait_node);
    answer(waiter, waiter->op == REQ_WAIT);
}

void desk_on_committed(struct desk *d, struct core_req *waiter)
{
    list_remove(&d->commits, &waiter->wait_node);
    core_batch_counts(d->core, waiter->batch, &waiter->counts);
    answer(waiter, true);
}

static void give_up(struct desk *d, struct core_req *r)
{
    core_unwait(d->core, r->batch, r);
    list_remove(&d->waits, &r->wait_node);
    answer(r, r->op == REQ_WATCH && core_batch_counts(d->core, r->batch, &r->counts));
}

void desk_tick(struct desk *d, struct mono now)
{
    LIST_EACH_SAFE (&d->waits, n, tmp) {
        struct core_req *r = CONTAINER_OF(n, struct core_req, wait_node);
        if (!mono_before(now, r->wait_until))
            give_up(d, r);
    }
    journal_tick(d->journal, now);
}

void desk_close(struct desk *d)
{
    struct list got;
    struct list_node *n;
    list_init(&got);
    mailbox_close(d->box);
    mailbox_take_all(d->box, &got);
    while ((n = list_pop_front(&got)) != NULL)
        answer(CONTAINER_OF(n, struct core_req, letter.node), false);
    LIST_EACH_SAFE (&d->waits, w, tmp) {
        give_up(d, CONTAINER_OF(w, struct core_req, wait_node));
    }
    while ((n = list_pop_front(&d->commits)) != NULL)
        answer(CONTAINER_OF(n, struct core_req, wait_node), false);
    journal_close(d->journal);
}
