/* SPDX-License-Identifier: MIT */
#include "tests/master/api/world.h"
#include <zlib.h>

#define GOOD "http://a.test/1\n"

static void expect(struct answer a, int status, const char *text)
{
    ck_assert_msg(a.status == status, "%d %s", a.status, a.body ? a.body : "");
    ck_assert_msg(text == NULL || has(&a, text), "no %s in %s", text, a.body);
    answer_free(&a);
}

static struct answer batch(const char *id, const char *more)
{
    char path[120];
    snprintf(path, sizeof(path), "/api/v1/batches/%s%s", id, more);
    return get(path);
}

static char *repeat(const char *text, size_t times, size_t *len)
{
    size_t n = strlen(text);
    char *all = malloc(n * times + 1);
    for (size_t i = 0; i < times; i++)
        memcpy(all + i * n, text, n);
    all[ *len = n * times] = '\0';
    return all;
}

START_TEST(test_text_names_bad_lines_and_keeps_the_good)
{
    world_start();
    struct answer a = post("/api/v1/batches?name=x", "text/plain",
                           "# c\n" GOOD "nonsense\n\nftp://x/\r\n" GOOD "dns:a.test?type=MX");
    ck_assert_msg(a.status == 202, "%d %s", a.status, a.body);
    ck_assert_ptr_nonnull(strstr(a.head, "Location: /api/v1/batches/0"));
    ck_assert(has(&a, "\"accepted\":3,\"rejected\":2,\"duplicates\":1,\"duplicates_exact\":true"));
    ck_assert(has(&a, "\"line\":3"));
    ck_assert(has(&a, "\"line\":5"));
    answer_free(&a);
    world_stop();
}
END_TEST

START_TEST(test_json_members_may_stand_in_any_order)
{
    world_start();
    char id[UUID_TEXT_MAX];
    struct answer a =
        post("/api/v1/batches", "application/json",
             "{\"targets\":[\"http://a.test/\",{\"dns\":\"dns:b.test\",\"user_id\":\"r\"}],"
             "\"name\":\"late\",\"labels\":{\"k\":\"v\"},\"priority\":\"interactive\"}");
    id_of(&a, id);
    a = batch(id, "");
    ck_assert(has(&a, "\"name\":\"late\""));
    ck_assert(has(&a, "\"labels\":{\"k\":\"v\"}"));
    ck_assert(has(&a, "\"priority\":\"interactive\""));
    answer_free(&a);
    world_stop();
}
END_TEST

START_TEST(test_ndjson_is_one_target_a_line)
{
    world_start();
    expect(post("/api/v1/batches", "application/x-ndjson",
                "\"http://a.test/\"\n\n{\"url\":\"http://b.test/\"}\n{\"url\":7}\n{]\n"),
           202, "\"accepted\":2,\"rejected\":2");
    world_stop();
}
END_TEST

START_TEST(test_csv_is_one_target_a_record)
{
    world_start();
    struct answer a = post("/api/v1/batches", "text/csv; charset=utf-8",
                           "url,timeout_ms,user_id\r\nhttp://a.test/,500,\"two\nlines\"\r\n"
                           "nonsense,,\r\nhttp://b.test/,soon,x\r\nhttp://a.test/,500\r\n"
                           "http://a.test/,500,y");
    ck_assert_msg(has(&a, "\"accepted\":2,\"rejected\":3,\"duplicates\":1"), "%s", a.body);
    ck_assert(has(&a, "{\"line\":4,\"code\":\"bare_name\""));
    ck_assert(has(&a, "{\"line\":5,\"code\":\"bad_value\""));
    ck_assert(has(&a, "{\"line\":6,\"code\":\"bad_record\""));
    answer_free(&a);
    world_stop();
}
END_TEST

START_TEST(test_bad_csv_is_refused_as_a_whole)
{
    world_start();
    expect(post("/api/v1/batches", "text/csv", "url,colour\nhttp://a.test/,red\n"), 422,
           "\"code\":\"unknown_column\",\"detail\":\"line 1: unknown column 'colour'");
    expect(post("/api/v1/batches", "text/csv", "\n\"url\"x\n"), 422, "line 2: there is text");
    expect(post("/api/v1/batches", "text/csv", "url\n" GOOD "\"http://b.test/\n" GOOD), 422,
           "begins on line 3 has a '\\\"' that is never closed");
    expect(post("/api/v1/batches", "text/csv", ""), 422, "empty_batch");
    expect(post("/api/v1/batches", "text/csv", "url\n"), 422, "empty_batch");
    ck_assert_uint_eq(w.n_open, 0);
    world_stop();
}
END_TEST

