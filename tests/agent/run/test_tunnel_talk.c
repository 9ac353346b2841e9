/* SPDX-License-Identifier: MIT */
#include "agent/run/tunnel_talk.h"

#include "common/require.h"
#include "common/utf8.h"
#include "tests/support/check_main.h"

#include <string.h>

static char host[] = "p.test", user[] = "ann", password[] = "pa55";
static const struct target_proxy http = {.kind = PROXY_HTTP, .host = host, .port = 1};
static const struct target_proxy http_ann = {PROXY_HTTP, host, 1, user, password};
static const struct target_proxy socks = {.kind = PROXY_SOCKS5, .host = host, .port = 1};
static const struct target_proxy socks_ann = {PROXY_SOCKS5, host, 1, user, password};
static struct tunnel_talk t;

static void begin(const struct target_proxy *x, const char *addr)
{
    struct ip ip;
    ck_assert_int_eq(ip_parse(addr, &ip), ERR_NONE);
    tunnel_talk_begin(&t, x, &ip, 443);
}

static void says(const void *bytes, size_t n)
{
    ck_assert_uint_eq(t.out_len, n);
    ck_assert_mem_eq(t.out, bytes, n);
    tunnel_talk_sent(&t, n);
    ck_assert_uint_eq(t.out_len, 0);
}

/* Gives n bytes, cut into pieces; how many were taken. */
static size_t hear_in(const char *bytes, size_t n, size_t piece)
{
    size_t used = 0;
    while (used < n) {
        size_t now = n - used < piece ? n - used : piece;
        size_t took = tunnel_talk_take(&t, bytes + used, now);
        used += took;
        if (took < now)
            break;
    }
    return used;
}

static void sent(void)
{
    tunnel_talk_sent(&t, t.out_len);
}

/* A whole reply of an HTTP proxy, whole and byte by byte. */
static void http_ends(const char *reply, enum cause want, bool about_address, const char *words)
{
    for (size_t piece = 1; piece <= strlen(reply); piece += strlen(reply) - 1) {
        begin(&http, "192.0.2.1");
        sent();
        hear_in(reply, strlen(reply), piece);
        ck_assert_msg(t.state == TALK_ENDED && t.cause == want, "'%s': %d, %s", reply, t.state,
                      t.words);
        ck_assert_int_eq(t.about_address, about_address);
        ck_assert_msg(strstr(t.words, words) != NULL, "%s", t.words);
        ck_assert(utf8_valid(t.words, strlen(t.words)));
    }
}

static void http_stands(const char *reply, size_t n)
{
    for (size_t piece = 1; piece <= n + 5; piece += n + 4) {
        char bytes[512];
        begin(&http, "192.0.2.1");
        sent();
        memcpy(bytes, reply, n);
        memcpy(bytes + n, "HTTP/", 5);
        size_t used = hear_in(bytes, n + 5, piece);
        ck_assert_msg(t.state == TALK_STANDS, "'%s': %s", reply, t.words);
        ck_assert_uint_eq(used, n); /* and not a byte of what follows */
    }
}

START_TEST(test_http_asks_for_an_address)
{
    static const char v4[] = "CONNECT 192.0.2.1:443 HTTP/1.1\r\nHost: 192.0.2.1:443\r\n"
                             "User-Agent: sonde/" SONDE_VERSION "\r\n\r\n";
    static const char v6[] = "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n"
                             "User-Agent: sonde/" SONDE_VERSION "\r\n\r\n";
    begin(&http, "192.0.2.1");
    says(v4, sizeof(v4) - 1);
    begin(&http, "2001:db8::1");
    says(v6, sizeof(v6) - 1);
}
END_TEST

START_TEST(test_http_says_who_asks)
{
    begin(&http_ann, "192.0.2.1");
    static const char line[] = "\r\nProxy-Authorization: Basic YW5uOnBhNTU=\r\n\r\n";
    ck_assert_ptr_nonnull(memmem(t.out, t.out_len, line, sizeof(line) - 1));
    sent();
    for (size_t i = 0; i < sizeof(t.out); i++)
        ck_assert_int_eq(t.out[i], 0); /* no secret stays */
}
END_TEST

