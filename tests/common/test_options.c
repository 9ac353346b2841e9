/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "common/options.h"

struct config {
    char *config, *name, *token;
    int64_t slots;
    bool dev, once;
    struct option_list allow;
};
#define FIELD(f) OPTION_FIELD(struct config, f)

static const struct option table[] = {
    {.name = "Basics", .kind = OPT_SECTION},
    {.name = "config",
     .kind = OPT_STRING,
     .offset = FIELD(config),
     .value_name = "FILE",
     .help = "where the options stand",
     .cli_only = true},
    {.name = "name",
     .short_name = 'n',
     .kind = OPT_STRING,
     .offset = FIELD(name),
     .value_name = "N",
     .dflt = "anon",
     .help = "how others call this program"},
    {.name = "dev", .kind = OPT_FLAG, .offset = FIELD(dev), .help = "development mode"},
    {.name = "Limits", .kind = OPT_SECTION},
    {.name = "max-slots",
     .kind = OPT_INT,
     .offset = FIELD(slots),
     .value_name = "N",
     .dflt = "256",
     .min = 1,
     .max = 4096,
     .help = "how many probes may be in flight at the same moment in one worker, which bounds "
             "memory and descriptors alike"},
    {.name = "allow",
     .kind = OPT_LIST,
     .offset = FIELD(allow),
     .value_name = "CIDR",
     .help = "addresses that may be probed"},
    {.name = "token",
     .kind = OPT_STRING,
     .offset = FIELD(token),
     .value_name = "T",
     .help = "the secret",
     .secret = true},
    {.name = "Command", .kind = OPT_SECTION},
    {.name = "once",
     .kind = OPT_FLAG,
     .offset = FIELD(once),
     .help = "only in argv",
     .cli_only = true},
};

static struct config cfg;
static struct options *opts;
static char why[300];
static const char *words[2];
static size_t n_words;
static char path[64];

static void start(void)
{
    options_destroy(&opts);
    memset(&cfg, 0, sizeof(cfg));
    why[0] = '\0';
    n_words = 0;
    opts = options_create(table, sizeof(table) / sizeof(table[0]), &cfg);
}

static void stop(void)
{
    options_destroy(&opts);
    if (path[0] != '\0')
        unlink(path);
}

