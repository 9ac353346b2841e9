/* SPDX-License-Identifier: MIT */
#include "tests/master/store/timetable.h"

#include "master/alert/sender.h"
#include "tests/master/alert/service.h"

/* The sender beside a real store, and a service that it sends to. */

static struct sender *sender;

static void put_channel(const char *name, const char *path)
{
    struct store_req *r = fx_req(STORE_CHANNEL_PUT);
    char doc[128];
    snprintf(doc, sizeof(doc), "{\"kind\":\"webhook\",\"url\":\"http://127.0.0.1:%d%s\"}",
             service.port, path);
    r->channel.name = mem_strdup(name);
    r->channel.doc = mem_strdup(path[0] == '/' ? doc : path);
    ck_assert_int_eq(fx_run_free(r), ERR_NONE);
}

static void remove_channel(const char *name)
{
    struct store_req *r = fx_req(STORE_CHANNEL_REMOVE);
    r->channel.name = mem_strdup(name);
    ck_assert_int_eq(fx_run_free(r), ERR_NONE);
}

/* Commits that this has happened to the incident, with the delivery of it. */
static void happens(uint64_t incident, enum incident_action_kind action, const char *channel)
{
    struct store_entry e = tt_incident(incident, INCIDENT_CONFIRMED, action, 1);
    char facts[128];
    snprintf(facts, sizeof(facts), "{\"event\":\"%s\",\"title\":\"t\",\"text\":\"x\"}",
             incident_action_word(action));
    free(e.delivery);
    free(e.alerts[0]);
    e.delivery = mem_strdup(facts);
    e.alerts[0] = mem_strdup(channel);
    ck_assert_uint_eq(tt_journal(&e, 1), 1);
}

static struct store_req *deliveries(const char *channel)
{
    struct store_req *r = fx_req(STORE_DELIVERIES);
    snprintf(r->deliveries.channel, sizeof(r->deliveries.channel), "%s", channel);
    r->deliveries.state = -1;
    r->deliveries.limit = 1;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    return r;
}

/* Until the newest delivery to the channel has this state; how often it was tried. */
static unsigned wait_state(const char *channel, enum delivery_state state, int status)
{
    struct mono until = mono_add_ms(mono_now(), SERVICE_WAIT_MS);
    for (;;) {
        struct store_req *r = deliveries(channel);
        const struct store_delivery *d = &r->deliveries.items[0];
        bool there = r->deliveries.n == 1 && d->state == state && d->status == status;
        unsigned attempts = there ? d->attempts : 0;
        ck_assert_msg(there || mono_before(mono_now(), until), "state %d, status %d, %s",
                      r->deliveries.n ? (int)d->state : -1, d->status, d->error ? d->error : "");
        store_req_destroy(&r);
        if (there)
            return attempts;
        usleep(5000);
    }
}

static void begin(void)
{
    sender = sender_create(fx);
}

static void end(void)
{
    sender_stop(sender);
    fx_close();
    sender_destroy(&sender);
}

static void setup(void)
{
    fx_setup();
    log_init(LOG_ERROR, LOG_TEXT, STDERR_FILENO);
    service_start();
    put_channel("ops", "/ops");
    begin();
}

static void teardown(void)
{
    service_hold(false);
    if (sender != NULL)
        end();
    char cmd[96];
    snprintf(cmd, sizeof(cmd), "rm -rf %s", fx_dir);
    ck_assert_int_eq(system(cmd), 0);
}

START_TEST(what_failed_is_tried_again)
{
    SERVICE_SAYS(500);
    happens(17, INCIDENT_DID_CONFIRM, "ops");
    sender_poke(sender);
    ck_assert_uint_eq(wait_state("ops", DELIVERY_DONE, 200), 2);
    ck_assert_uint_eq(service_count("/ops", "incident 17 confirmed"), 2);
    ck_assert_uint_eq(counter_get(&sender_stats(sender)->retried), 1);
    ck_assert_uint_eq(counter_get(&sender_stats(sender)->delivered), 1);
}
END_TEST

START_TEST(what_is_wrong_with_the_message_is_final)
{
    SERVICE_SAYS(400);
    happens(17, INCIDENT_DID_CONFIRM, "ops");
    sender_poke(sender);
    ck_assert_uint_eq(wait_state("ops", DELIVERY_FAILED, 400), 1);
    happens(18, INCIDENT_DID_CONFIRM, "ops");
    sender_poke(sender);
    wait_state("ops", DELIVERY_DONE, 200);
    ck_assert_uint_eq(service_count(NULL, NULL), 2);
}
END_TEST

START_TEST(what_a_channel_does_not_ask_for_is_skipped)
{
    happens(17, INCIDENT_DID_OPEN, "ops");
    sender_poke(sender);
    struct mono until = mono_add_ms(mono_now(), SERVICE_WAIT_MS);
    while (counter_get(&sender_stats(sender)->skipped) == 0) {
        ck_assert(mono_before(mono_now(), until));
        usleep(2000);
    }
    ck_assert_uint_eq(service_count(NULL, NULL), 0);
}
END_TEST

