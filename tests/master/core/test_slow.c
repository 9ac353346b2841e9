/* SPDX-License-Identifier: MIT */
#include "tests/support/core_fixture.h"

/* Who speaks and does not read: by its own count nothing of what was sent arrives. */

#define SENT 20

static struct w_agent *a, *other;

static void beat(uint64_t received)
{
    struct strbuf b;
    strbuf_init(&b, LINE_MAX_BYTES);
    struct msg_heartbeat h = {
        .seq = 1, .received = {received, 0}, .credit = {2 * SENT, 1 << 20}, .trouble = ""};
    msg_put_heartbeat(&b, &h);
    w_say(w, a, &b);
    world_settle(w);
}

/* Seconds pass, with a heartbeat each five. */
static void pass_s(int s, uint64_t received)
{
    for (; s > 0; s -= 5) {
        world_tick(w, 5000, false);
        if (!a->closed)
            beat(received);
    }
}

static void work(uint32_t num)
{
    world_batch(w, num, SENT, 0, 0);
    w->batches[num].def.cls = CLASS_INTERACTIVE; /* bulk never gets all of the credit */
    world_open(w, num);
}

static void begin(void)
{
    setup();
    work(1);
    a = world_connect(w, 0, "a", "1");
    a->granted = (struct window){2 * SENT, 1 << 20};
    beat(0);
    ck_assert_uint_eq(a->n_held, SENT);
}

static bool slow(void)
{
    struct agent_view *v;
    ck_assert_uint_eq(core_agents(w->core, "a", w->now, &v), 1);
    bool is = v[0].slow;
    ck_assert_int_ne(v[0].state, AGENT_SUSPECT);
    core_views_free(v, 1);
    return is;
}

START_TEST(it_is_slow_after_15_s_and_not_dead)
{
    begin();
    pass_s(10, 0);
    ck_assert(!slow());
    pass_s(5, 0);
    ck_assert(slow());
    ck_assert_str_eq(w->last_event, "agent_slow");
    done();
}
END_TEST

START_TEST(it_gets_no_more_and_others_do)
{
    begin();
    pass_s(15, 0);
    work(2);
    world_tick(w, 2000, false);
    ck_assert_uint_eq(a->n_held, SENT);
    other = world_connect(w, 1, "b", "1");
    world_credit(w, other, SENT);
    ck_assert_uint_eq(other->n_held, SENT);
    done();
}
END_TEST

START_TEST(who_reads_again_gets_more_at_once)
{
    begin();
    pass_s(15, 0);
    work(2);
    beat(SENT);
    ck_assert(!slow());
    ck_assert_uint_eq(a->n_held, 2 * SENT);
    done();
}
END_TEST

START_TEST(the_kernel_is_told_to_wait_before_it_would_end_the_link)
{
    begin();
    ck_assert(!a->borne);
    pass_s(10, 0);
    ck_assert(a->borne);
    beat(1);
    ck_assert(!a->borne);
    done();
}
END_TEST

START_TEST(who_reads_little_by_little_is_slow_when_the_oldest_waits_and_not_closed)
{
    begin();
    pass_s(10, 1);
    ck_assert(!slow());
    for (uint64_t received = 2; received < SENT; received++) {
        pass_s(10, received);
        ck_assert(slow());
    }
    beat(SENT);
    ck_assert(!slow());
    done();
}
END_TEST

START_TEST(it_is_closed_after_45_s_and_its_tasks_go_to_others)
{
    begin();
    pass_s(40, 0);
    ck_assert(!a->closed);
    pass_s(5, 0);
    ck_assert(a->closed);
    ck_assert_int_eq(a->close_code, CLOSE_WRITE_STALLED);
    core_session_closed(w->core, a->id, end_of_close(a->close_code), "", w->now);
    a->id = 0;
    a->n_held = 0;
    ck_assert_str_eq(end_word(w->last_end), end_word(END_write_stalled));
    ck_assert_ptr_nonnull(strstr(w->last_end_detail, "20 tasks sent, 0 received"));
    other = world_connect(w, 1, "b", "1");
    world_credit(w, other, SENT);
    world_tick(w, ORPHAN_GRACE_MS + 1000, true);
    ck_assert_uint_eq(other->n_held, SENT);
    done();
}
END_TEST

START_TEST(a_master_that_overslept_blames_itself)
{
    begin();
    pass_s(10, 0);
    w->now = mono_add_ms(w->now, 40000);
    beat(0);
    ck_assert(!slow());
    ck_assert(!a->closed);
    done();
}
END_TEST

TESTS(all, it_is_slow_after_15_s_and_not_dead, it_gets_no_more_and_others_do,
      who_reads_again_gets_more_at_once, the_kernel_is_told_to_wait_before_it_would_end_the_link,
      who_reads_little_by_little_is_slow_when_the_oldest_waits_and_not_closed,
      it_is_closed_after_45_s_and_its_tasks_go_to_others, a_master_that_overslept_blames_itself)
CHECK_MAIN("slow", all)
