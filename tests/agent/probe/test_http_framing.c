/* SPDX-License-Identifier: MIT */
#include "agent/probe/http_impl.h"

#include "mini_server.h"
#include "probe_run.h"
#include "tests/support/check_main.h"

/* Headers that say how long a body is and how it is packed, and that nobody may believe. */

static struct mini server;
static struct probe_run run;
static char reply[URI_MAX + 256];
static pthread_mutex_t reply_lock = PTHREAD_MUTEX_INITIALIZER; /* the server has its threads */

static void answer(struct mini_conn *c)
{
    bool followed = strncmp(c->request, "GET /next", 9) == 0;
    pthread_mutex_lock(&reply_lock);
    mini_puts(c, followed ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" : reply);
    pthread_mutex_unlock(&reply_lock);
}

static void setup(void)
{
    mini_init();
    server = (struct mini){.answer = answer};
    mini_start(&server);
    probe_run_init(&run, NULL, true);
}

static void teardown(void)
{
    probe_run_fini(&run);
}

/* The headers of an answer of that status, the cause that follows, and a part of its message. */
static void ends(int status, const char *headers, const char *options, enum cause want,
                 const char *words)
{
    char json[256];
    pthread_mutex_lock(&reply_lock);
    snprintf(reply, sizeof(reply), "HTTP/1.1 %d R\r\n%s\r\nhello", status, headers);
    pthread_mutex_unlock(&reply_lock);
    snprintf(json, sizeof(json), "{\"url\":\"http://127.0.0.1:%u/\"%s}", server.port, options);
    struct target *t = probe_run_target(json);
    struct result *r = probe_run_go(&run, t, false);
    ck_assert_msg(r->cause == want, "%s: got %s (%s)", headers,
                  r->cause ? cause_word(r->cause) : "ok", r->message ? r->message : "");
    if (words)
        ck_assert_msg(r->message && strstr(r->message, words), "%s", r->message);
    result_destroy(&r);
    target_destroy(&t);
}

static void refused(const char *headers, const char *words)
{
    ends(200, headers, "", CAUSE_protocol_error, words);
}

static void taken(const char *headers)
{
    ends(200, headers, "", CAUSE_NONE, NULL);
}

START_TEST(test_different_lengths_are_refused)
{
    refused("Content-Length: 5\r\nContent-Length: 6\r\n", "two different Content-Lengths");
    refused("Content-Length: 5\r\ncontent-length: 55\r\n", "two different Content-Lengths");
    refused("Content-Length: 5, 6\r\n", "two different Content-Lengths");
    refused("Content-Length: 5,5 ,\t6\r\n", "two different Content-Lengths");
}
END_TEST

START_TEST(test_the_same_length_again_is_one_length)
{
    taken("Content-Length: 5\r\nContent-Length: 5\r\n");
    taken("Content-Length: 5, 5\r\n");
}
END_TEST

START_TEST(test_length_that_is_no_number_is_refused)
{
    refused("Content-Length: 5x\r\n", "not a number");
    refused("Content-Length: +5\r\n", "not a number");
    refused("Content-Length: 9999999999999999999\r\n", "not a number");
}
END_TEST

START_TEST(test_lengths_of_an_interim_answer_are_its_own)
{
    ends(103, "Content-Length: 7\r\n\r\nHTTP/1.1 404 R\r\nContent-Length: 5\r\n",
         ",\"expect\":{\"status\":[200]}", CAUSE_status_mismatch, "404");
}
END_TEST

START_TEST(test_body_packed_twice_is_refused)
{
    refused("Content-Encoding: gzip, gzip\r\n", "compressed more than once");
    refused("Content-Encoding: gzip\r\nContent-Encoding: br\r\n", "compressed more than once");
    refused("Content-Encoding: gzip\r\nTransfer-Encoding: gzip, chunked\r\n",
            "compressed more than once");
}
END_TEST

START_TEST(test_packing_that_is_none_does_not_count)
{
    taken("Content-Encoding: identity, identity\r\n");
    ends(200, "Content-Encoding: gzip, gzip\r\n", ",\"compression\":false", CAUSE_NONE, NULL);
}
END_TEST

START_TEST(test_location_too_long_for_a_url_is_told)
{
    static char header[URI_MAX + 64];
    int n = snprintf(header, sizeof(header), "Content-Length: 0\r\nLocation: /next");
    memset(header + n, 'x', URI_MAX);
    snprintf(header + n + URI_MAX, 8, "\r\n");
    ends(302, header, "", CAUSE_protocol_error, "too long for a URL");
    ends(302, header, ",\"follow_redirects\":false,\"expect\":{\"status\":[301]}",
         CAUSE_status_mismatch, NULL);
}
END_TEST

START_TEST(test_refused_redirect_is_not_followed)
{
    ends(302, "Location: /next\r\nContent-Length: 0\r\nContent-Length: 1\r\n", "",
         CAUSE_protocol_error, "two different Content-Lengths");
    ends(302, "Location: /next\r\nContent-Length: 0\r\n", "", CAUSE_NONE, NULL);
}
END_TEST

TESTS(framing_bare, test_different_lengths_are_refused, test_the_same_length_again_is_one_length,
      test_length_that_is_no_number_is_refused, test_lengths_of_an_interim_answer_are_its_own,
      test_body_packed_twice_is_refused, test_packing_that_is_none_does_not_count,
      test_location_too_long_for_a_url_is_told, test_refused_redirect_is_not_followed)

static TCase *framing(void)
{
    TCase *tc = framing_bare();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}

CHECK_MAIN("http_framing", framing)