START_TEST(test_longest_credentials_fit)
{
    static char long_user[PROXY_SECRET_MAX + 1], long_password[PROXY_SECRET_MAX + 1];
    struct target_proxy x = {PROXY_HTTP, host, 1, long_user, long_password};
    memset(long_user, 'u', PROXY_SECRET_MAX);
    memset(long_password, 'p', PROXY_SECRET_MAX);
    begin(&x, "1234:1234:1234:1234:1234:1234:1234:1234");
    ck_assert_uint_lt(t.out_len, TALK_OUT_MAX);
    x.kind = PROXY_SOCKS5;
    begin(&x, "192.0.2.1");
    sent();
    hear_in("\x05\x02", 2, 2);
    ck_assert_uint_eq(t.out_len, 3 + 2 * PROXY_SECRET_MAX);
}
END_TEST

START_TEST(test_http_tunnel_stands_behind_the_empty_line)
{
    static const char *const replies[] = {
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200\r\nVia: x\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 299 \xff\x01\n\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(replies); i++)
        http_stands(replies[i], strlen(replies[i]));
}
END_TEST

START_TEST(test_http_refusals)
{
    http_ends("HTTP/1.1 403 Forbidden\r\nA: b\r\n\r\n", CAUSE_proxy_refused, false,
              "it said 'HTTP/1.1 403 Forbidden'");
    http_ends("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", CAUSE_proxy_refused, false,
              "'HTTP/1.1 407 Proxy Authentication Required'");
    http_ends("HTTP/1.1 500 Oh\r\n\r\n", CAUSE_proxy_refused, false, "500 Oh");
    http_ends("HTTP/1.1 302 Found\r\nLocation: http://login.test/\r\n\r\n", CAUSE_proxy_refused,
              false, "302 Found");
    http_ends("HTTP/1.1 101 Up\r\n\r\n", CAUSE_proxy_refused, false, "101 Up");
    http_ends("HTTP/1.1 502 Bad Gateway\r\n\r\n", CAUSE_proxy_failed, true, "502 Bad Gateway");
    http_ends("HTTP/1.1 503 \r\n\r\n", CAUSE_proxy_failed, true, "'HTTP/1.1 503 '");
    http_ends("HTTP/1.1 504 Late\r\n\r\n", CAUSE_proxy_failed, true, "504 Late");
    http_ends("HTTP/1.1 403 a\x01\xff\x1b[2J\r\n\r\n", CAUSE_proxy_refused, false, "403 a");
    ck_assert_ptr_null(strchr(t.words, 0x1b));
}
END_TEST

START_TEST(test_http_rubbish)
{
    http_ends("SSH-2.0-OpenSSH\r\n", CAUSE_proxy_protocol, false, "which is no HTTP");
    http_ends("HTTP/2 200\r\n\r\n", CAUSE_proxy_protocol, false, "which is no HTTP");
    http_ends("HTTP/1.1 2000 OK\r\n\r\n", CAUSE_proxy_protocol, false, "which is no HTTP");
    http_ends("HTTP/1.1 600 OK\r\n\r\n", CAUSE_proxy_protocol, false, "which is no HTTP");
    http_ends("HTTP/1.1 20 OK\r\n\r\n", CAUSE_proxy_protocol, false, "which is no HTTP");
    http_ends("HTTP/1.x 200 OK\r\n\r\n", CAUSE_proxy_protocol, false, "which is no HTTP");
    http_ends("\r\n\r\n", CAUSE_proxy_protocol, false, "which is no HTTP");
    http_ends("\x05\xff", CAUSE_proxy_protocol, false, "which is no HTTP");
    begin(&http, "192.0.2.1");
    sent();
    hear_in("SSH-2.0-x\r\nmore", 15, 15);
    ck_assert_str_eq(t.words, "it said 'SSH-2.0-x', which is no HTTP");
}
END_TEST

