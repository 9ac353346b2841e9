/* SPDX-License-Identifier: MIT */
#include "master/ctl/apply_file.h"
#include "common/node.h"
#include "master/ctl/ctl.h"
#include "tests/support/check_main.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct apply_file f;
static char why[APPLY_WHY_MAX];

static enum err parse(const char *text)
{
    apply_file_fini(&f);
    apply_file_init(&f, "x.yaml");
    why[0] = '\0';
    strbuf_puts(&f.text, text);
    return apply_file_parse(&f, why);
}

static void refused(const char *text, const char *says)
{
    ck_assert_msg(parse(text) == ERR_INVALID, "taken: %s", text);
    ck_assert_msg(strstr(why, says) != NULL, "%s: %s", text, why);
}

static const char *where(const struct json_node *n, const char *field)
{
    static char buf[APPLY_WHERE_MAX];
    return apply_file_where(&f, n, field, buf);
}

START_TEST(test_parts)
{
    ck_assert_int_eq(parse("owner: me\nalerts: {ops: {kind: slack}}\nschedules:\n- name: a\n"),
                     ERR_NONE);
    ck_assert_str_eq(f.owner, "me");
    ck_assert_uint_eq(json_count(f.schedules), 1);
    ck_assert_str_eq(json_node_key(json_first(f.alerts)), "ops");
    ck_assert_int_eq(parse("alerts:\n  ops: {}\nschedules:\n"), ERR_NONE);
    ck_assert(f.owner == NULL && f.schedules == NULL && f.alerts != NULL);
    ck_assert_int_eq(parse("{\"owner\":\"me\",\"schedules\":[]}"), ERR_NONE);
    ck_assert(f.marks == NULL && f.schedules != NULL);
    apply_file_fini(&f);
}
END_TEST

START_TEST(test_json_that_only_json_can_say)
{
    ck_assert_int_eq(parse("{\"owner\":\"\\ud83d\\ude00\",\"schedules\":[]}"), ERR_NONE);
    ck_assert_str_eq(f.owner, "\xf0\x9f\x98\x80");
    ck_assert_int_eq(parse(" {owner: me, schedules: []}"), ERR_NONE);
    ck_assert_ptr_nonnull(f.marks);
    refused("{\"owner\": \"me\",\n \"schedules\": [}", "2:16: ");
    refused("{\"owner\": \"me\", \"owner\": \"you\"}", "1:17: 'owner' is given twice");
    apply_file_fini(&f);
}
END_TEST

START_TEST(test_what_a_file_must_be)
{
    refused("x", "1:1: a file has 'owner: TEXT'");
    refused("owner: [a]\nschedules: []", "1:8: 'owner' must be a text");
    refused("owner: ''\nschedules: []", "1:8: 'owner' must be a text");
    refused("owner: x\nschedules: {}", "2:12: 'schedules' must be a list");
    refused("alerts: []", "1:9: 'alerts' must be channels by name");
    refused("alerts: {a/b: {}}", "'a/b' cannot be the name of an alert channel");
    refused("alerts: {..: {}}", "'..' cannot be");
    refused("owner: x\nschedules: [7]", "2:13: a schedule is an object with 'name', not a number");
    refused("owner: x\nschedules: [{name: 7}]", "2:13: this schedule has no 'name'");
    refused("owner: x\nschedules: [{name: b}, {name: a}, {name: b}]",
            "2:35: schedule 'b' is there");
    refused("owner: x\ncolour: y", "2:9: unknown member 'colour': a file has");
    refused("owner: 1e999\nschedules: []", "1:1: ");
    apply_file_fini(&f);
}
END_TEST

START_TEST(test_fields_have_a_place)
{
    ck_assert_int_eq(parse("owner: x\nschedules:\n  - name: a\n    goal: {availability: 99}\n"
                           "    targets:\n      - https://a/\n      - url: https://b/\n"
                           "        expect: {status: [200]}\n"),
                     ERR_NONE);
    const struct json_node *s = json_first(f.schedules);
    ck_assert_str_eq(where(s, ""), "3:5");
    ck_assert_str_eq(where(s, "name"), "3:11");
    ck_assert_str_eq(where(s, "goal.availability"), "4:26");
    ck_assert_str_eq(where(s, "targets[0]"), "6:9");
    ck_assert_str_eq(where(s, "targets[1].expect.status[0]"), "8:27");
    ck_assert_str_eq(where(s, "targets[1].expect.max_total_ms"), "8:17");
    ck_assert_str_eq(where(s, "targets[7].url"), "6:7");
    ck_assert_str_eq(where(s, "nothing.of[3].that"), "3:5");
    ck_assert_str_eq(where(s, "targets["), "6:9");
    apply_file_fini(&f);
}
END_TEST

static int read_object(const char *text, size_t max, struct strbuf *out)
{
    char path[] = "/tmp/sonde-apply-XXXXXX";
    int fd = mkstemp(path);
    ck_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    strbuf_init(out, max);
    int code = apply_file_object(path, out);
    unlink(path);
    return code;
}

START_TEST(test_an_object_is_read_whole_or_refused)
{
    struct strbuf out;
    ck_assert_int_eq(read_object("kind: slack\n", 64, &out), EXIT_ALL_OK);
    ck_assert_str_eq(out.data, "{\"kind\":\"slack\"}");
    strbuf_fini(&out);
    ck_assert_int_eq(read_object("{\"kind\":\"slack\"}", 64, &out), EXIT_ALL_OK);
    ck_assert_str_eq(out.data, "{\"kind\":\"slack\"}");
    strbuf_fini(&out);
    ck_assert_int_eq(read_object("{\"kind\":\"slack\"}", 8, &out), EXIT_USAGE);
    strbuf_fini(&out);
    ck_assert_int_eq(read_object("[a,b,c]", 8, &out), EXIT_USAGE);
    strbuf_fini(&out);
    ck_assert_int_eq(read_object("- a\n", 64, &out), EXIT_USAGE);
    strbuf_fini(&out);
}
END_TEST

TESTS(apply_file, test_parts, test_json_that_only_json_can_say, test_what_a_file_must_be,
      test_fields_have_a_place, test_an_object_is_read_whole_or_refused)
CHECK_MAIN("ctl apply file", apply_file)