START_TEST(test_counts_of_an_open_batch_are_the_cores)
{
    world_start();
    char id[UUID_TEXT_MAX];
    struct answer a = post("/api/v1/batches", "text/plain", GOOD GOOD);
    id_of(&a, id);
    a = batch(id, "");
    ck_assert_msg(has(&a, "\"counts\":{\"total\":2,\"queued\":1,\"running\":1,\"ok\":0"), "%s",
                  a.body);
    ck_assert(has(&a, "\"state\":\"running\""));
    ck_assert(has(&a, "\"waits_for\":\"no agent is connected\""));
    answer_free(&a);
    expect(get("/api/v1/batches"), 200, "\"queued\":1,\"running\":1");
    world_stop();
}
END_TEST

START_TEST(test_wait_answers_when_the_batch_has_ended)
{
    world_start();
    char id[UUID_TEXT_MAX];
    struct answer a = post("/api/v1/batches?wait=30s", "text/plain", GOOD GOOD);
    ck_assert(has(&a, "\"ended\":true"));
    id_of(&a, id);
    a = batch(id, "");
    ck_assert_msg(has(&a, "\"queued\":0,\"running\":0,\"ok\":2"), "%s", a.body);
    ck_assert(has(&a, "\"state\":\"ended\""));
    answer_free(&a);
    world_stop();
}
END_TEST

START_TEST(test_cancel_of_an_open_batch_is_202_and_of_an_ended_one_says_so)
{
    world_start();
    char id[UUID_TEXT_MAX], path[100];
    struct answer a = post("/api/v1/batches", "text/plain", GOOD);
    id_of(&a, id);
    snprintf(path, sizeof(path), "/api/v1/batches/%s/cancel", id);
    expect(ask_as(w.token, "POST", path, "", "", 0), 202, "cancelling");
    expect(batch(id, "?wait=30s"), 200, "ended");
    expect(ask_as(w.token, "POST", path, "", "", 0), 200, "ended");
    world_stop();
}
END_TEST

START_TEST(test_lists_are_filtered_by_state_and_label)
{
    world_start();
    char id[UUID_TEXT_MAX], ended[80];
    struct answer a = post("/api/v1/batches?label=team%3Dnet&label=env%3Dprod", "text/plain", GOOD);
    id_of(&a, id);
    expect(batch(id, "?wait=30s"), 200, "ended");
    snprintf(ended, sizeof(ended), "{\"batches\":[{\"id\":\"%s\"", id);
    a = post("/api/v1/batches?label=team%3Dnet", "text/plain", GOOD);
    id_of(&a, id);
    expect(get("/api/v1/batches?state=ended"), 200, ended);
    expect(get("/api/v1/batches?label=team%3Dnet&label=env%3Dprod"), 200, ended);
    expect(get("/api/v1/batches?state=running&label=env%3Dprod"), 200, "{\"batches\":[],");
    snprintf(ended, sizeof(ended), "{\"batches\":[{\"id\":\"%s\"", id);
    expect(get("/api/v1/batches?state=running&state=ended&limit=1"), 200, ended);
    expect(get("/api/v1/batches?state=gone"), 400, "running, paused");
    expect(get("/api/v1/batches?label=team"), 400, "KEY=VALUE");
    world_stop();
}
END_TEST

static void change(const char *id, const char *call, int status, const char *words)
{
    char path[100];
    snprintf(path, sizeof(path), "/api/v1/batches/%s/%s", id, call);
    expect(ask_as(w.token, "POST", path, "", "", 0), status, words);
}

