/* SPDX-License-Identifier: MIT */
#include "master/ctl/progress.h"
#include "master/ctl/batch_view.h"
#include "common/text.h"
#include "master/ctl/watch.h"
#include "tests/support/check_main.h"
#include <string.h>

#define BATCH(state, more)                                                                         \
    "{\"state\":\"" state "\",\"counts\":{\"total\":5000,\"queued\":3766,\"running\":50,"          \
    "\"ok\":1150,\"failed\":34},\"rate\":310.2,\"eta_s\":12" more "}"

static struct json_doc *doc;
static struct strbuf out;

static struct progress read_batch(const char *text)
{
    text_init();
    strbuf_init(&out, 65536);
    ck_assert_int_eq(json_parse(text, strlen(text), &doc, NULL, 0), ERR_NONE);
    return progress_of(json_root(doc));
}

static void end(void)
{
    json_free(&doc);
    strbuf_fini(&out);
}

START_TEST(test_reads_a_batch)
{
    struct progress p = read_batch(BATCH("running", ""));
    ck_assert_uint_eq(p.total, 5000);
    ck_assert_uint_eq(progress_done(&p), 1184);
    ck_assert_uint_eq(progress_percent(&p), 23);
    ck_assert_int_eq(p.eta_s, 12);
    ck_assert(!p.over);
    end();
}
END_TEST

START_TEST(test_survives_a_batch_without_members)
{
    struct progress p = read_batch("{\"counts\":7,\"state\":null}");
    ck_assert_uint_eq(p.total, 0);
    ck_assert_int_eq(p.eta_s, -1);
    ck_assert_ptr_null(p.waits_for);
    end();
}
END_TEST

START_TEST(test_hundred_percent_only_at_the_end)
{
    struct progress p = {.total = 100000, .ended = {[OUTCOME_OK] = 99999}};
    ck_assert_uint_eq(progress_percent(&p), 99);
    p.ended[OUTCOME_FAILED] = 1;
    ck_assert_uint_eq(progress_percent(&p), 100);
}
END_TEST

START_TEST(test_bar_fits_every_width)
{
    struct progress p = read_batch(BATCH("running", ",\"waits_for\":\"credit: agents are full\""));
    for (size_t width = 20; width < 200; width++) {
        strbuf_reset(&out);
        progress_bar(&p, width, false, &out);
        ck_assert_uint_le(text_width(out.data), width);
    }
    end();
}
END_TEST

START_TEST(test_bar_shows_what_matters)
{
    struct progress p = read_batch(BATCH("running", ""));
    progress_bar(&p, 120, false, &out);
    ck_assert_ptr_nonnull(
        strstr(out.data, "23%  1,184/5,000  ok 1,150  failed 34  running 50  310/s  eta 12s"));
    end();
}
END_TEST

START_TEST(test_bar_has_colours_only_when_asked)
{
    struct progress p = read_batch(BATCH("running", ""));
    progress_bar(&p, 120, false, &out);
    ck_assert_ptr_null(strchr(out.data, 0x1b));
    strbuf_reset(&out);
    progress_bar(&p, 120, true, &out);
    ck_assert_ptr_nonnull(strchr(out.data, 0x1b));
    end();
}
END_TEST

START_TEST(test_plain_line_is_words)
{
    struct progress p = read_batch(BATCH("running", ""));
    progress_plain(&p, &out);
    ck_assert_str_eq(out.data, "1,184 of 5,000 done (23%), ok 1,150, failed 34, running 50, 310/s, "
                               "eta 12s");
    end();
}
END_TEST

START_TEST(test_what_it_waits_for_is_cleaned)
{
    struct progress p = read_batch(BATCH("running", ",\"waits_for\":\"a\\u001b[2Jb\""));
    progress_plain(&p, &out);
    ck_assert_ptr_null(strchr(out.data, 0x1b));
    end();
}
END_TEST

START_TEST(test_line_is_due_when_something_changed_and_time_passed)
{
    ck_assert(watch_line_due(0, NULL, "a"));
    ck_assert(!watch_line_due(100, "a", "b"));
    ck_assert(!watch_line_due(60000, "a", "a"));
    ck_assert(watch_line_due(60000, "a", "b"));
}
END_TEST

START_TEST(test_exit_code_of_a_batch)
{
    struct progress p = {.total = 3, .ended = {[OUTCOME_OK] = 3}};
    ck_assert_int_eq(batch_view_exit_code(&p), EXIT_ALL_OK);
    p = (struct progress){.total = 3, .ended = {[OUTCOME_OK] = 2, [OUTCOME_REFUSED] = 1}};
    ck_assert_int_eq(batch_view_exit_code(&p), EXIT_SOME_FAILED);
    p = (struct progress){.total = 3, .ended = {[OUTCOME_FAILED] = 2, [OUTCOME_EXPIRED] = 1}};
    ck_assert_int_eq(batch_view_exit_code(&p), EXIT_DEADLINE);
}
END_TEST

START_TEST(test_counts_in_words)
{
    struct progress p = read_batch(BATCH("running", ""));
    batch_view_counts(&p, &out);
    ck_assert_str_eq(out.data, "5,000 targets: 1,150 ok, 34 failed, 50 running, 3,766 queued");
    end();
}
END_TEST

START_TEST(test_most_frequent_cause_stands_first)
{
    struct table_style style = {.width = 0};
    read_batch("{\"causes\":{\"http_4xx\":2,\"brand_new\":1,\"connect_refused\":1500}}");
    batch_view_causes(json_root(doc), &style, &out);
    const char *most = strstr(out.data, "connect_refused"), *rare = strstr(out.data, "brand_new");
    ck_assert_ptr_nonnull(strstr(out.data, "1,500"));
    ck_assert_ptr_nonnull(rare);
    ck_assert(most != NULL && most < rare);
    end();
}
END_TEST

TESTS(progress, test_reads_a_batch, test_survives_a_batch_without_members,
      test_hundred_percent_only_at_the_end, test_bar_fits_every_width, test_bar_shows_what_matters,
      test_bar_has_colours_only_when_asked, test_plain_line_is_words,
      test_what_it_waits_for_is_cleaned, test_line_is_due_when_something_changed_and_time_passed)
TESTS(batch, test_exit_code_of_a_batch, test_counts_in_words, test_most_frequent_cause_stands_first)
CHECK_MAIN("ctl progress", progress, batch)
