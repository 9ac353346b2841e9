/* SPDX-License-Identifier: MIT */
#include "master/ctl/args.h"
#include "tests/support/check_main.h"
#include <string.h>

static struct ctl c;
static char why[512];

/* words: NULL-terminated, without the program's name. */
static enum err parse(const char *const *words)
{
    const char *argv[16] = {"sonde"};
    int argc = 1;
    unsetenv("SONDE_URL");
    unsetenv("SONDE_TOKEN_FILE");
    for (; words[argc - 1]; argc++)
        argv[argc] = words[argc - 1];
    c = (struct ctl){.owner = NULL};
    why[0] = '\0';
    return args_parse(&c, argc, (char **)argv, why, sizeof(why));
}
#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

START_TEST(test_verb_and_operand)
{
    ck_assert_int_eq(PARSE("submit", "targets.txt", "--watch"), ERR_NONE);
    ck_assert_str_eq(c.verb->word, "submit");
    ck_assert_str_eq(c.words[0], "targets.txt");
    ck_assert(c.o.watch);
    ck_assert_int_eq(c.o.rows, 20);
    args_fini(&c);
}
END_TEST

START_TEST(test_flags_before_the_verb)
{
    ck_assert_int_eq(PARSE("--url", "http://m:1", "-o", "json", "status", "latest"), ERR_NONE);
    ck_assert_str_eq(c.verb->word, "status");
    ck_assert_str_eq(c.o.url, "http://m:1");
    ck_assert_int_eq(c.form, FORM_JSON);
    ck_assert_str_eq(c.words[0], "latest");
    args_fini(&c);
}
END_TEST

START_TEST(test_dash_is_standard_input)
{
    ck_assert_int_eq(PARSE("submit", "-", "-w"), ERR_NONE);
    ck_assert_str_eq(c.words[0], "-");
    args_fini(&c);
}
END_TEST

START_TEST(test_lists_repeat)
{
    ck_assert_int_eq(PARSE("submit", "f", "--agent", "a", "--agent=b", "--tag", "k=v"), ERR_NONE);
    ck_assert_uint_eq(c.o.agents.count, 2);
    ck_assert_str_eq(c.o.agents.items[1], "b");
    ck_assert_uint_eq(c.o.tags.count, 1);
    args_fini(&c);
}
END_TEST

START_TEST(test_unknown_verb_is_named)
{
    ck_assert_int_eq(PARSE("sbumit", "f"), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(why, "'sbumit'"));
    args_fini(&c);
}
END_TEST

START_TEST(test_missing_operand_shows_the_usage)
{
    ck_assert_int_eq(PARSE("cancel"), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(why, "sonde cancel BATCH"));
    args_fini(&c);
}
END_TEST

START_TEST(test_surplus_operand_is_named)
{
    ck_assert_int_eq(PARSE("cancel", "a", "b"), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(why, "'b'"));
    args_fini(&c);
}
END_TEST

START_TEST(test_flag_of_another_verb_is_refused)
{
    ck_assert_int_eq(PARSE("agents", "--watch"), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(why, "--watch"));
    args_fini(&c);
}
END_TEST

START_TEST(test_probe_takes_the_flags_of_a_target)
{
    ck_assert_int_eq(PARSE("probe", "a.example", "-t", "MX", "--expect-answer", "x", "-o", "json"),
                     ERR_NONE);
    ck_assert_str_eq(c.o.target.type, "MX");
    ck_assert_uint_eq(c.o.target.expect_answers.count, 1);
    ck_assert_int_eq(c.form, FORM_JSON);
    args_fini(&c);
    ck_assert_int_eq(PARSE("submit", "f", "-t", "MX"), ERR_INVALID);
    args_fini(&c);
}
END_TEST

START_TEST(test_unknown_form_is_refused)
{
    ck_assert_int_eq(PARSE("agents", "-o", "xml"), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(why, "xml"));
    args_fini(&c);
}
END_TEST

START_TEST(test_number_out_of_range_is_refused)
{
    ck_assert_int_eq(PARSE("submit", "f", "--timeout-ms", "99999"), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(why, "timeout-ms"));
    args_fini(&c);
}
END_TEST

START_TEST(test_no_verb)
{
    ck_assert_int_eq(PARSE(NULL), ERR_INVALID);
    ck_assert_ptr_null(c.verb);
    args_fini(&c);
}
END_TEST

