/* SPDX-License-Identifier: MIT */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/utf8.h"
#include "tests/support/check_main.h"

#define TS_LEN  27
#define THREADS 4

static int fds[2];
static char out[1 << 17];

static void setup(void)
{
    ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
    log_init(LOG_INFO, LOG_TEXT, fds[1]);
}

static void teardown(void)
{
    close(fds[0]);
    close(fds[1]);
}

/* All that was written until now. */
static const char *written(void)
{
    size_t len = 0;
    for (ssize_t n; (n = read(fds[0], out + len, sizeof(out) - 1 - len)) > 0;)
        len += (size_t)n;
    out[len] = '\0';
    return out;
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
        n++;
    return n;
}

/* The one text line without its time. */
static void check_text(const char *want)
{
    const char *line = written();
    ck_assert_uint_gt(strlen(line), TS_LEN);
    ck_assert_str_eq(line + TS_LEN, want);
}

/* The fields of the one JSON line. */
static void check_json(const char *want)
{
    const char *fields = strstr(written(), "\"event\":\"e\"");
    ck_assert_ptr_nonnull(fields);
    ck_assert_str_eq(fields + strlen("\"event\":\"e\""), want);
}

START_TEST(test_text_line_has_time_level_area_event_fields)
{
    LOG(LOG_WARN, "link", "closed", LS("peer", "bj-1"), LI("n", -3), LU("id", UINT64_MAX),
        LMS("took", 1.5));
    struct wall t;
    check_text(" warn link closed peer=bj-1 n=-3 id=18446744073709551615 took=1.5\n");
    out[TS_LEN] = '\0';
    ck_assert_int_eq(wall_parse(out, &t), ERR_NONE);
}
END_TEST

START_TEST(test_line_without_fields)
{
    LOG(LOG_ERROR, "a", "e");
    check_text(" error a e\n");
}
END_TEST

START_TEST(test_null_string_and_unreal_number_are_left_out)
{
    LOG(LOG_INFO, "a", "e", LS("s", NULL), LMS("ms", NAN), LMS("inf", INFINITY), LI("i", 1));
    check_text(" info a e i=1\n");
}
END_TEST

START_TEST(test_milliseconds_have_three_decimals_at_most)
{
    LOG(LOG_INFO, "a", "e", LMS("x", 1234.56789), LMS("y", 2));
    check_text(" info a e x=1234.568 y=2\n");
}
END_TEST

START_TEST(test_error_text_is_quoted)
{
    LOG(LOG_INFO, "a", "e", LERR("err", ERR_TOO_BIG));
    check_text(" info a e err=\"over the size limit\"\n");
}
END_TEST

struct escape {
    const char *value, *text, *json;
};
static const struct escape escapes[] = {
    {"", "\"\"", "\"\""},
    {"a=b?c&d", "a=b?c&d", "\"a=b?c&d\""},
    {"a b", "\"a b\"", "\"a b\""},
    {"say \"x\"", "\"say \\\"x\\\"\"", "\"say \\\"x\\\"\""},
    {"c:\\d", "\"c:\\\\d\"", "\"c:\\\\d\""},
    {"x\nfake error", "\"x\\nfake error\"", "\"x\\nfake error\""},
    {"\r\t", "\"\\r\\t\"", "\"\\r\\t\""},
    {"\x1b[2J", "\"\\x1b[2J\"", "\"\\u001b[2J\""},
    {"\x7f", "\"\\x7f\"", "\"\\u007f\""},
    {"\xe4\xb8\xad", "\xe4\xb8\xad", "\"\xe4\xb8\xad\""},
    {"\xff", "\"\\xff\"", "\"\\u00ff\""},
    {"\xc2\x85", "\"\\xc2\\x85\"", "\"\\u00c2\\u0085\""},
    {"\xe2\x80\xa8", "\"\\xe2\\x80\\xa8\"", "\"\\u00e2\\u0080\\u00a8\""},
    {"cut\xe4\xb8", "\"cut\\xe4\\xb8\"", "\"cut\\u00e4\\u00b8\""},
};

START_TEST(test_text_escapes)
{
    char want[200];
    snprintf(want, sizeof(want), " info a e v=%s\n", escapes[_i].text);
    LOG(LOG_INFO, "a", "e", LS("v", escapes[_i].value));
    check_text(want);
}
END_TEST

START_TEST(test_json_escapes)
{
    char want[200];
    snprintf(want, sizeof(want), ",\"v\":%s}\n", escapes[_i].json);
    log_init(LOG_INFO, LOG_JSON, fds[1]);
    LOG(LOG_INFO, "a", "e", LS("v", escapes[_i].value));
    check_json(want);
}
END_TEST

START_TEST(test_json_line_has_all_kinds)
{
    log_init(LOG_INFO, LOG_JSON, fds[1]);
    LOG(LOG_INFO, "a", "e", LS("s", "x"), LI("i", -1), LU("u", 2), LMS("ms", 0.125));
    check_json(",\"s\":\"x\",\"i\":-1,\"u\":2,\"ms\":0.125}\n");
    ck_assert_uint_eq(strncmp(out, "{\"ts\":\"", 7), 0);
    ck_assert_ptr_nonnull(strstr(out, "\",\"level\":\"info\",\"area\":\"a\",\"event\":\"e\""));
}
END_TEST