START_TEST(test_pause_shows_until_resume_and_is_too_late_for_an_ended_batch)
{
    world_start();
    char id[UUID_TEXT_MAX];
    struct answer a = post("/api/v1/batches", "text/plain", GOOD);
    id_of(&a, id);
    change(id, "resume", 202, "\"state\":\"running\"");
    change(id, "pause", 202, "\"state\":\"paused\"");
    change(id, "pause", 202, "\"state\":\"paused\"");
    expect(batch(id, ""), 200, "\"state\":\"paused\"");
    expect(get("/api/v1/batches"), 200, "\"state\":\"paused\"");
    change(id, "resume", 202, "\"state\":\"running\"");
    expect(batch(id, ""), 200, "\"state\":\"running\"");
    change(id, "cancel", 202, "cancelling");
    change(id, "pause", 409, "\"code\":\"batch_ending\"");
    expect(batch(id, "?wait=30s"), 200, "ended");
    change(id, "pause", 409, "has ended: there is nothing to pause");
    change(id, "resume", 409, "has ended: there is nothing to resume");
    change("0190b5f0-0000-7000-8000-0000000000ff", "pause", 404, "no_such_batch");
    change(id, "pause?for=ever", 400, "'for'");
    char path[100];
    snprintf(path, sizeof(path), "/api/v1/batches/%s/pause", id);
    expect(ask_as(w.read_token, "POST", path, "", "", 0), 403, "submit");
    world_stop();
}
END_TEST

START_TEST(test_pages_ndjson_and_csv_show_the_same_results)
{
    world_start();
    char id[UUID_TEXT_MAX];
    struct answer a = post("/api/v1/batches?wait=30s", "application/x-ndjson",
                           "{\"url\":\"http://a.test/\",\"user_id\":\"x,\\\"y\\\"\","
                           "\"headers\":{\"Authorization\":\"Bearer hush\"}}\n\"dns:b.test\"\n");
    id_of(&a, id);
    a = batch(id, "/results?limit=1");
    ck_assert_msg(
        has(&a, "\"target\":\"http://a.test/\",\"agent\":\"a1\",\"attempt\":1,\"outcome\":\"ok\""),
        "%s", a.body);
    ck_assert(!has(&a, "\"next_cursor\":null"));
    ck_assert(!has(&a, "hush"));
    answer_free(&a);
    a = batch(id, "/results.ndjson");
    ck_assert_msg(has(&a, "\n{\"end\":true,\"count\":2}\n"), "%s", a.body);
    ck_assert(has(&a, "\"user_id\":\"x,\\\"y\\\"\""));
    answer_free(&a);
    a = batch(id, "/results.csv");
    ck_assert_msg(has(&a, "\r\n# end count=2\r\n"), "%s", a.body);
    ck_assert(has(&a, ",\"x,\"\"y\"\"\"\r\n"));
    ck_assert_int_eq(strncmp(a.body, "task,batch,target,", 18), 0);
    answer_free(&a);
    expect(batch(id, "/results?outcome=failed"), 200, "\"results\":[]");
    expect(batch(id, "/results?outcome=nice"), 400, "nice");
    a = batch(id, "/results?host=b.test");
    ck_assert_msg(has(&a, "\"dns:b.test\"") && !has(&a, "a.test"), "%s", a.body);
    answer_free(&a);
    expect(batch(id, "/results.ndjson?host=c.test"), 200, "{\"end\":true,\"count\":0}");
    expect(batch(id, "/results?host=http://a.test/"), 400, "'host'");
    world_stop();
}
END_TEST

START_TEST(test_a_task_is_shown_with_its_result)
{
    world_start();
    char path[64];
    struct answer a = post("/api/v1/batches?wait=30s", "text/plain", GOOD);
    ck_assert_int_eq(a.status, 202);
    answer_free(&a);
    snprintf(path, sizeof(path), "/api/v1/tasks/%llu",
             (unsigned long long)task_id(w.open[0].num, 0));
    expect(get(path), 200, "\"ended\":true,\"state\":\"ended\",");
    expect(get(path), 200, "\"result\":{\"task\":");
    expect(get(path), 200, "\"step\":\"stored\"");
    world_stop();
}
END_TEST

START_TEST(test_a_probe_answers_with_its_result)
{
    world_start();
    expect(post("/api/v1/probes", "application/json", "{\"url\":\"http://a.test/\"}"), 200,
           "\"outcome\":\"ok\"");
    expect(post("/api/v1/probes", "application/json", "{\"url\":\"nonsense\"}"), 422, "nonsense");
    expect(post("/api/v1/probes", "application/json", "{"), 400, "bad_json");
    world_stop();
}
END_TEST

