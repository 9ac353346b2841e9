/* SPDX-License-Identifier: MIT */
#include "tests/master/hub/rig.h"
#include "master/hub/door.h"
#include "master/hub/gate.h"

/* The gate on the wire: what is not an agent gets one answer and is closed, and harms nobody. */

#define AGENTS_MAX 10
#define LINE(text) text "\r\n"
#define UPGRADE                                                                                    \
    LINE("Host: x")                                                                                \
    LINE("Upgrade: websocket")                                                                     \
    LINE("Connection: Upgrade")                                                                    \
    LINE("Sec-WebSocket-Version: 13") LINE("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
#define SUB LINE("Sec-WebSocket-Protocol: sonde.v1")

static char answer[65536];

static void setup(void)
{
    rig_start(AGENTS_MAX);
}

static void teardown(void)
{
    rig_stop();
}

static int status_of(const char *request)
{
    return ask(request, strlen(request), answer, sizeof(answer));
}

/* With the token in place of %s. */
static int status_with(const char *format, const char *token)
{
    char request[1024];
    snprintf(request, sizeof(request), format, token);
    return status_of(request);
}

static void assert_alive(void)
{
    struct peer p;
    peer_join(&p);
    peer_close(&p);
}

START_TEST(test_other_path_is_404)
{
    ck_assert_int_eq(status_of("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
    ck_assert_ptr_nonnull(strstr(answer, "/ws"));
}
END_TEST

START_TEST(test_ws_without_upgrade_is_426)
{
    ck_assert_int_eq(status_of("GET /ws HTTP/1.1\r\nHost: x\r\n\r\n"), 426);
    ck_assert_ptr_nonnull(strstr(answer, "Upgrade: websocket"));
}
END_TEST

START_TEST(test_missing_token_is_401)
{
    ck_assert_int_eq(status_of(LINE("GET /ws HTTP/1.1") UPGRADE SUB "\r\n"), 401);
    ck_assert_ptr_nonnull(strstr(answer, "WWW-Authenticate: Bearer"));
}
END_TEST

START_TEST(test_wrong_token_is_401)
{
    ck_assert_int_eq(status_with(LINE("GET /ws HTTP/1.1")
                                     UPGRADE SUB LINE("Authorization: Bearer %s") "\r\n",
                                 "sonde_nothing"),
                     401);
}
END_TEST

START_TEST(test_basic_auth_is_401)
{
    ck_assert_int_eq(
        status_of(LINE("GET /ws HTTP/1.1") UPGRADE SUB LINE("Authorization: Basic eDp5") "\r\n"),
        401);
}
END_TEST

START_TEST(test_admin_token_is_403)
{
    ck_assert_int_eq(status_with(LINE("GET /ws HTTP/1.1")
                                     UPGRADE SUB LINE("Authorization: Bearer %s") "\r\n",
                                 rig.admin_token),
                     403);
}
END_TEST

START_TEST(test_missing_subprotocol_is_400)
{
    ck_assert_int_eq(status_with(LINE("GET /ws HTTP/1.1")
                                     UPGRADE LINE("Authorization: Bearer %s") "\r\n",
                                 rig.agent_token),
                     400);
    ck_assert_ptr_nonnull(strstr(answer, "sonde.v1"));
}
END_TEST

START_TEST(test_other_subprotocol_is_refused)
{
    int status = status_with(LINE("GET /ws HTTP/1.1") UPGRADE LINE("Sec-WebSocket-Protocol: chat")
                                 LINE("Authorization: Bearer %s") "\r\n",
                             rig.agent_token);
    ck_assert(status == 400 || status == 0); /* lws itself may hang up */
}
END_TEST

START_TEST(test_upgrade_on_another_path_is_404)
{
    ck_assert_int_eq(status_with(LINE("GET /other HTTP/1.1")
                                     UPGRADE SUB LINE("Authorization: Bearer %s") "\r\n",
                                 rig.agent_token),
                     404);
}
END_TEST

START_TEST(test_upgrade_to_h2c_is_400)
{
    ck_assert_int_eq(
        status_of("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                  "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"),
        400);
}
END_TEST

START_TEST(test_body_is_answered_before_it_is_read)
{
    static char request[200000];
    int n = snprintf(request, sizeof(request),
                     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 150000\r\n\r\n");
    memset(request + n, 'x', 150000);
    ck_assert_int_eq(ask(request, (size_t)n + 150000, answer, sizeof(answer)), 404);
    assert_alive();
}
END_TEST

START_TEST(test_three_pipelined_bodies_do_not_hang_it)
{
    ck_assert_int_eq(status_of("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                               "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                               "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
                     404);
    assert_alive();
}
END_TEST

START_TEST(test_chunked_body_does_not_hang_it)
{
    int status = status_of("POST /ws HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "3\r\nabc\r\n0\r\n\r\n");
    ck_assert_int_eq(status, 426);
    assert_alive();
}
END_TEST

/* What lws answers by itself, or hangs up on: no session comes of it and the others go on. */
static const char *const strange[] = {
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
    "DELETE /ws HTTP/1.1\r\nHost: x\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET /ws HTTP/0.9\r\n\r\n",
    "GET  HTTP/1.1\r\n\r\n",
    "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
    "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: \r\n\r\n",
    "GET /ws HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    "GET /ws?token=abc HTTP/1.1\r\nHost: x\r\n\r\n",
    "\r\n\r\n\r\n",
    "hello\n",
    "GET /ws HTTP/1.1\r\nX-F: 1\r\n",
};

START_TEST(test_strange_requests_harm_nobody)
{
    int fd = sock_open();
    sock_send(fd, strange[_i], strlen(strange[_i]));
    assert_alive();
    close(fd);
}
END_TEST

START_TEST(test_long_header_is_no_upgrade)
{
    static char request[40000];
    int n =
        snprintf(request, sizeof(request), "GET /ws HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ");
    memset(request + n, 'a', 30000);
    n += 30000;
    n += snprintf(request + n, sizeof(request) - (size_t)n, "\r\n" UPGRADE SUB "\r\n");
    ck_assert_int_ne(ask(request, (size_t)n, answer, sizeof(answer)), 101);
    assert_alive();
}
END_TEST

static void say_hello(struct peer *p, int i)
{
    char hello[512];
    snprintf(hello, sizeof(hello), HELLO_AS("agent-%d", "r1"), i);
    peer_say(p, hello);
    peer_say(p, INFLIGHT_END);
}

/* The cap of the rig: so many who have said HELLO. */
static void fill(struct peer p[AGENTS_MAX])
{
    for (int i = 0; i < AGENTS_MAX; i++) {
        peer_open(&p[i]);
        say_hello(&p[i], i);
        ck_assert_ptr_nonnull(peer_wait(&p[i], "verdict_end"));
    }
}

/* Its old socket says nothing of its end: nobody has found it dead yet. */
START_TEST(test_at_the_cap_hello_decides)
{
    struct peer p[AGENTS_MAX + 2];
    fill(p);
    peer_open(&p[AGENTS_MAX]); /* the gate does not know who it is */
    say_hello(&p[AGENTS_MAX], 3);
    ck_assert_ptr_nonnull(peer_wait(&p[AGENTS_MAX], "verdict_end"));
    ck_assert_int_eq(peer_wait_close(&p[3]), CLOSE_REPLACED);
    peer_open(&p[AGENTS_MAX + 1]);
    say_hello(&p[AGENTS_MAX + 1], AGENTS_MAX);
    ck_assert_int_eq(peer_wait_close(&p[AGENTS_MAX + 1]), CLOSE_POLICY);
    ck_assert_ptr_nonnull(strstr(p[AGENTS_MAX + 1].close_reason, "--max-agents"));
    ck_assert_uint_eq(counter_get(&hub_core_stats(rig.hub)->ends[END_refused]), 1);
    for (int i = 0; i < AGENTS_MAX + 2; i++)
        peer_close(&p[i]);
}
END_TEST

START_TEST(test_who_says_no_hello_takes_no_agents_place)
{
    struct peer silent[AGENTS_MAX], p[AGENTS_MAX];
    for (int i = 0; i < AGENTS_MAX; i++)
        peer_open(&silent[i]);
    fill(p);
    say_hello(&silent[0], AGENTS_MAX); /* upgraded in time, and one too many */
    ck_assert_int_eq(peer_wait_close(&silent[0]), CLOSE_POLICY);
    ck_assert_ptr_nonnull(strstr(silent[0].close_reason, "--max-agents"));
    say_hello(&silent[1], 3); /* who is there already may come anew */
    ck_assert_ptr_nonnull(peer_wait(&silent[1], "verdict_end"));
    ck_assert_int_eq(peer_wait_close(&p[3]), CLOSE_REPLACED);
    for (int i = 0; i < AGENTS_MAX; i++) {
        peer_close(&silent[i]);
        peer_close(&p[i]);
    }
}
END_TEST

START_TEST(test_the_oldest_stranger_makes_room)
{
    enum { STRANGERS = AGENTS_MAX + DOOR_SPARE };
    struct peer p;
    char byte;
    int fds[STRANGERS];
    for (int i = 0; i < STRANGERS; i++)
        fds[i] = sock_open();
    peer_join(&p); /* long before the time of those is over */
    ck_assert_uint_eq(sock_read(fds[0], &byte, 1), 0);
    struct core_stats *s = hub_core_stats(rig.hub);
    ck_assert_uint_ge(counter_get(&s->pushed_out), 1);
    ck_assert_uint_eq(counter_get(&s->sockets_refused), 0);
    for (int i = 0; i < STRANGERS; i++)
        close(fds[i]);
    peer_close(&p);
}
END_TEST

START_TEST(test_revoked_token_ends_its_session)
{
    struct peer p;
    char why[256], id[TOKEN_ID_MAX], token[TOKEN_TEXT_MAX], path[128], line[2048];
    ck_assert_int_eq(token_add(rig.dir, SCOPE_AGENT, "a1", token, why, sizeof(why)), ERR_NONE);
    snprintf(path, sizeof(path), "%s/tokens", rig.dir);
    FILE *f = fopen(path, "r");
    while (fgets(line, sizeof(line), f))
        snprintf(id, sizeof(id), "%.*s", (int)strcspn(line, " "), line);
    fclose(f);
    int status = peer_open_with(&p, token); /* a new token is good at once */
    ck_assert_int_eq(status, 101);
    peer_say(&p, HELLO INFLIGHT_END);
    ck_assert_ptr_nonnull(peer_wait(&p, "verdict_end"));
    ck_assert_int_eq(token_revoke(rig.dir, id, why, sizeof(why)), ERR_NONE);
    ck_assert_int_eq(peer_wait_close(&p), CLOSE_REVOKED);
    peer_close(&p);
}
END_TEST

START_TEST(test_port_in_use_is_one_sentence)
{
    char listen[32], why[256] = "";
    struct hub *second = NULL;
    struct store_boot boot = {.n_keys = 1, .boot_epoch = 1};
    snprintf(listen, sizeof(listen), "127.0.0.1:%d", hub_port(rig.hub));
    struct hub_config c = {.listen = listen, .dir = rig.dir, .boot = &boot, .max_agents = 1};
    ck_assert_int_eq(hub_create(&c, &second, why, sizeof(why)), ERR_BUSY);
    ck_assert_ptr_null(second);
    ck_assert_ptr_nonnull(strstr(why, listen));
    ck_assert_ptr_nonnull(strstr(why, "in use"));
}
END_TEST

static TCase *refusals(void)
{
    TCase *tc = tcase_create("refusals");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_other_path_is_404);
    tcase_add_test(tc, test_ws_without_upgrade_is_426);
    tcase_add_test(tc, test_missing_token_is_401);
    tcase_add_test(tc, test_wrong_token_is_401);
    tcase_add_test(tc, test_basic_auth_is_401);
    tcase_add_test(tc, test_admin_token_is_403);
    tcase_add_test(tc, test_missing_subprotocol_is_400);
    tcase_add_test(tc, test_other_subprotocol_is_refused);
    tcase_add_test(tc, test_upgrade_on_another_path_is_404);
    tcase_add_test(tc, test_upgrade_to_h2c_is_400);
    tcase_add_test(tc, test_body_is_answered_before_it_is_read);
    tcase_add_test(tc, test_three_pipelined_bodies_do_not_hang_it);
    tcase_add_test(tc, test_chunked_body_does_not_hang_it);
    tcase_add_loop_test(tc, test_strange_requests_harm_nobody, 0, (int)ARRAY_LEN(strange));
    tcase_add_test(tc, test_long_header_is_no_upgrade);
    tcase_add_test(tc, test_at_the_cap_hello_decides);
    tcase_add_test(tc, test_who_says_no_hello_takes_no_agents_place);
    tcase_add_test(tc, test_the_oldest_stranger_makes_room);
    tcase_add_test(tc, test_revoked_token_ends_its_session);
    tcase_add_test(tc, test_port_in_use_is_one_sentence);
    return tc;
}

CHECK_MAIN("gate", refusals)