START_TEST(test_level_below_the_least_is_not_written)
{
    LOG(LOG_DEBUG, "a", "e");
    ck_assert_str_eq(written(), "");
    ck_assert(!log_enabled(LOG_DEBUG) && log_enabled(LOG_INFO));
}
END_TEST

START_TEST(test_level_names_parse)
{
    enum log_level level = LOG_WARN;
    ck_assert_int_eq(log_level_parse("debug", &level), ERR_NONE);
    ck_assert_int_eq(level, LOG_DEBUG);
    ck_assert_int_eq(log_level_parse("error", &level), ERR_NONE);
    ck_assert_int_eq(level, LOG_ERROR);
    ck_assert_int_eq(log_level_parse("ERROR", &level), ERR_INVALID);
    ck_assert_int_eq(log_level_parse("", &level), ERR_INVALID);
    ck_assert_int_eq(level, LOG_ERROR);
}
END_TEST

static char *long_value(size_t n, char c)
{
    char *s = malloc(n + 1);
    ck_assert_ptr_nonnull(s);
    memset(s, c, n);
    s[n] = '\0';
    return s;
}

START_TEST(test_long_value_is_cut_and_the_next_field_kept)
{
    char *value = long_value(100000, '\x01');
    LOG(LOG_INFO, "a", "e", LS("v", value), LI("next", 1));
    const char *line = written();
    ck_assert_uint_lt(strlen(line), 1200);
    ck_assert_ptr_nonnull(strstr(line, "...\" next=1\n"));
    free(value);
}
END_TEST

START_TEST(test_fields_that_do_not_fit_are_left_out_and_told)
{
    char *value = long_value(1000, 'x');
    log_init(LOG_INFO, LOG_JSON, fds[1]);
    LOG(LOG_INFO, "a", "e", LS("a", value), LS("b", value), LS("c", value), LS("d", value),
        LS("e", value));
    const char *line = written();
    ck_assert_uint_le(strlen(line), 4096);
    ck_assert_ptr_nonnull(strstr(line, "x\",\"cut\":true}\n"));
    free(value);
}
END_TEST

