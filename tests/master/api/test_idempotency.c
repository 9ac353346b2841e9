/* SPDX-License-Identifier: MIT */
#include "tests/master/api/world.h"
#include <zlib.h>

#define GOOD "http://a.test/1\n"
#define PATH "/api/v1/batches"

static struct answer upload(const char *token, const char *path, const char *key, const char *body)
{
    char extra[500];
    snprintf(extra, sizeof(extra), "Content-Type: text/plain\r\nIdempotency-Key: %s\r\n", key);
    return ask_as(token, "POST", path, extra, body, strlen(body));
}

static void expect(struct answer a, int status, const char *text)
{
    ck_assert_msg(a.status == status, "%d %s", a.status, a.body ? a.body : "");
    ck_assert_msg(text == NULL || has(&a, text), "no %s in %s", text, a.body);
    answer_free(&a);
}

/* The same answer as before, to the letter. */
static void expect_same(struct answer a, const struct answer *first)
{
    ck_assert_msg(a.status == 202, "%d %s", a.status, a.body);
    ck_assert_str_eq(a.body, first->body);
    ck_assert_ptr_nonnull(strstr(a.head, "Location: /api/v1/batches/0"));
    answer_free(&a);
}

START_TEST(test_a_repeat_has_the_first_answer_again)
{
    world_start();
    struct answer first = upload(w.token, PATH, "k1", GOOD "nonsense\n" GOOD);
    ck_assert_int_eq(first.status, 202);
    expect_same(upload(w.token, PATH, "k1", GOOD "nonsense\n" GOOD), &first);
    ck_assert_uint_eq(w.n_open, 1);
    answer_free(&first);
    world_stop();
}
END_TEST

START_TEST(test_a_repeat_may_wait_for_the_end)
{
    world_start();
    struct answer first = upload(w.token, PATH, "k1", GOOD);
    ck_assert(!has(&first, "ended"));
    expect(upload(w.token, PATH "?wait=30s", "k1", GOOD), 202, "\"errors\":[],\"ended\":true}");
    expect_same(upload(w.token, PATH, "k1", GOOD), &first);
    answer_free(&first);
    world_stop();
}
END_TEST

START_TEST(test_another_body_or_other_options_are_refused)
{
    world_start();
    char id[UUID_TEXT_MAX];
    struct answer a = upload(w.token, PATH "?name=x", "k1", GOOD);
    id_of(&a, id);
    expect(upload(w.token, PATH "?name=x", "k1", GOOD GOOD), 422, "idempotency_mismatch");
    expect(upload(w.token, PATH "?name=y", "k1", GOOD), 422, id);
    expect(upload(w.token, PATH "?name=x&strict=1", "k1", GOOD), 422, "other options");
    expect(upload(w.token, PATH "?name=x", "k1", ""), 422, "use a new key");
    expect(upload(w.token, PATH "?name=x", "k1", GOOD), 202, id);
    ck_assert_uint_eq(w.n_open, 1);
    world_stop();
}
END_TEST

START_TEST(test_the_decoded_body_is_what_counts)
{
    static const char extra[] = "Content-Type: text/plain\r\nIdempotency-Key: k1\r\n"
                                "Content-Encoding: gzip\r\n";
    char packed[500];
    z_stream z = {.next_in = (Bytef *)GOOD, .avail_in = sizeof(GOOD) - 1};
    z.next_out = (Bytef *)packed;
    z.avail_out = sizeof(packed);
    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    world_start();
    struct answer first = ask_as(w.token, "POST", PATH, extra, packed, z.total_out);
    expect_same(upload(w.token, PATH, "k1", GOOD), &first);
    expect_same(ask_as(w.token, "POST", PATH, extra, packed, z.total_out), &first);
    answer_free(&first);
    world_stop();
}
END_TEST

START_TEST(test_json_repeats_too)
{
    static const char extra[] = "Content-Type: application/json\r\nIdempotency-Key: k1\r\n";
    static const char body[] = "{\"targets\":[\"http://a.test/\"],\"name\":\"n\"}";
    world_start();
    struct answer first = ask_as(w.token, "POST", PATH, extra, body, sizeof(body) - 1);
    expect_same(ask_as(w.token, "POST", PATH, extra, body, sizeof(body) - 1), &first);
    expect(ask_as(w.token, "POST", PATH, extra, body, sizeof(body) - 2), 422, "mismatch");
    answer_free(&first);
    world_stop();
}
END_TEST