static size_t endless(const char *head, const char *piece)
{
    size_t used = strlen(head);
    begin(&http, "192.0.2.1");
    sent();
    hear_in(head, used, used);
    while (t.state != TALK_ENDED && used < 10 * TALK_HEAD_MAX)
        used += hear_in(piece, strlen(piece), strlen(piece));
    return used;
}

START_TEST(test_http_head_is_bounded)
{
    static const char *const heads[][2] = {
        {"HTTP/1.1 200 OK\r\n", "X-Header: 0123456789\r\n"},
        {"HTTP/1.1 200 ", "0123456789"},
        {"HTTP/1.1 200 OK\r\nX: ", "0123456789"},
        {"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"},
        {"", "HTTP/1.1 100 Continue\r\n\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        ck_assert_uint_eq(endless(heads[i][0], heads[i][1]), TALK_HEAD_MAX + 1);
        ck_assert_int_eq(t.cause, CAUSE_proxy_protocol);
        ck_assert_ptr_nonnull(strstr(t.words, "over 16384 bytes"));
    }
}
END_TEST

START_TEST(test_socks_speaks_in_turn)
{
    begin(&socks, "192.0.2.1");
    says("\x05\x01\x00", 3);
    ck_assert_uint_eq(hear_in("\x05\x00\x05", 3, 3), 2); /* what comes too early waits */
    says("\x05\x01\x00\x01\xc0\x00\x02\x01\x01\xbb", 10);
    ck_assert_uint_eq(hear_in("\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x09HELLO", 15, 1), 10);
    ck_assert_int_eq(t.state, TALK_STANDS);
}
END_TEST

START_TEST(test_socks_says_who_asks)
{
    begin(&socks_ann, "2001:db8::1");
    says("\x05\x02\x00\x02", 4);
    hear_in("\x05\x02", 2, 1);
    says("\x01\x03"
         "ann\x04pa55",
         10);
    hear_in("\x01\x00", 2, 1);
    says("\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb", 22);
    begin(&socks_ann, "192.0.2.1"); /* who need not be known is not asked */
    sent();
    hear_in("\x05\x00", 2, 2);
    ck_assert_uint_eq(t.out_len, 10);
}
END_TEST

/* The reply to a request that was made. */
static size_t socks_reply(const char *bytes, size_t n)
{
    begin(&socks, "192.0.2.1");
    sent();
    hear_in("\x05\x00", 2, 2);
    sent();
    return hear_in(bytes, n, n);
}

START_TEST(test_socks_replies_of_every_form)
{
    char name[300] = "\x05\x00\x00\x03\xff";
    ck_assert_uint_eq(socks_reply("\x05\x00\x00\x01"
                                  "abcd\x00\x00X",
                                  11),
                      10);
    ck_assert_int_eq(t.state, TALK_STANDS);
    ck_assert_uint_eq(socks_reply("\x05\x00\x00\x04"
                                  "abcdabcdabcdabcd\x00\x00X",
                                  23),
                      22);
    ck_assert_int_eq(t.state, TALK_STANDS);
    ck_assert_uint_eq(socks_reply("\x05\x00\x00\x03\x01"
                                  "a\x00\x00X",
                                  9),
                      8);
    ck_assert_int_eq(t.state, TALK_STANDS);
    ck_assert_uint_eq(socks_reply("\x05\x00\x00\x03\x00\x00\x00X", 8), 7);
    ck_assert_int_eq(t.state, TALK_STANDS);
    ck_assert_uint_eq(socks_reply(name, sizeof(name)), 262);
    ck_assert_int_eq(t.state, TALK_STANDS);
}
END_TEST

START_TEST(test_socks_refusals)
{
    static const struct {
        char code;
        enum cause cause;
        bool about_address;
        const char *words;
    } codes[] = {
        {1, CAUSE_proxy_refused, false, "it said 1, general failure"},
        {2, CAUSE_proxy_refused, false, "it said 2, not allowed"},
        {3, CAUSE_proxy_failed, true, "it said 3, network unreachable"},
        {4, CAUSE_proxy_failed, true, "it said 4, host unreachable"},
        {5, CAUSE_proxy_failed, true, "it said 5, connection refused"},
        {6, CAUSE_proxy_failed, true, "it said 6, TTL expired"},
        {7, CAUSE_proxy_refused, false, "it said 7, command not supported"},
        {8, CAUSE_proxy_refused, true, "it said 8, address type not supported"},
        {9, CAUSE_proxy_refused, false, "it said 9, which SOCKS5 does not know"},
    };
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        const char reply[2] = {5, codes[i].code};
        ck_assert_uint_eq(socks_reply(reply, 2), 2); /* two bytes say it */
        ck_assert_int_eq(t.state, TALK_ENDED);
        ck_assert_int_eq(t.cause, codes[i].cause);
        ck_assert_int_eq(t.about_address, codes[i].about_address);
        ck_assert_msg(strstr(t.words, codes[i].words) != NULL, "%s", t.words);
    }
}
END_TEST