/* args: NULL-terminated, without the program's name. */
static enum err load(const char **args)
{
    char *argv[16] = {(char *)(uintptr_t) "prog"};
    int argc = 1;
    for (; args[argc - 1] != NULL; argc++)
        argv[argc] = (char *)(uintptr_t)args[argc - 1];
    return options_load(opts, argc, argv, words, 2, &n_words, why, sizeof(why));
}
#define LOAD(...) load((const char *[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void write_file(const char *text)
{
    snprintf(path, sizeof(path), "/tmp/test_options.%d.yaml", (int)getpid());
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static enum err load_file(const char *text)
{
    write_file(text);
    return options_load_file(opts, path, why, sizeof(why));
}

static void file_refused(const char *text, const char *expected)
{
    start();
    ck_assert_int_eq(load_file(text), ERR_INVALID);
    char full[300];
    snprintf(full, sizeof(full), "%s:%s", path, expected);
    ck_assert_str_eq(why, full);
}

START_TEST(test_defaults_of_the_table)
{
    start();
    ck_assert_int_eq(LOAD(), ERR_NONE);
    ck_assert_str_eq(cfg.name, "anon");
    ck_assert_int_eq(cfg.slots, 256);
    ck_assert(!cfg.dev);
    ck_assert_uint_eq(cfg.allow.count, 0);
    ck_assert_ptr_null(cfg.token);
    stop();
}
END_TEST

START_TEST(test_all_forms_of_flags)
{
    start();
    ck_assert_int_eq(LOAD("--max-slots=8", "--dev", "-n", "x", "--allow", "10.0.0.0/8",
                          "--allow=::1", "--token", "-"),
                     ERR_NONE);
    ck_assert_int_eq(cfg.slots, 8);
    ck_assert(cfg.dev);
    ck_assert_str_eq(cfg.name, "x");
    ck_assert_uint_eq(cfg.allow.count, 2);
    ck_assert_str_eq(cfg.allow.items[1], "::1");
    ck_assert_str_eq(cfg.token, "-");
    stop();
}
END_TEST

START_TEST(test_positional_words_and_double_dash)
{
    start();
    ck_assert_int_eq(LOAD("probe", "--dev", "--", "--name"), ERR_NONE);
    ck_assert_uint_eq(n_words, 2);
    ck_assert_str_eq(words[0], "probe");
    ck_assert_str_eq(words[1], "--name");
    stop();
}
END_TEST

static void refused(enum err e, const char *expected)
{
    ck_assert_int_eq(e, ERR_INVALID);
    ck_assert_str_eq(why, expected);
    stop();
}

START_TEST(test_too_many_words_are_refused)
{
    start();
    refused(LOAD("a", "b", "c"), "unexpected argument 'c'");
}
END_TEST

START_TEST(test_unknown_flag_names_the_nearest)
{
    start();
    refused(LOAD("--max-slot=3"), "unknown flag '--max-slot'; did you mean '--max-slots'?");
}
END_TEST

START_TEST(test_unknown_flag_far_from_all_has_no_hint)
{
    start();
    refused(LOAD("--zzz"), "unknown flag '--zzz'; --help lists them");
}
END_TEST

START_TEST(test_missing_value_is_refused)
{
    start();
    refused(LOAD("--name"), "--name needs a value (N)");
}
END_TEST

START_TEST(test_a_flag_is_no_value)
{
    start();
    refused(LOAD("--name", "--dev"), "--name needs a value (N)");
}
END_TEST

START_TEST(test_bool_flag_takes_no_value)
{
    start();
    refused(LOAD("--dev=true"), "--dev takes no value");
}
END_TEST

START_TEST(test_integer_out_of_range)
{
    start();
    refused(LOAD("--max-slots", "0"), "--max-slots must be an integer from 1 to 4096, got '0'");
}
END_TEST

START_TEST(test_integer_with_rubbish)
{
    start();
    refused(LOAD("--max-slots=8x"), "--max-slots must be an integer from 1 to 4096, got '8x'");
}
END_TEST

START_TEST(test_unknown_short_flag)
{
    start();
    refused(LOAD("-q"), "unknown flag '-q'; --help lists them");
}
END_TEST

START_TEST(test_reads_a_file)
{
    start();
    ck_assert_int_eq(load_file("# c\nname: \"a b\"\nmax-slots: 7\ndev: true\n"
                               "allow: [10.0.0.0/8, '::1']\ntoken: ~\n"),
                     ERR_NONE);
    ck_assert_str_eq(cfg.name, "a b");
    ck_assert_int_eq(cfg.slots, 7);
    ck_assert(cfg.dev);
    ck_assert_uint_eq(cfg.allow.count, 2);
    ck_assert_ptr_null(cfg.token);
    stop();
}
END_TEST

START_TEST(test_an_empty_file_is_fine)
{
    start();
    ck_assert_int_eq(load_file(""), ERR_NONE);
    ck_assert_int_eq(load_file("# nothing\n"), ERR_NONE);
    ck_assert_int_eq(load_file("---\n"), ERR_NONE);
    stop();
}
END_TEST

START_TEST(test_file_errors_have_line_and_column)
{
    file_refused("name: x\nmax-slot: 3\n",
                 "2:1: unknown key 'max-slot'; did you mean 'max-slots'?");
    file_refused("name: x\nmax-slots: many\n",
                 "2:12: max-slots must be an integer from 1 to 4096, got 'many'");
    file_refused("dev: yes\n", "1:6: dev must be true or false, got 'yes'");
    file_refused("name: [a]\n", "1:7: a single value expected for 'name'");
    file_refused("allow: {a: b}\n", "1:8: a value or a list expected for 'allow'");
    file_refused("allow: [[a]]\n", "1:9: only plain values may stand in the list 'allow'");
    file_refused("name: a\nname: b\n", "2:1: given twice: 'name'");
    file_refused("- a\n", "1:1: 'name: value' lines expected");
    file_refused("config: x\n", "1:1: unknown key 'config'");
    file_refused("name: \"a\\0b\"\n", "1:7: NUL character in 'name'");
    file_refused("name: *x\n", "1:7: a single value expected for 'name'");
    stop();
}
END_TEST

START_TEST(test_broken_yaml_is_refused_with_its_place)
{
    start();
    ck_assert_int_eq(load_file("name: \"x\nslots: 3\n"), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(why, ".yaml:3:1: "));
    stop();
}
END_TEST

START_TEST(test_missing_file_is_named)
{
    start();
    ck_assert_int_eq(LOAD("--config", "/nonexistent/x.yaml"), ERR_NOT_FOUND);
    ck_assert_str_eq(
        why, "cannot open the configuration '/nonexistent/x.yaml': No such file or directory");
    stop();
}
END_TEST

START_TEST(test_argv_beats_environment_beats_file)
{
    start();
    write_file("name: file\nmax-slots: 1\ntoken: file\nallow: [a, b]\n");
    setenv("SONDE_MAX_SLOTS", "2", 1);
    setenv("SONDE_TOKEN", "env", 1);
    setenv("SONDE_ALLOW", "c,d,e", 1);
    enum err e = LOAD("--token=argv", "--config", path);
    unsetenv("SONDE_MAX_SLOTS");
    unsetenv("SONDE_TOKEN");
    unsetenv("SONDE_ALLOW");
    ck_assert_int_eq(e, ERR_NONE);
    ck_assert_str_eq(cfg.name, "file");
    ck_assert_int_eq(cfg.slots, 2);
    ck_assert_str_eq(cfg.token, "argv");
    ck_assert_uint_eq(cfg.allow.count, 3);
    ck_assert_str_eq(cfg.config, path);
    stop();
}
END_TEST

START_TEST(test_config_from_the_environment)
{
    start();
    write_file("name: envfile\n");
    setenv("SONDE_CONFIG", path, 1);
    enum err e = LOAD();
    unsetenv("SONDE_CONFIG");
    ck_assert_int_eq(e, ERR_NONE);
    ck_assert_str_eq(cfg.name, "envfile");
    stop();
}
END_TEST

START_TEST(test_bad_environment_is_named)
{
    start();
    setenv("SONDE_DEV", "1", 1);
    enum err e = LOAD();
    unsetenv("SONDE_DEV");
    refused(e, "SONDE_DEV must be true or false, got '1'");
}
END_TEST

/* What f prints. The caller frees. */
static char *printed(bool help)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (help)
        options_help(opts, "prog [options]", f);
    else
        options_print(opts, f);
    fclose(f);
    return text;
}

