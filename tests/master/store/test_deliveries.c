/* SPDX-License-Identifier: MIT */
#include "tests/master/store/timetable.h"

/* Channels, and the queue of what they are to be told. */

static enum err put_channel(const char *name, const char *doc)
{
    struct store_req *r = fx_req(STORE_CHANNEL_PUT);
    r->channel.name = mem_strdup(name);
    r->channel.doc = mem_strdup(doc);
    return fx_run_free(r);
}

static void setup(void)
{
    fx_setup();
    ck_assert_int_eq(put_channel("ops", "{\"kind\":\"webhook\"}"), ERR_NONE);
}

static struct store_req *deliveries(const char *channel, int state, uint64_t incident, bool due)
{
    struct store_req *r = fx_req(STORE_DELIVERIES);
    snprintf(r->deliveries.channel, sizeof(r->deliveries.channel), "%s", channel);
    r->deliveries.state = state;
    r->deliveries.incident = incident;
    r->deliveries.due = due;
    r->deliveries.limit = 3;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    return r;
}

static unsigned count(const char *channel, int state, uint64_t incident, bool due)
{
    struct store_req *r = deliveries(channel, state, incident, due);
    unsigned n = r->deliveries.n;
    store_req_destroy(&r);
    return n;
}

static enum err read_channel(const char *name, unsigned *n, char *doc, size_t max)
{
    struct store_req *r = fx_req(STORE_CHANNELS);
    snprintf(r->channels.name, sizeof(r->channels.name), "%s", name);
    enum err e = fx_run(r);
    *n = r->channels.n;
    snprintf(doc, max, "%s", *n ? r->channels.items[0].doc : "");
    store_req_destroy(&r);
    return e;
}

static enum err remove_channel(const char *name)
{
    struct store_req *r = fx_req(STORE_CHANNEL_REMOVE);
    r->channel.name = mem_strdup(name);
    return fx_run_free(r);
}

START_TEST(channels_are_put_replaced_read_and_removed)
{
    unsigned n;
    char doc[64];
    ck_assert_int_eq(put_channel("chat", "{\"kind\":\"slack\"}"), ERR_NONE);
    ck_assert_int_eq(put_channel("ops", "{\"kind\":\"email\"}"), ERR_NONE);
    ck_assert_int_eq(read_channel("", &n, doc, sizeof(doc)), ERR_NONE);
    ck_assert_uint_eq(n, 2);
    ck_assert_int_eq(read_channel("ops", &n, doc, sizeof(doc)), ERR_NONE);
    ck_assert_str_eq(doc, "{\"kind\":\"email\"}");
    ck_assert_int_eq(remove_channel("chat"), ERR_NONE);
    ck_assert_int_eq(remove_channel("chat"), ERR_NOT_FOUND);
    ck_assert_int_eq(read_channel("chat", &n, doc, sizeof(doc)), ERR_NOT_FOUND);
}
END_TEST

START_TEST(an_entry_queues_one_for_each_channel_that_there_is)
{
    struct store_entry e[] = {tt_incident(7, INCIDENT_OPEN, INCIDENT_DID_OPEN, 1),
                              tt_incident(7, INCIDENT_CONFIRMED, INCIDENT_DID_CONFIRM, 1)};
    ck_assert_uint_eq(tt_journal(e, 2), 2); /* "nobody" is no channel */
    struct store_req *r = deliveries("", -1, 7, false);
    ck_assert_uint_eq(r->deliveries.n, 2);
    const struct store_delivery *x = &r->deliveries.items[0];
    ck_assert_str_eq(x->channel, "ops");
    ck_assert_str_eq(x->facts, "{\"text\":\"down\"}");
    ck_assert_str_eq(x->dedup, "incident 7 confirmed");
    ck_assert_uint_eq(x->incident, 7);
    ck_assert_int_eq(x->state, DELIVERY_PENDING);
    ck_assert_int_ne(x->next_at.us, 0);
    store_req_destroy(&r);
    fx_check_green();
}
END_TEST

START_TEST(the_same_news_is_queued_once)
{
    struct store_entry a = tt_incident(7, INCIDENT_CONFIRMED, INCIDENT_DID_CONFIRM, 1);
    ck_assert_uint_eq(tt_journal(&a, 1), 1);
    struct store_entry b = tt_incident(7, INCIDENT_CONFIRMED, INCIDENT_DID_CONFIRM, 1);
    ck_assert_uint_eq(tt_journal(&b, 1), 0);
    struct store_entry c = tt_incident(7, INCIDENT_CONFIRMED, INCIDENT_DID_GROW, 1);
    ck_assert_uint_eq(tt_journal(&c, 1), 1);
    ck_assert_uint_eq(count("ops", -1, 0, false), 2);
}
END_TEST