static void methods_end(const struct target_proxy *x, const char *reply, enum cause want,
                        const char *words)
{
    begin(x, "192.0.2.1");
    sent();
    hear_in(reply, 2, 2);
    if (t.state == TALK_LOGIN) {
        sent();
        hear_in(reply + 2, 2, 2);
    }
    ck_assert_int_eq(t.state, TALK_ENDED);
    ck_assert_int_eq(t.cause, want);
    ck_assert_msg(strstr(t.words, words) != NULL, "%s", t.words);
}

START_TEST(test_socks_wants_somebody_else)
{
    methods_end(&socks, "\x05\xff", CAUSE_proxy_refused, "give 'proxy' a user and a password");
    methods_end(&socks_ann, "\x05\xff", CAUSE_proxy_refused, "neither a user and a password");
    methods_end(&socks_ann, "\x05\x02\x01\x01", CAUSE_proxy_refused, "neither this user nor");
    methods_end(&socks, "\x05\x02", CAUSE_proxy_protocol, "was not offered");
    methods_end(&socks_ann, "\x05\x01", CAUSE_proxy_protocol, "was not offered");
}
END_TEST

START_TEST(test_socks_rubbish)
{
    methods_end(&socks, "HT", CAUSE_proxy_protocol, "does not speak SOCKS5");
    methods_end(&socks, "\x04\x00", CAUSE_proxy_protocol, "does not speak SOCKS5");
    methods_end(&socks_ann, "\x05\x02\x02\x00", CAUSE_proxy_protocol, "does not speak SOCKS5");
    socks_reply("\x04\x00", 2);
    ck_assert_int_eq(t.cause, CAUSE_proxy_protocol);
    socks_reply("\x05\x00\x00\x02\x00", 5);
    ck_assert_int_eq(t.cause, CAUSE_proxy_protocol);
}
END_TEST

START_TEST(test_hanging_up_is_no_reply)
{
    begin(&http, "192.0.2.1");
    sent();
    hear_in("HTTP/1.1 200 OK\r\n", 17, 17);
    tunnel_talk_closed(&t, "it is gone");
    ck_assert_int_eq(t.state, TALK_ENDED);
    ck_assert_int_eq(t.cause, CAUSE_proxy_protocol);
    ck_assert_str_eq(t.words, "it is gone");
}
END_TEST

TESTS(by_connect, test_http_asks_for_an_address, test_http_says_who_asks,
      test_longest_credentials_fit, test_http_tunnel_stands_behind_the_empty_line,
      test_http_refusals, test_http_rubbish, test_http_head_is_bounded, test_hanging_up_is_no_reply)
TESTS(by_socks5, test_socks_speaks_in_turn, test_socks_says_who_asks,
      test_socks_replies_of_every_form, test_socks_refusals, test_socks_wants_somebody_else,
      test_socks_rubbish)
CHECK_MAIN("tunnel_talk", by_connect, by_socks5)