START_TEST(test_a_bad_probe_says_what_is_wrong_with_its_target)
{
    world_start();
    struct answer a = post("/api/v1/probes", "application/json", "\"nonsense\"");
    ck_assert_int_eq(a.status, 422);
    ck_assert_msg(!has(&a, "strict"), "%s", a.body);
    ck_assert_msg(has(&a, "\"detail\":\"'nonsense'"), "%s", a.body);
    answer_free(&a);
    world_stop();
}
END_TEST

START_TEST(test_bad_targets_are_counted_in_grammatical_sentences)
{
    static const struct {
        const char *query, *body, *text;
    } cases[] = {
        {"?strict=1", GOOD "nonsense\n", "1 target is bad, and strict=1"},
        {"?strict=1", GOOD "nonsense\nrubbish\n", "2 targets are bad, and strict=1"},
        {"", "nonsense\n", "the only target is bad: 'nonsense'"},
        {"", "nonsense\nrubbish\n", "none of the 2 targets is good"},
    };
    world_start();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char path[100];
        snprintf(path, sizeof(path), "/api/v1/batches%s", cases[i].query);
        expect(post(path, "text/plain", cases[i].body), 422, cases[i].text);
    }
    world_stop();
}
END_TEST

START_TEST(test_ten_thousand_lines_are_ten_thousand_tasks)
{
    world_start();
    size_t n;
    char *body = repeat(GOOD, 10000, &n), id[UUID_TEXT_MAX];
    struct answer a = post("/api/v1/batches", "text/plain", body);
    ck_assert(has(&a, "\"accepted\":10000"));
    id_of(&a, id);
    expect(batch(id, ""), 200, "\"total\":10000");
    free(body);
    world_stop();
}
END_TEST

START_TEST(test_json_over_the_small_bound_is_streamed)
{
    world_start();
    size_t n;
    char *many =
        repeat("\"http://a.test/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",",
               70000, &n);
    char *body = malloc(n + 200);
    snprintf(body, n + 200, "{\"name\":\"big\",\"targets\":[%s\"http://b.test/\"]}", many);
    expect(post("/api/v1/batches", "application/json", body), 202, "\"accepted\":70001");
    snprintf(body, n + 200, "{\"targets\":[%s\"http://b.test/\"],\"name\":\"big\"}", many);
    expect(post("/api/v1/batches", "application/json", body), 422, "must be the last member");
    free(body);
    free(many);
    world_stop();
}
END_TEST

static size_t gzip(const char *text, size_t n, char *out, size_t max)
{
    z_stream z = {0};
    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)text;
    z.avail_in = (uInt)n;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)max;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return max - z.avail_out;
}

static struct answer post_gzip(const char *bytes, size_t n)
{
    return ask_as(w.token, "POST", "/api/v1/batches",
                  "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n", bytes, n);
}

START_TEST(test_gzip_is_decoded_and_counts_decoded)
{
    world_start_with(100000, NULL);
    size_t n;
    char *text = repeat(GOOD, 20000, &n), packed[65536];
    expect(post_gzip(packed, gzip(text, 80000, packed, sizeof(packed))), 202, "\"accepted\":5000");
    expect(post_gzip(packed, gzip(text, n, packed, sizeof(packed))), 413, "100000");
    expect(post_gzip(packed, gzip(text, 80000, packed, sizeof(packed)) - 9), 400, "bad_gzip");
    expect(post_gzip("nonsense", 8), 400, "bad_gzip");
    free(text);
    world_stop();
}
END_TEST

/* Many small chunks in one packet while the upload waits for the store: libmicrohttpd hands them on
 * though it is suspended. */