START_TEST(test_version_needs_no_verb)
{
    ck_assert_int_eq(PARSE("--version"), ERR_NONE);
    ck_assert(c.o.version);
    args_fini(&c);
}
END_TEST

START_TEST(test_url_comes_from_the_environment)
{
    const char *argv[] = {"sonde", "agents", NULL};
    c = (struct ctl){.owner = NULL};
    setenv("SONDE_URL", "http://env:2", 1);
    ck_assert_int_eq(args_parse(&c, 2, (char **)argv, why, sizeof(why)), ERR_NONE);
    ck_assert_str_eq(c.o.url, "http://env:2");
    args_fini(&c);
}
END_TEST

START_TEST(test_environment_does_not_set_flags_of_verbs)
{
    setenv("SONDE_WATCH", "true", 1);
    setenv("SONDE_NAME", "x", 1);
    ck_assert_int_eq(PARSE("submit", "f"), ERR_NONE);
    ck_assert(!c.o.watch);
    ck_assert_ptr_null(c.o.name);
    args_fini(&c);
}
END_TEST

START_TEST(test_verbs_of_two_words)
{
    ck_assert_int_eq(PARSE("-o", "json", "schedule", "--yes", "remove", "web"), ERR_NONE);
    ck_assert_str_eq(c.verb->word, "schedule remove");
    ck_assert(c.o.yes);
    ck_assert_uint_eq(c.n_words, 1);
    ck_assert_str_eq(c.words[0], "web");
    args_fini(&c);
    ck_assert_int_eq(PARSE("alert", "set", "ops", "-"), ERR_NONE);
    ck_assert_str_eq(c.verb->word, "alert set");
    ck_assert_str_eq(c.words[1], "-");
    args_fini(&c);
    ck_assert_int_eq(PARSE("ack", "3", "on it"), ERR_NONE);
    ck_assert_str_eq(c.words[1], "on it");
    args_fini(&c);
}
END_TEST

START_TEST(test_a_group_alone_names_its_verbs)
{
    ck_assert_int_eq(PARSE("alert"), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(why, "list, show, set, test, remove"));
    args_fini(&c);
    ck_assert_int_eq(PARSE("schedule", "lst"), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(why, "unknown verb 'schedule lst'; there are: apply, list"));
    args_fini(&c);
    ck_assert_int_eq(PARSE("schedule", "--help"), ERR_NONE);
    ck_assert(c.verb == NULL && c.o.help);
    ck_assert_str_eq(c.group, "schedule");
    args_fini(&c);
    ck_assert_int_eq(PARSE("", "list"), ERR_INVALID);
    args_fini(&c);
}
END_TEST

START_TEST(test_days_differ_by_verb)
{
    ck_assert_int_eq(PARSE("check", "7"), ERR_NONE);
    ck_assert_int_eq(c.o.days, 30);
    args_fini(&c);
    ck_assert_int_eq(PARSE("overview"), ERR_NONE);
    ck_assert_int_eq(c.o.days, 7);
    args_fini(&c);
    ck_assert_int_eq(PARSE("overview", "--days", "91"), ERR_INVALID);
    args_fini(&c);
}
END_TEST

/* What the help of a verb says, in a temporary file read back. */
START_TEST(test_every_verb_has_help)
{
    static const char *const words[] = {
        "submit", "probe",    "batches", "status",   "results",        "cancel",     "agents",
        "events", "diagnose", "help",    "schedule", "schedule apply", "alert test", "check"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        char line[256] = "";
        FILE *f = tmpfile();
        ck_assert_ptr_nonnull(f);
        ck_assert(args_help(words[i], f));
        rewind(f);
        ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
        ck_assert_ptr_nonnull(strstr(line, words[i]));
        fclose(f);
    }
}
END_TEST

TESTS(args, test_verb_and_operand, test_flags_before_the_verb, test_dash_is_standard_input,
      test_lists_repeat, test_unknown_verb_is_named, test_missing_operand_shows_the_usage,
      test_surplus_operand_is_named, test_flag_of_another_verb_is_refused,
      test_probe_takes_the_flags_of_a_target, test_unknown_form_is_refused,
      test_number_out_of_range_is_refused, test_no_verb, test_version_needs_no_verb,
      test_url_comes_from_the_environment, test_environment_does_not_set_flags_of_verbs,
      test_verbs_of_two_words, test_a_group_alone_names_its_verbs, test_days_differ_by_verb,
      test_every_verb_has_help)
CHECK_MAIN("ctl args", args)