START_TEST(test_errno_is_kept)
{
    errno = ENOENT;
    close(fds[1]);
    LOG(LOG_INFO, "a", "e");
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(test_failing_descriptor_counts_the_line_as_lost)
{
    uint64_t before = log_unwritten();
    int full = open("/dev/full", O_WRONLY);
    log_init(LOG_INFO, LOG_TEXT, full);
    LOG(LOG_INFO, "a", "e");
    ck_assert_uint_eq(log_unwritten(), before + 1);
    ck_assert_uint_eq(log_untold(), 1);
    close(full);
}
END_TEST

static void fill_pipe(void)
{
    static const char filler[4096];
    while (write(fds[1], filler, sizeof(filler)) > 0)
        continue;
}

/* Also when nobody has made it nonblocking: it may be shared with other programs. */
START_TEST(test_full_pipe_does_not_block)
{
    uint64_t before = log_unwritten();
    fill_pipe();
    ck_assert_int_eq(fcntl(fds[1], F_SETFL, _i == 0 ? O_NONBLOCK : 0), 0);
    LOG(LOG_INFO, "a", "e");
    ck_assert_uint_eq(log_unwritten(), before + 1);
}
END_TEST

START_TEST(test_lost_lines_are_told_once_when_it_works_again)
{
    fill_pipe();
    for (int i = 0; i < 5; i++)
        LOG(LOG_INFO, "a", "lost");
    written();
    LOG(LOG_INFO, "a", "e");
    const char *first = written(), *second = strchr(first, '\n');
    ck_assert_int_eq(strncmp(first + TS_LEN, " warn log lines_lost lines=5 meaning=", 37), 0);
    ck_assert_ptr_nonnull(second);
    ck_assert_str_eq(second + 1 + TS_LEN, " info a e\n");
    ck_assert_uint_eq(log_untold(), 0);
    LOG(LOG_INFO, "a", "e");
    check_text(" info a e\n");
}
END_TEST

START_TEST(test_gone_reader_is_counted_and_never_ends_us)
{
    signal(SIGPIPE, SIG_IGN);
    uint64_t before = log_unwritten();
    close(fds[0]);
    for (int i = 0; i < 3; i++)
        LOG(LOG_INFO, "a", "e");
    ck_assert_uint_eq(log_unwritten(), before + 3);
}
END_TEST

START_TEST(test_line_after_a_torn_one_starts_on_its_own)
{
    FILE *file = tmpfile();
    struct rlimit before, small;
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = 10, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    log_init(LOG_INFO, LOG_TEXT, fileno(file));

    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    LOG(LOG_INFO, "a", "torn");
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    LOG(LOG_INFO, "a", "whole");

    ssize_t n = pread(fileno(file), out, sizeof(out) - 1, 0);
    ck_assert_int_gt(n, 11 + TS_LEN);
    out[n] = '\0';
    ck_assert_int_eq(out[10], '\n');
    ck_assert_ptr_nonnull(strstr(out + 11 + TS_LEN, " warn log lines_lost lines=1 "));
    ck_assert_ptr_nonnull(strstr(out + 11 + TS_LEN, " info a whole\n"));
    ck_assert_uint_eq(log_unwritten(), 1);
    fclose(file);
}
END_TEST

/* ---- the limit of a place; its second is set by hand, so that no test waits for a clock */

static const struct log_field no_fields[] = {{.kind = LOG_F_END}};

static void log_far(struct log_site *site, int lines)
{
    atomic_store(&site->second, INT64_MAX); /* a second that does not end */
    for (int i = 0; i < lines; i++)
        log_write(site, LOG_INFO, "a", "e", no_fields);
}

START_TEST(test_a_place_writes_ten_lines_a_second)
{
    struct log_site site = {0};
    uint64_t before = log_suppressed();
    log_far(&site, 25);
    ck_assert_uint_eq(count(written(), "\n"), 10);
    ck_assert_uint_eq(log_suppressed(), before + 15);
}
END_TEST

START_TEST(test_next_second_tells_what_was_suppressed_once)
{
    struct log_site site = {0};
    log_far(&site, 25);
    written();
    atomic_store(&site.second, 0);
    log_write(&site, LOG_INFO, "a", "e", no_fields);
    check_text(" info a e suppressed=15\n");
    log_write(&site, LOG_INFO, "a", "e", no_fields);
    check_text(" info a e\n");
}
END_TEST

START_TEST(test_places_are_limited_apart)
{
    struct log_site one = {0}, other = {0};
    log_far(&one, 12);
    log_far(&other, 12);
    ck_assert_uint_eq(count(written(), "\n"), 20);
}
END_TEST

START_TEST(test_what_is_asked_for_has_a_limit_of_its_own)
{
    struct log_site asked = {.most = LOG_ASKED_PER_SECOND};
    log_far(&asked, LOG_ASKED_PER_SECOND + 5);
    ck_assert_uint_eq(count(written(), "\n"), LOG_ASKED_PER_SECOND);
}
END_TEST

START_TEST(test_what_is_asked_for_is_written_at_info)
{
    for (int asked = 0; asked < 2; asked++)
        LOG_ASKED(asked, LOG_DEBUG, "task", "leased", LI("n", asked));
    check_text(" info task leased n=1\n");
    LOG_ASKED(true, LOG_WARN, "task", "leased");
    check_text(" warn task leased\n");
}
END_TEST

static struct log_site shared;

static void *storm(void *arg)
{
    for (int i = 0; i < 1000; i++)
        log_write(&shared, LOG_INFO, "storm", "e", no_fields);
    return NULL;
}

START_TEST(test_threads_share_the_limit_and_lines_stay_whole)
{
    pthread_t threads[THREADS];
    atomic_store(&shared.second, INT64_MAX);
    for (int i = 0; i < THREADS; i++)
        PTOK(pthread_create(&threads[i], NULL, storm, NULL));
    for (int i = 0; i < THREADS; i++)
        PTOK(pthread_join(threads[i], NULL));
    /* A line may tell already what another thread suppressed. */
    ck_assert_uint_eq(count(written(), "Z info storm e"), 10);
    ck_assert_uint_eq(count(out, "\n"), 10);
}
END_TEST

TESTS(lines, test_text_line_has_time_level_area_event_fields, test_line_without_fields,
      test_null_string_and_unreal_number_are_left_out,
      test_milliseconds_have_three_decimals_at_most, test_error_text_is_quoted,
      test_json_line_has_all_kinds, test_level_below_the_least_is_not_written,
      test_level_names_parse, test_long_value_is_cut_and_the_next_field_kept,
      test_fields_that_do_not_fit_are_left_out_and_told, test_errno_is_kept,
      test_failing_descriptor_counts_the_line_as_lost,
      test_lost_lines_are_told_once_when_it_works_again,
      test_gone_reader_is_counted_and_never_ends_us, test_line_after_a_torn_one_starts_on_its_own,
      test_a_place_writes_ten_lines_a_second, test_next_second_tells_what_was_suppressed_once,
      test_places_are_limited_apart, test_what_is_asked_for_has_a_limit_of_its_own,
      test_what_is_asked_for_is_written_at_info, test_threads_share_the_limit_and_lines_stay_whole)

static TCase *all(void)
{
    TCase *tc = lines();
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, test_full_pipe_does_not_block, 0, 2);
    tcase_add_loop_test(tc, test_text_escapes, 0, (int)ARRAY_LEN(escapes));
    tcase_add_loop_test(tc, test_json_escapes, 0, (int)ARRAY_LEN(escapes));
    return tc;
}

CHECK_MAIN("log", all)