START_TEST(test_chunks_that_come_while_the_upload_waits_are_kept)
{
    world_start();
    enum { LINES = 20000 };
    size_t n;
    char *text = repeat("3\r\n\n# \r\n11\r\n\nhttp://b.test/2\n\r\n", LINES, &n), head[256];
    int fd = dial();
    size_t h = (size_t)snprintf(head, sizeof(head),
                                "POST /api/v1/batches HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                "Authorization: Bearer %s\r\nContent-Type: text/plain\r\n"
                                "Transfer-Encoding: chunked\r\n\r\n",
                                w.token);
    send_all(fd, head, h);
    send_all(fd, text, n);
    send_all(fd, "0\r\n\r\n", 5);
    expect(receive(fd), 202, "\"accepted\":20000,\"rejected\":0");
    free(text);
    world_stop();
}
END_TEST

/* A little gzip is many lines: the decoded rest waits with the upload. */
START_TEST(test_chunked_gzip_that_grows_is_taken_whole)
{
    world_start();
    size_t n;
    char *text = repeat(GOOD, 100000, &n), *packed = malloc(65536), head[256];
    size_t len = gzip(text, n, packed, 65536);
    int fd = dial();
    size_t h = (size_t)snprintf(head, sizeof(head),
                                "POST /api/v1/batches HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                "Authorization: Bearer %s\r\nContent-Type: text/plain\r\n"
                                "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
                                w.token);
    send_all(fd, head, h);
    for (size_t at = 0; at < len; at += 100) {
        size_t piece = len - at < 100 ? len - at : 100;
        h = (size_t)snprintf(head, sizeof(head), "%zx\r\n", piece);
        send_all(fd, head, h);
        send_all(fd, packed + at, piece);
        send_all(fd, "\r\n", 2);
    }
    send_all(fd, "0\r\n\r\n", 5);
    expect(receive(fd), 202, "\"accepted\":100000");
    free(text);
    free(packed);
    world_stop();
}
END_TEST

START_TEST(test_a_body_over_the_limit_is_413_and_opens_nothing)
{
    world_start_with(1000, NULL);
    size_t n;
    char *text = repeat(GOOD, 100, &n);
    expect(post("/api/v1/batches", "text/plain", text), 413, "1000 bytes");
    int fd = dial();
    char head[256];
    size_t h = (size_t)snprintf(head, sizeof(head),
                                "POST /api/v1/batches HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                "Authorization: Bearer %s\r\nContent-Type: text/plain\r\n"
                                "Transfer-Encoding: chunked\r\n\r\n640\r\n",
                                w.token);
    send_all(fd, head, h);
    send_all(fd, text, n);
    send_all(fd, "\r\n0\r\n\r\n", 7);
    expect(receive(fd), 413, "1000 bytes");
    expect(get("/api/v1/batches"), 200, "\"batches\":[]");
    free(text);
    world_stop();
}
END_TEST

static bool quiet(void)
{
    struct answer a = get("/metrics");
    bool alone = has(&a, "requests_active 1\n");
    answer_free(&a);
    return alone;
}

START_TEST(test_an_upload_cut_off_opens_nothing)
{
    world_start();
    size_t n;
    char *text = repeat(GOOD, 5000, &n), head[256];
    int fd = dial();
    size_t h = (size_t)snprintf(head, sizeof(head),
                                "POST /api/v1/batches HTTP/1.1\r\nHost: x\r\n"
                                "Authorization: Bearer %s\r\nContent-Type: text/plain\r\n"
                                "Content-Length: 1000000\r\n\r\n",
                                w.token);
    send_all(fd, head, h);
    send_all(fd, text, n);
    close(fd);
    while (!quiet())
        usleep(10000); /* itself is the one: the upload is gone long before any time-out */
    expect(get("/api/v1/batches"), 200, "\"batches\":[]");
    free(text);
    world_stop();
}
END_TEST

START_TEST(test_strict_refuses_all_for_one_bad_line)
{
    world_start();
    expect(post("/api/v1/batches?strict=1", "text/plain", GOOD "nonsense\n" GOOD), 422,
           "\"line\":2");
    expect(get("/api/v1/batches"), 200, "\"batches\":[]");
    world_stop();
}
END_TEST