START_TEST(one_incident_is_told_in_order)
{
    SERVICE_SAYS(500, 200, 503, 200);
    happens(17, INCIDENT_DID_CONFIRM, "ops");
    happens(17, INCIDENT_UNMUTED, "ops");
    happens(17, INCIDENT_DID_RESOLVE, "ops");
    sender_poke(sender);
    service_wait(NULL, 5);
    static const char *const order[] = {"incident 17 confirmed", "incident 17 confirmed",
                                        "incident 17 unmuted", "incident 17 unmuted",
                                        "incident 17 resolved"};
    for (unsigned i = 0; i < 5; i++)
        ck_assert_msg(strncmp(service.posts[i].key, order[i], strlen(order[i])) == 0, "%u: %s", i,
                      service.posts[i].key);
    wait_state("ops", DELIVERY_DONE, 200);
}
END_TEST

START_TEST(each_is_sent_once_however_often_it_is_looked_for)
{
    for (uint64_t i = 1; i <= 200; i++) {
        happens(i, INCIDENT_DID_CONFIRM, "ops");
        sender_poke(sender);
    }
    service_wait(NULL, 200);
    wait_state("ops", DELIVERY_DONE, 200);
    for (unsigned i = 0; i < 20; i++) { /* whatever is still on its way */
        sender_poke(sender);
        usleep(5000);
    }
    ck_assert_uint_eq(service_count(NULL, NULL), 200);
}
END_TEST

START_TEST(a_channel_that_is_gone_ends_what_it_had)
{
    put_channel("slow", "/slow");
    service_hold(true);
    SERVICE_SAYS(500);
    happens(17, INCIDENT_DID_CONFIRM, "slow");
    sender_poke(sender);
    service_wait("/slow", 1);
    remove_channel("slow");
    service_hold(false);
    /* The end of the try is told first; the next look finds no channel. */
    struct mono until = mono_add_ms(mono_now(), SERVICE_WAIT_MS);
    while (counter_get(&sender_stats(sender)->failed) == 0) {
        ck_assert(mono_before(mono_now(), until));
        usleep(2000);
    }
    ck_assert_uint_eq(service_count("/slow", NULL), 1);
}
END_TEST

START_TEST(a_channel_that_cannot_be_read_is_not_asked)
{
    put_channel("odd", "{\"kind\":\"pigeon\"}");
    happens(17, INCIDENT_DID_CONFIRM, "odd");
    sender_poke(sender);
    ck_assert_uint_eq(wait_state("odd", DELIVERY_FAILED, 0), 0);
}
END_TEST

/* More than one look holds, and none of them ends. */
START_TEST(a_slow_channel_holds_up_no_other)
{
    put_channel("slow", "/slow");
    service_hold(true);
    for (uint64_t i = 1; i <= SENDER_LOOK + 20; i++)
        happens(i, INCIDENT_DID_CONFIRM, "slow");
    happens(1000, INCIDENT_DID_CONFIRM, "ops");
    sender_poke(sender);
    service_wait("/ops", 1);
    wait_state("ops", DELIVERY_DONE, 200);
    ck_assert_uint_eq(service_count("/slow", NULL), SENDER_CHANNEL_MAX);
}
END_TEST

START_TEST(what_the_stop_cuts_off_is_sent_by_the_next)
{
    put_channel("slow", "/slow");
    service_hold(true);
    happens(17, INCIDENT_DID_CONFIRM, "slow");
    sender_poke(sender);
    service_wait("/slow", 1);
    end();
    service_hold(false);
    fx_open();
    begin();
    ck_assert_uint_eq(wait_state("slow", DELIVERY_DONE, 200), 1);
    ck_assert_uint_eq(service_count("/slow", "incident 17 confirmed"), 2);
}
END_TEST