/* The first that is due, told so. */
static enum err tell(uint64_t id, enum delivery_state state, int64_t next_us)
{
    struct store_req *r = fx_req(STORE_DELIVERY_TELL);
    r->delivery = (struct store_delivery){.id = id,
                                          .state = state,
                                          .attempts = 1,
                                          .next_at = {next_us},
                                          .ended_at = {state == DELIVERY_PENDING ? 0 : 5000000},
                                          .status = 503,
                                          .error = mem_strdup("it was busy")};
    return fx_run_free(r);
}

START_TEST(what_is_due_comes_oldest_first)
{
    for (uint64_t i = 1; i <= 5; i++) {
        struct store_entry e = tt_incident(i, INCIDENT_CONFIRMED, INCIDENT_DID_CONFIRM, 1);
        tt_journal(&e, 1);
    }
    struct store_req *r = deliveries("", -1, 0, true);
    uint64_t first = r->deliveries.items[0].id, second = r->deliveries.items[1].id;
    ck_assert_uint_eq(r->deliveries.n, 3);
    ck_assert(r->deliveries.more);
    ck_assert_uint_lt(first, second);
    store_req_destroy(&r);
    ck_assert_int_eq(tell(first, DELIVERY_PENDING, INT64_C(4000000000000000)), ERR_NONE);
    ck_assert_int_eq(tell(second, DELIVERY_DONE, 0), ERR_NONE);
    ck_assert_int_eq(tell(999, DELIVERY_DONE, 0), ERR_NOT_FOUND);
    r = deliveries("", -1, 0, true);
    ck_assert_uint_eq(r->deliveries.items[0].id, second + 1);
    store_req_destroy(&r);
    ck_assert_uint_eq(count("", DELIVERY_DONE, 0, false), 1);
    ck_assert_uint_eq(count("ops", DELIVERY_DONE, 2, false), 1);
    ck_assert_uint_eq(count("chat", -1, 2, false), 0);
    fx_check_green();
}
END_TEST

START_TEST(what_waits_for_a_removed_channel_has_failed)
{
    struct store_entry e = tt_incident(7, INCIDENT_CONFIRMED, INCIDENT_DID_CONFIRM, 1);
    tt_journal(&e, 1);
    ck_assert_int_eq(remove_channel("ops"), ERR_NONE);
    ck_assert_uint_eq(count("", -1, 0, true), 0);
    struct store_req *r = deliveries("", DELIVERY_FAILED, 0, false);
    ck_assert_uint_eq(r->deliveries.n, 1);
    ck_assert_str_eq(r->deliveries.items[0].error, "the channel was removed");
    store_req_destroy(&r);
    fx_check_green();
}
END_TEST

static enum err add_by_hand(const char *channel, uint64_t *id)
{
    struct store_req *r = fx_req(STORE_DELIVERY_ADD);
    r->delivery.channel = mem_strdup(channel);
    r->delivery.facts = mem_strdup("{\"test\":true}");
    enum err e = fx_run(r);
    *id = r->delivery.id;
    store_req_destroy(&r);
    return e;
}

START_TEST(one_by_hand_is_queued_each_time)
{
    uint64_t a = 0, b = 0;
    ck_assert_int_eq(add_by_hand("none", &a), ERR_NOT_FOUND);
    ck_assert_int_eq(add_by_hand("ops", &a), ERR_NONE);
    ck_assert_int_eq(add_by_hand("ops", &b), ERR_NONE);
    ck_assert_uint_gt(b, a);
    ck_assert_uint_gt(a, 0);
}
END_TEST

START_TEST(damage_is_found)
{
    char text[4096] = "";
    uint64_t id;
    ck_assert_int_eq(add_by_hand("ops", &id), ERR_NONE);
    fx_sql("UPDATE deliveries SET state = 1, facts = '{'; UPDATE channels SET doc = '{'");
    ck_assert(!fx_check(text, sizeof(text)));
    ck_assert_ptr_nonnull(strstr(text, "state 1 does not fit its end"));
    ck_assert_ptr_nonnull(strstr(text, "its facts are damaged"));
    ck_assert_ptr_nonnull(strstr(text, "channel ops: its definition is damaged"));
    ck_assert_uint_eq(count("", -1, 0, false), 0);
    ck_assert_uint_gt(counter_get(&store_stats(fx)->damaged), 0);
}
END_TEST

TESTS(each, channels_are_put_replaced_read_and_removed,
      an_entry_queues_one_for_each_channel_that_there_is, the_same_news_is_queued_once,
      what_is_due_comes_oldest_first, what_waits_for_a_removed_channel_has_failed,
      one_by_hand_is_queued_each_time, damage_is_found)

static TCase *all(void)
{
    TCase *tc = each();
    tcase_add_checked_fixture(tc, setup, fx_teardown);
    tcase_set_timeout(tc, 60);
    return tc;
}
CHECK_MAIN("deliveries", all)