START_TEST(test_print_reads_back)
{
    start();
    ck_assert_int_eq(LOAD("--name", "a\"b: #\\\n é", "--allow=x", "--allow=y", "--dev"), ERR_NONE);
    char *text = printed(false);
    start();
    ck_assert_int_eq(load_file(text), ERR_NONE);
    ck_assert_str_eq(cfg.name, "a\"b: #\\\n é");
    ck_assert_uint_eq(cfg.allow.count, 2);
    ck_assert(cfg.dev);
    free(text);
    stop();
}
END_TEST

START_TEST(test_print_has_no_heading_without_a_key)
{
    start();
    ck_assert_int_eq(LOAD("--once"), ERR_NONE);
    char *text = printed(false);
    ck_assert_ptr_nonnull(strstr(text, "\n# Limits\n"));
    ck_assert_ptr_null(strstr(text, "Command"));
    free(text);
    stop();
}
END_TEST

START_TEST(test_print_hides_secrets)
{
    start();
    ck_assert_int_eq(LOAD("--token", "hunter2"), ERR_NONE);
    char *text = printed(false);
    ck_assert_ptr_null(strstr(text, "hunter2"));
    ck_assert_ptr_nonnull(strstr(text, "# token: (set)\n"));
    free(text);
    stop();
}
END_TEST

START_TEST(test_help_groups_and_stays_within_80_columns)
{
    start();
    char *text = printed(true), *rest = text, *line;
    ck_assert_ptr_nonnull(strstr(text, "usage: prog [options]\n\nBasics:\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nLimits:\n      --max-slots N "));
    ck_assert_ptr_nonnull(strstr(text, "  -n, --name N "));
    ck_assert_ptr_nonnull(strstr(text, "(default 256)"));
    while ((line = strsep(&rest, "\n")) != NULL)
        ck_assert_msg(strlen(line) <= 80, "too long: %s", line);
    free(text);
    stop();
}
END_TEST

TESTS(argv, test_defaults_of_the_table, test_all_forms_of_flags,
      test_positional_words_and_double_dash, test_too_many_words_are_refused,
      test_unknown_flag_names_the_nearest, test_unknown_flag_far_from_all_has_no_hint,
      test_missing_value_is_refused, test_a_flag_is_no_value, test_bool_flag_takes_no_value,
      test_integer_out_of_range, test_integer_with_rubbish, test_unknown_short_flag)
TESTS(file, test_reads_a_file, test_an_empty_file_is_fine, test_file_errors_have_line_and_column,
      test_broken_yaml_is_refused_with_its_place, test_missing_file_is_named)
TESTS(sources, test_argv_beats_environment_beats_file, test_config_from_the_environment,
      test_bad_environment_is_named)
TESTS(output, test_print_reads_back, test_print_has_no_heading_without_a_key,
      test_print_hides_secrets, test_help_groups_and_stays_within_80_columns)
CHECK_MAIN("options", argv, file, sources, output)