/* As with a full disk: it answers when it closes. */
START_TEST(it_stops_though_the_store_does_not_answer)
{
    char path[96];
    sqlite3 *c = NULL;
    put_channel("slow", "/slow");
    service_hold(true);
    happens(17, INCIDENT_DID_CONFIRM, "slow");
    sender_poke(sender);
    service_wait("/slow", 1);
    snprintf(path, sizeof(path), "%s/sonde.db", fx_dir);
    ck_assert_int_eq(sqlite3_open(path, &c), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(c, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    service_hold(false);
    struct mono until = mono_add_ms(mono_now(), SERVICE_WAIT_MS);
    while (counter_get(&sender_stats(sender)->delivered) == 0) {
        ck_assert(mono_before(mono_now(), until));
        usleep(2000);
    }
    sender_stop(sender);
    ck_assert_int_eq(sqlite3_exec(c, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(c);
    fx_close();
    sender_destroy(&sender);
}
END_TEST

/* ---- by hand */

struct asked {
    struct alert_test test;
    unsigned done;
};

static void on_tested(struct alert_test *t)
{
    struct asked *a = t->arg;
    PTOK(pthread_mutex_lock(&fx_lock));
    a->done++;
    PTOK(pthread_cond_broadcast(&fx_changed));
    PTOK(pthread_mutex_unlock(&fx_lock));
}

static void ask(struct asked *a, const char *channel, int64_t wait_ms)
{
    *a = (struct asked){.test = {.done = on_tested, .arg = a, .wait_ms = wait_ms}};
    snprintf(a->test.name, sizeof(a->test.name), "%s", channel);
    snprintf(a->test.dedup, sizeof(a->test.dedup), "test 4bf92f");
    ck_assert_int_eq(sender_test(sender, &a->test), ERR_NONE);
}

START_TEST(a_test_is_sent_now_and_tried_once)
{
    struct asked a;
    ask(&a, "ops", ALERT_TEST_WAIT_MS);
    fx_wait(&a.done, 1);
    ck_assert(a.test.found && a.test.delivered && a.test.status == 200);
    ck_assert_str_eq(a.test.error, "");
    ck_assert_int_eq(strncmp(service.posts[0].key, "test 4bf92f ", 12), 0);
    SERVICE_SAYS(500);
    ask(&a, "ops", ALERT_TEST_WAIT_MS);
    fx_wait(&a.done, 1);
    ck_assert(a.test.found && !a.test.delivered && a.test.status == 500);
    ck_assert_str_eq(a.test.error, "it answered 500");
    ck_assert_uint_eq(wait_state("ops", DELIVERY_FAILED, 500), 1);
}
END_TEST

START_TEST(a_test_sees_a_channel_that_was_put_before)
{
    struct asked a;
    for (unsigned i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof(name), "new-%u", i);
        sender_poke(sender);
        put_channel(name, "/ops");
        ask(&a, name, ALERT_TEST_WAIT_MS);
        fx_wait(&a.done, 1);
        ck_assert_msg(a.test.found && a.test.delivered, "%s: %s", name, a.test.error);
    }
    ask(&a, "nobody", ALERT_TEST_WAIT_MS);
    fx_wait(&a.done, 1);
    ck_assert(!a.test.found);
}
END_TEST

START_TEST(a_test_is_answered_in_its_time)
{
    struct asked a;
    put_channel("slow", "/slow");
    service_hold(true);
    ask(&a, "slow", 300);
    fx_wait(&a.done, 1);
    ck_assert(a.test.found && !a.test.delivered && a.test.status == 0);
    ck_assert_ptr_nonnull(strstr(a.test.error, "in time"));
}
END_TEST

START_TEST(a_test_that_the_stop_cuts_off_is_not_sent_again)
{
    struct asked a;
    put_channel("slow", "/slow");
    service_hold(true);
    ask(&a, "slow", ALERT_TEST_WAIT_MS);
    service_wait("/slow", 1);
    end();
    ck_assert_uint_eq(a.done, 1);
    ck_assert(a.test.found && !a.test.delivered);
    ck_assert_str_eq(a.test.error, "the master is stopping");
    service_hold(false);
    fx_open();
    struct store_req *r = fx_req(STORE_DELIVERIES);
    r->deliveries.due = true;
    r->deliveries.limit = 1;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->deliveries.n, 0);
    store_req_destroy(&r);
    begin();
    happens(17, INCIDENT_DID_CONFIRM, "slow");
    sender_poke(sender);
    service_wait("/slow", 2);
    ck_assert_uint_eq(service_count("/slow", "incident 17 confirmed"), 1);
    wait_state("slow", DELIVERY_DONE, 200);
    fx_check_green();
}
END_TEST

START_TEST(no_test_is_taken_while_it_stops)
{
    struct asked a = {.test = {.done = on_tested, .arg = &a, .name = "ops"}};
    sender_stop(sender);
    ck_assert_int_eq(sender_test(sender, &a.test), ERR_CLOSED);
    fx_close();
    sender_destroy(&sender);
}
END_TEST

TESTS(queue, what_failed_is_tried_again, what_is_wrong_with_the_message_is_final,
      what_a_channel_does_not_ask_for_is_skipped, one_incident_is_told_in_order,
      each_is_sent_once_however_often_it_is_looked_for, a_channel_that_is_gone_ends_what_it_had,
      a_channel_that_cannot_be_read_is_not_asked, a_slow_channel_holds_up_no_other,
      what_the_stop_cuts_off_is_sent_by_the_next, it_stops_though_the_store_does_not_answer)
TESTS(by_hand, a_test_is_sent_now_and_tried_once, a_test_sees_a_channel_that_was_put_before,
      a_test_is_answered_in_its_time, a_test_that_the_stop_cuts_off_is_not_sent_again,
      no_test_is_taken_while_it_stops)
static TCase *queue_in_a_world(void)
{
    TCase *tc = queue();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
static TCase *by_hand_in_a_world(void)
{
    TCase *tc = by_hand();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("sender", queue_in_a_world, by_hand_in_a_world)