START_TEST(test_the_same_key_of_another_token_is_another_key)
{
    world_start();
    char one[UUID_TEXT_MAX], two[UUID_TEXT_MAX];
    struct answer a = upload(w.token, PATH, "k1", GOOD);
    id_of(&a, one);
    a = upload(w.submit_token, PATH, "k1", GOOD GOOD);
    id_of(&a, two);
    ck_assert_str_ne(one, two);
    world_stop();
}
END_TEST

START_TEST(test_a_refused_upload_leaves_its_key_free)
{
    world_start();
    expect(upload(w.token, PATH, "k1", "nonsense\n"), 422, "nonsense");
    expect(upload(w.token, PATH, "k1", GOOD), 202, "\"accepted\":1");
    world_stop();
}
END_TEST

START_TEST(test_a_bad_key_is_refused)
{
    char key[IDEMPOTENCY_KEY_MAX + 2];
    memset(key, 'k', sizeof(key));
    key[sizeof(key) - 1] = '\0';
    world_start();
    expect(upload(w.token, PATH, key, GOOD), 400, "bad_idempotency_key");
    expect(upload(w.token, PATH, "a b", GOOD), 400, "without spaces");
    expect(upload(w.token, PATH, "", GOOD), 400, "1 to 255");
    expect(upload(w.token, PATH, key + 1, GOOD), 202, NULL);
    ck_assert_uint_eq(w.n_open, 1);
    world_stop();
}
END_TEST

/* An upload whose head and first line are there, and no more. */
static int begin_upload(void)
{
    char head[500];
    int fd = dial();
    int n = snprintf(head, sizeof(head),
                     "POST " PATH " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                     "Authorization: Bearer %s\r\nContent-Type: text/plain\r\n"
                     "Idempotency-Key: k1\r\nContent-Length: %zu\r\n\r\n" GOOD,
                     w.token, 2 * strlen(GOOD));
    send_all(fd, head, (size_t)n);
    return fd;
}

/* Waits until the master knows of it: another body is then refused with 409. */
static void wait_conflict(void)
{
    for (;;) {
        struct answer a = upload(w.token, PATH, "k1", "nonsense\n");
        bool conflict = a.status == 409;
        ck_assert_msg(conflict || a.status == 422, "%d %s", a.status, a.body);
        ck_assert(!conflict || has(&a, "\"code\":\"idempotency_conflict\""));
        answer_free(&a);
        if (conflict)
            return;
    }
}

START_TEST(test_a_repeat_in_parallel_is_refused_until_the_first_has_its_answer)
{
    world_start();
    int fd = begin_upload();
    wait_conflict();
    send_all(fd, GOOD, strlen(GOOD));
    struct answer first = receive(fd);
    ck_assert_int_eq(first.status, 202);
    expect_same(upload(w.token, PATH, "k1", GOOD GOOD), &first);
    answer_free(&first);
    world_stop();
}
END_TEST

START_TEST(test_an_upload_that_breaks_off_frees_its_key)
{
    world_start();
    int fd = begin_upload();
    wait_conflict();
    close(fd);
    for (int status = 409; status == 409;) {
        struct answer a = upload(w.token, PATH, "k1", GOOD);
        status = a.status;
        ck_assert_msg(status == 409 || status == 202, "%d %s", status, a.body);
        answer_free(&a);
    }
    ck_assert_uint_eq(w.n_open, 1);
    world_stop();
}
END_TEST

TESTS(idempotency, test_a_repeat_has_the_first_answer_again, test_a_repeat_may_wait_for_the_end,
      test_another_body_or_other_options_are_refused, test_the_decoded_body_is_what_counts,
      test_json_repeats_too, test_the_same_key_of_another_token_is_another_key,
      test_a_refused_upload_leaves_its_key_free, test_a_bad_key_is_refused,
      test_a_repeat_in_parallel_is_refused_until_the_first_has_its_answer,
      test_an_upload_that_breaks_off_frees_its_key)
CHECK_MAIN("idempotency", idempotency)
