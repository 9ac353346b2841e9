/* SPDX-License-Identifier: MIT */
#include "master/ctl/diagnose.h"
#include <string.h>
#include "common/text.h"
#include "tests/support/check_main.h"

#define FINDING(check, state, evidence, items, more)                                               \
    "{\"check\":\"" check "\",\"state\":\"" state "\",\"evidence\":\"" evidence                    \
    "\",\"items\":[" items "],\"more_items\":" more                                                \
    ",\"meaning\":\"It hurts the work that there is to do.\",\"fix\":\"Mend what is broken.\"}"
#define ANSWER(state, counts, findings)                                                            \
    "{\"state\":\"" state "\",\"counts\":{" counts "},\"findings\":[" findings "]}"

static const char all_well[] =
    ANSWER("ok", "\"checks\":1,\"ok\":1,\"warn\":0,\"bad\":0,\"unknown\":0",
           FINDING("disk", "ok", "50 GiB of 100 GiB free", "", "0"));
static const char unknown[] =
    ANSWER("ok", "\"checks\":2,\"ok\":1,\"warn\":0,\"bad\":0,\"unknown\":1",
           FINDING("disk", "ok", "much", "", "0") "," FINDING("clock", "unknown", "dark", "", "0"));
static const char ill[] = ANSWER(
    "bad", "\"checks\":3,\"ok\":1,\"warn\":1,\"bad\":1,\"unknown\":0",
    FINDING("disk", "bad", "0 B of 16 MiB free", "", "0") "," FINDING(
        "cpu", "ok", "idle", "", "0") "," FINDING("half_open", "warn", "12 of 20 are silent",
                                                  "{\"name\":\"a1\",\"state\":\"warn\","
                                                  "\"evidence\":\"no heartbeat for 9s\\u001b[2J\"}",
                                                  "11"));

static struct json_doc *doc;
static struct strbuf out;

static const char *shown(const char *text, bool all, size_t width, bool colour)
{
    struct table_style style = {.width = width, .colour = colour};
    text_init();
    strbuf_init(&out, 65536);
    ck_assert_int_eq(json_parse(text, strlen(text), &doc, NULL, 0), ERR_NONE);
    diagnose_put(&out, json_root(doc), all, &style);
    return out.data;
}

static void end(void)
{
    json_free(&doc);
    strbuf_fini(&out);
}

static int code_of(const char *text)
{
    ck_assert_int_eq(json_parse(text, strlen(text), &doc, NULL, 0), ERR_NONE);
    int code = diagnose_code(json_root(doc));
    json_free(&doc);
    return code;
}

START_TEST(test_all_well_is_one_line)
{
    ck_assert_str_eq(shown(all_well, false, 80, false), "all 1 checks ok\n");
    end();
    ck_assert_str_eq(shown(unknown, false, 80, false),
                     "all 1 checks ok, 1 could not tell (--all shows why)\n");
    end();
}
END_TEST

START_TEST(test_what_is_ill_stands_with_its_meaning_and_fix)
{
    ck_assert_str_eq(shown(ill, false, 80, false),
                     "bad      disk       0 B of 16 MiB free\n"
                     "    means  It hurts the work that there is to do.\n"
                     "    do     Mend what is broken.\n"
                     "\n"
                     "warn     half_open  12 of 20 are silent\n"
                     "    a1: no heartbeat for 9s [2J\n"
                     "    and 11 more\n"
                     "    means  It hurts the work that there is to do.\n"
                     "    do     Mend what is broken.\n"
                     "\n"
                     "3 checks: 1 ok, 1 warn, 1 bad\n");
    end();
}
END_TEST

START_TEST(test_all_shows_the_rest_in_a_line_each)
{
    const char *text = shown(ill, true, 80, false);
    ck_assert_ptr_nonnull(strstr(text, "\nok       cpu        idle\n"));
    end();
    ck_assert_str_eq(shown(unknown, true, 80, false), "ok       disk   much\n"
                                                      "unknown  clock  dark\n"
                                                      "all 1 checks ok, 1 could not tell (--all "
                                                      "shows why)\n");
    end();
}
END_TEST

START_TEST(test_no_line_is_wider_than_the_terminal)
{
    for (size_t width = 40; width <= 80; width += 8) {
        const char *p = shown(ill, true, width, false);
        for (size_t n; *p; p += n + (p[n] == '\n')) {
            n = strcspn(p, "\n");
            ck_assert_uint_le(n, width);
        }
        end();
    }
}
END_TEST

START_TEST(test_colours_only_when_asked)
{
    ck_assert_ptr_null(strchr(shown(ill, true, 80, false), '\x1b'));
    end();
    ck_assert_ptr_nonnull(strstr(shown(ill, false, 80, true), "\x1b[31mbad\x1b[0m"));
    end();
}
END_TEST

START_TEST(test_exit_codes)
{
    ck_assert_int_eq(code_of(all_well), 0);
    ck_assert_int_eq(code_of(unknown), 0);
    ck_assert_int_eq(code_of("{\"state\":\"warn\"}"), 1);
    ck_assert_int_eq(code_of(ill), 2);
    ck_assert_int_eq(code_of("{\"state\":\"fine\"}"), 3);
    ck_assert_int_eq(code_of("{}"), 3);
}
END_TEST

TESTS(diagnose, test_all_well_is_one_line, test_what_is_ill_stands_with_its_meaning_and_fix,
      test_all_shows_the_rest_in_a_line_each, test_no_line_is_wider_than_the_terminal,
      test_colours_only_when_asked, test_exit_codes)
CHECK_MAIN("ctl diagnose", diagnose)
