/* SPDX-License-Identifier: MIT */
#include "master/hub/lanes.h"
#include <stdlib.h>
#include <string.h>
#include "common/ids.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/random.h"
#include "master/hub/desk.h"

void lanes_init(struct lanes *l, struct core *core, struct courier *courier)
{
    *l = (struct lanes){.core = core, .courier = courier};
}

static void lane_free(struct lane *x)
{
    free(x->text);
    free(x->agents);
    free(x);
}

void lanes_fini(struct lanes *l)
{
    struct lane *x, *tmp;
    HASH_ITER(hh, l->all, x, tmp)
    {
        HASH_DEL(l->all, x);
        lane_free(x);
    }
}

static struct lane *lane_find(const struct lanes *l, const char *text)
{
    struct lane *x = NULL;
    HASH_FIND_STR(l->all, text, x);
    return x;
}

static struct lane *lane_new(struct lanes *l, const char *text, const struct schedule *s,
                             struct mono now)
{
    struct lane *x = mem_zalloc(sizeof(*x));
    x->text = mem_strdup(text);
    x->agents = s->agents ? mem_strdup(s->agents) : NULL;
    x->slots = s->count ? s->count : AGENTS_COUNT_MAX;
    x->per_host = s->per_host;
    x->per_host_rate = s->per_host_rate;
    x->opened_at = now;
    HASH_ADD_KEYPTR(hh, l->all, x->text, strlen(x->text), x);
    return x;
}

static void send_close(struct lanes *l, uint32_t batch)
{
    struct store_req *q = store_req_create(STORE_LANE_CLOSE, courier_done, l->courier);
    q->lane.info.num = batch;
    courier_send(l->courier, q);
}

void lanes_load(struct lanes *l, uint32_t batch)
{
    send_close(l, batch);
}

/* ---- opening */

static struct store_req *open_request(struct lanes *l, const struct lane *x)
{
    struct store_req *q = store_req_create(STORE_LANE_OPEN, courier_done, l->courier);
    struct batch_info *b = &q->lane.info;
    uint8_t random[16];
    random_bytes(random, sizeof(random));
    uuid7_format(wall_now(), random, b->uuid);
    random_bytes(random, sizeof(random));
    trace_format(random, b->trace);
    b->cls = CLASS_SCHEDULE;
    b->deadline_s = DEADLINE_S_MAX;
    b->per_host = x->per_host;
    b->per_host_rate = x->per_host_rate;
    b->slots = x->slots;
    b->agents = x->agents ? mem_strdup(x->agents) : NULL;
    q->lane.lane = mem_strdup(x->text);
    return q;
}

static void lane_open(struct lanes *l, struct lane *x)
{
    if (x->opening || l->stopping)
        return;
    x->opening = true;
    l->closed += x->batch == 0;
    courier_send(l->courier, open_request(l, x));
}

static struct lane *lane_of(struct lanes *l, const struct schedule *s, struct mono now)
{
    struct strbuf text;
    strbuf_init(&text, SCHEDULE_LANE_MAX + 1);
    schedule_lane(s, &text);
    strbuf_putc(&text, '\0');
    REQUIRE(!text.overflow);
    struct lane *x = lane_find(l, text.data);
    if (x == NULL)
        x = lane_new(l, text.data, s, now);
    strbuf_fini(&text);
    return x;
}

struct lane *lanes_expect(struct lanes *l, const struct schedule *s, struct mono now)
{
    struct lane *x = lane_of(l, s, now);
    if (x->batch == 0)
        lane_open(l, x);
    return x;
}

struct lane *lanes_join(struct lanes *l, const struct schedule *s, struct mono now)
{
    struct lane *x = lanes_expect(l, s, now);
    x->schedules++;
    return x;
}

void lanes_leave(struct lane *x)
{
    REQUIRE(x != NULL && x->schedules > 0);
    x->schedules--;
}

struct lane *lanes_use(struct lanes *l, const struct schedule *s, struct mono now)
{
    struct lane *x = lanes_expect(l, s, now);
    if (mono_diff_ms(now, x->opened_at) >= LANE_MS)
        lane_open(l, x);
    return x;
}

void lanes_refused(struct lanes *l, struct lane *x, uint32_t batch)
{
    if (x->batch == batch) {
        x->batch = 0;
        l->closed += x->opening;
        send_close(l, batch);
    }
    if (x->batch == 0)
        lane_open(l, x);
}

bool lanes_ready(const struct lanes *l)
{
    return l->closed == 0;
}

/* ---- the answers */

static void on_opened(struct lanes *l, struct store_req *q, struct mono now)
{
    struct lane *x = lane_find(l, q->lane.lane);
    REQUIRE(x != NULL && x->opening);
    if (q->err) {
        LOG(LOG_ERROR, "hub", "lane_not_opened", LERR("err", q->err), LS("why", q->why));
        courier_send(l->courier, open_request(l, x));
        return;
    }
    x->opening = false;
    desk_open_batch(l->core, &q->lane.info, false, now);
    if (x->batch != 0)
        send_close(l, x->batch); /* behind all that was sent to it */
    else
        l->closed--;
    x->batch = q->lane.info.num;
    x->opened_at = now;
}

void lanes_answer(struct lanes *l, struct store_req *q, struct mono now)
{
    if (q->op == STORE_LANE_OPEN)
        on_opened(l, q, now);
    else
        core_batch_close(l->core, q->lane.info.num, now);
}

static void lane_close(struct lanes *l, struct lane *x)
{
    send_close(l, x->batch);
    HASH_DEL(l->all, x);
    lane_free(x);
}

void lanes_tick(struct lanes *l, struct mono now)
{
    struct lane *x, *tmp;
    if (l->stopping)
        return;
    HASH_ITER(hh, l->all, x, tmp)
    {
        int64_t age_ms = mono_diff_ms(now, x->opened_at);
        if (x->batch == 0 || x->opening || age_ms < LANE_MS)
            continue;
        if (x->schedules == 0 && x->runs == 0)
            lane_close(l, x);
        else if (age_ms >= LANE_IDLE_MS)
            lane_open(l, x);
    }
}

void lanes_stop(struct lanes *l)
{
    l->stopping = true;
}