START_TEST(test_bad_bodies_get_one_clear_sentence)
{
    static const struct {
        const char *type, *query, *body;
        int status;
        const char *text;
    } cases[] = {
        {"application/json", "", "", 400, "empty"},
        {"application/json", "", "{\"targets\":[]}", 422, "empty_batch"},
        {"application/json", "", "{\"name\":\"x\"}", 422, "targets"},
        {"application/json", "", "{targets:", 400, "bad_json"},
        {"application/json", "", "{\"targets\":[\"http://a/\"", 400, "ends too soon"},
        {"application/json", "", "[\"http://a/\"]", 400, "must be an object"},
        {"application/json", "", "{\"targets\":\"x\"}", 400, "must be an array"},
        {"application/json", "", "{\"targets\":[\"http://a/\"],\"colour\":1}", 422, "colour"},
        {"application/json", "", "{\"targets\":[\"http://a/\"],\"deadline_s\":\"soon\"}", 422,
         "deadline_s"},
        {"application/json", "", "{\"targets\":[\"http://a/\"],\"priority\":\"urgent\"}", 422,
         "priority"},
        {"application/json", "", "{\"targets\":[\"http://a/\"],\"defaults\":{\"timeout\":3}}", 422,
         "timeout"},
        {"application/json", "", "{\"targets\":[\"http://a/\"],\"agents\":{\"names\":[7]}}", 422,
         "agents"},
        {"application/json", "", "{\"targets\":[\"http://a/\xff\"]}", 422, "UTF-8"},
        {"application/json", "?name=x", "{\"targets\":[]}", 400, "name"},
        {"text/plain", "", "\n# nothing\n", 422, "empty_batch"},
        {"text/plain", "", "example.com\n", 422, "dns:"},
        {"text/plain", "?deadline_s=soon", GOOD, 422, "deadline_s"},
        {"text/plain", "?tag=x", GOOD, 400, "tag=KEY=VALUE"},
        {"application/xml", "", "<x/>", 415, "application/xml"},
    };
    world_start();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char path[100];
        snprintf(path, sizeof(path), "/api/v1/batches%s", cases[i].query);
        expect(post(path, cases[i].type, cases[i].body), cases[i].status, cases[i].text);
    }
    expect(get("/api/v1/batches"), 200, "\"batches\":[]");
    world_stop();
}
END_TEST

START_TEST(test_lists_go_on_by_their_cursor)
{
    world_start();
    for (int i = 0; i < 3; i++)
        expect(post("/api/v1/batches", "text/plain", GOOD), 202, NULL);
    struct answer a = get("/api/v1/batches?limit=2");
    const char *at = strstr(a.body, "\"next_cursor\":\"");
    ck_assert_ptr_nonnull(at);
    char path[64];
    snprintf(path, sizeof(path), "/api/v1/batches?limit=2&cursor=%d",
             (int)strtol(at + 15, NULL, 10));
    answer_free(&a);
    expect(get(path), 200, "\"next_cursor\":null");
    world_stop();
}
END_TEST

TESTS(uploads, test_text_names_bad_lines_and_keeps_the_good,
      test_json_members_may_stand_in_any_order, test_ndjson_is_one_target_a_line,
      test_csv_is_one_target_a_record, test_bad_csv_is_refused_as_a_whole,
      test_ten_thousand_lines_are_ten_thousand_tasks, test_json_over_the_small_bound_is_streamed,
      test_gzip_is_decoded_and_counts_decoded,
      test_chunks_that_come_while_the_upload_waits_are_kept,
      test_chunked_gzip_that_grows_is_taken_whole)
TESTS(refusals, test_a_body_over_the_limit_is_413_and_opens_nothing,
      test_an_upload_cut_off_opens_nothing, test_strict_refuses_all_for_one_bad_line,
      test_bad_bodies_get_one_clear_sentence)
TESTS(reads, test_counts_of_an_open_batch_are_the_cores, test_wait_answers_when_the_batch_has_ended,
      test_cancel_of_an_open_batch_is_202_and_of_an_ended_one_says_so,
      test_lists_are_filtered_by_state_and_label,
      test_pause_shows_until_resume_and_is_too_late_for_an_ended_batch,
      test_pages_ndjson_and_csv_show_the_same_results, test_a_task_is_shown_with_its_result,
      test_a_probe_answers_with_its_result, test_a_bad_probe_says_what_is_wrong_with_its_target,
      test_bad_targets_are_counted_in_grammatical_sentences, test_lists_go_on_by_their_cursor)
CHECK_MAIN("batches", uploads, refusals, reads)
