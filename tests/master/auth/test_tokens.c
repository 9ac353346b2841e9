/* SPDX-License-Identifier: MIT */
#include "master/auth/tokens.h"
#include "common/digest.h"
#include "tests/support/check_main.h"
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/test_tokens.XXXXXX";
static char made[sizeof(dir)];
static char why[256];

static void setup_dir(void)
{
    memcpy(made, dir, sizeof(dir));
    ck_assert_ptr_nonnull(mkdtemp(made));
    why[0] = '\0';
}

static const char *file(const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", made, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(file(name), "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static struct tokens *open_tokens(void)
{
    struct tokens *t = NULL;
    ck_assert_msg(tokens_open(made, &t, why, sizeof(why)) == ERR_NONE, "%s", why);
    return t;
}

static void add(enum token_scope scope, const char *names, char out[TOKEN_TEXT_MAX])
{
    ck_assert_msg(token_add(made, scope, names, out, why, sizeof(why)) == ERR_NONE, "%s", why);
}

static bool grant_of(struct tokens *t, const char *token, struct token_grant *g)
{
    return tokens_check(t, token, strlen(token), g);
}

START_TEST(test_no_file_is_an_empty_table)
{
    setup_dir();
    struct tokens *t = open_tokens();
    struct token_grant g;
    ck_assert(!grant_of(t, "sonde_x", &g));
    tokens_close(&t);
    ck_assert_ptr_null(t);
}
END_TEST

START_TEST(test_an_added_token_is_granted_its_scope)
{
    setup_dir();
    char token[TOKEN_TEXT_MAX];
    add(SCOPE_SUBMIT, NULL, token);
    struct tokens *t = open_tokens();
    struct token_grant g;
    ck_assert(grant_of(t, token, &g));
    ck_assert_int_eq(g.scope, SCOPE_SUBMIT);
    ck_assert_ptr_null(g.agents);
    ck_assert(tokens_has(t, g.id));
    tokens_close(&t);
}
END_TEST

START_TEST(test_a_token_is_prefix_and_43_characters_of_base64url)
{
    setup_dir();
    char token[TOKEN_TEXT_MAX];
    add(SCOPE_READ, NULL, token);
    ck_assert_uint_eq(strlen(token), 6 + 43);
    ck_assert_uint_eq(
        strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 49);
}
END_TEST

START_TEST(test_one_changed_character_is_refused)
{
    setup_dir();
    char token[TOKEN_TEXT_MAX];
    add(SCOPE_READ, NULL, token);
    struct tokens *t = open_tokens();
    struct token_grant g;
    token[10] = token[10] == 'A' ? 'B' : 'A';
    ck_assert(!grant_of(t, token, &g));
    tokens_close(&t);
}
END_TEST

START_TEST(test_an_over_long_token_is_refused)
{
    setup_dir();
    struct tokens *t = open_tokens();
    struct token_grant g;
    char *huge = calloc(1, 1 << 20);
    ck_assert(!tokens_check(t, huge, 1 << 20, &g));
    free(huge);
    tokens_close(&t);
}
END_TEST

START_TEST(test_the_file_is_private_and_holds_no_token)
{
    setup_dir();
    char token[TOKEN_TEXT_MAX], text[1024];
    add(SCOPE_ADMIN, NULL, token);
    struct stat st;
    ck_assert_int_eq(stat(file("tokens"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    FILE *f = fopen(file("tokens"), "r");
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = '\0';
    ck_assert_ptr_null(strstr(text, token));
    ck_assert_ptr_null(strstr(text, token + 6));
}
END_TEST

START_TEST(test_agent_names_are_kept)
{
    setup_dir();
    char token[TOKEN_TEXT_MAX];
    add(SCOPE_AGENT, "bj-1,bj-2", token);
    struct tokens *t = open_tokens();
    struct token_grant g;
    ck_assert(grant_of(t, token, &g));
    ck_assert_str_eq(g.agents, "bj-1,bj-2");
    tokens_close(&t);
}
END_TEST

START_TEST(test_bad_agent_names_are_refused)
{
    setup_dir();
    static const char *const bad[] = {"", ",", "a,", "a b", "-a", "a\nb", "a/b"};
    char token[TOKEN_TEXT_MAX];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_int_eq(token_add(made, SCOPE_AGENT, bad[i], token, why, sizeof(why)),
                         ERR_INVALID);
}
END_TEST

START_TEST(test_names_belong_to_agent_tokens_only)
{
    setup_dir();
    char token[TOKEN_TEXT_MAX];
    ck_assert_int_eq(token_add(made, SCOPE_READ, "a", token, why, sizeof(why)), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(why, "agent"));
}
END_TEST

START_TEST(test_poll_sees_an_added_token)
{
    setup_dir();
    struct tokens *t = open_tokens();
    struct token_grant g;
    char token[TOKEN_TEXT_MAX];
    ck_assert(!tokens_poll(t));
    add(SCOPE_READ, NULL, token);
    ck_assert(tokens_poll(t));
    ck_assert(grant_of(t, token, &g));
    ck_assert(!tokens_poll(t));
    tokens_close(&t);
}
END_TEST

START_TEST(test_poll_sees_a_revoked_token)
{
    setup_dir();
    char first[TOKEN_TEXT_MAX], second[TOKEN_TEXT_MAX];
    add(SCOPE_READ, NULL, first);
    add(SCOPE_AGENT, "a", second);
    struct tokens *t = open_tokens();
    struct token_grant g, other;
    ck_assert(grant_of(t, first, &g));
    ck_assert_int_eq(token_revoke(made, g.id, why, sizeof(why)), ERR_NONE);
    ck_assert(tokens_poll(t));
    ck_assert(!tokens_has(t, g.id));
    ck_assert(!grant_of(t, first, &other));
    ck_assert(grant_of(t, second, &other));
    tokens_close(&t);
}
END_TEST

START_TEST(test_revoking_an_unknown_id_says_so)
{
    setup_dir();
    ck_assert_int_eq(token_revoke(made, "t-0", why, sizeof(why)), ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(why, "t-0"));
}
END_TEST

START_TEST(test_a_damaged_file_is_refused_at_open_with_its_line)
{
    setup_dir();
    write_file("tokens", "# fine\n\nt-1 read - yesterday 00\n");
    struct tokens *t = NULL;
    ck_assert_int_eq(tokens_open(made, &t, why, sizeof(why)), ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(why, ":3:"));
    ck_assert_ptr_null(t);
}
END_TEST

START_TEST(test_a_damaged_file_keeps_the_old_table)
{
    setup_dir();
    char token[TOKEN_TEXT_MAX];
    add(SCOPE_READ, NULL, token);
    struct tokens *t = open_tokens();
    struct token_grant g;
    write_file("tokens", "rubbish");
    ck_assert(!tokens_poll(t));
    ck_assert(grant_of(t, token, &g));
    tokens_close(&t);
}
END_TEST

START_TEST(test_a_directory_that_is_not_there_is_named)
{
    char token[TOKEN_TEXT_MAX];
    ck_assert_int_eq(token_add("/nonexistent/x", SCOPE_READ, NULL, token, why, sizeof(why)),
                     ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(why, "/nonexistent/x"));
}
END_TEST

START_TEST(test_list_shows_scope_and_names_but_no_hash)
{
    setup_dir();
    char token[TOKEN_TEXT_MAX], *text = NULL, hex[SHA256_HEX_MAX];
    uint8_t hash[SHA256_BYTES];
    size_t n = 0;
    add(SCOPE_AGENT, "bj-1", token);
    FILE *f = open_memstream(&text, &n);
    ck_assert_int_eq(token_list(made, f, why, sizeof(why)), ERR_NONE);
    fclose(f);
    sha256(token, strlen(token), hash);
    hex_encode(hash, sizeof(hash), hex);
    ck_assert_ptr_nonnull(strstr(text, "agent"));
    ck_assert_ptr_nonnull(strstr(text, "bj-1"));
    ck_assert_ptr_null(strstr(text, hex));
    free(text);
}
END_TEST

START_TEST(test_the_first_admin_token_is_written_once)
{
    setup_dir();
    char first[128] = "", again[128] = "";
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(token_first_admin(made, why, sizeof(why)), ERR_NONE);
        FILE *f = fopen(file("admin.token"), "r");
        ck_assert_ptr_nonnull(fgets(i ? again : first, sizeof(first), f));
        fclose(f);
    }
    ck_assert_str_eq(first, again);
    struct stat st;
    ck_assert_int_eq(stat(file("admin.token"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    struct tokens *t = open_tokens();
    struct token_grant g;
    first[strcspn(first, "\n")] = '\0';
    ck_assert(grant_of(t, first, &g));
    ck_assert_int_eq(g.scope, SCOPE_ADMIN);
    tokens_close(&t);
}
END_TEST

START_TEST(test_two_processes_lose_no_token)
{
    setup_dir();
    enum { PROCESSES = 4, EACH = 10 };
    char token[TOKEN_TEXT_MAX];
    for (int p = 0; p < PROCESSES; p++)
        if (fork() == 0) {
            for (int i = 0; i < EACH; i++)
                add(SCOPE_READ, NULL, token);
            _exit(0);
        }
    int status, lines = 0;
    while (wait(&status) > 0)
        ck_assert_int_eq(status, 0);
    FILE *f = fopen(file("tokens"), "r");
    for (int c; (c = fgetc(f)) != EOF;)
        lines += c == '\n';
    fclose(f);
    ck_assert_int_eq(lines, PROCESSES * EACH);
}
END_TEST

START_TEST(test_scopes_include_what_they_should)
{
    static const struct {
        enum token_scope has, needs;
        bool allowed;
    } cases[] = {
        {SCOPE_READ, SCOPE_READ, true},    {SCOPE_READ, SCOPE_SUBMIT, false},
        {SCOPE_SUBMIT, SCOPE_READ, true},  {SCOPE_SUBMIT, SCOPE_ADMIN, false},
        {SCOPE_ADMIN, SCOPE_SUBMIT, true}, {SCOPE_ADMIN, SCOPE_READ, true},
        {SCOPE_ADMIN, SCOPE_AGENT, false}, {SCOPE_AGENT, SCOPE_READ, false},
        {SCOPE_AGENT, SCOPE_AGENT, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct token_grant g = {.scope = cases[i].has};
        ck_assert_int_eq(token_grant_allows(&g, cases[i].needs), cases[i].allowed);
    }
}
END_TEST

START_TEST(test_unknown_scope_words_are_refused)
{
    enum token_scope s;
    ck_assert_int_eq(token_scope_parse("root", &s), ERR_INVALID);
    ck_assert_int_eq(token_scope_parse("", &s), ERR_INVALID);
    ck_assert_int_eq(token_scope_parse("agent", &s), ERR_NONE);
    ck_assert_int_eq(s, SCOPE_AGENT);
}
END_TEST

TESTS(table, test_no_file_is_an_empty_table, test_an_added_token_is_granted_its_scope,
      test_a_token_is_prefix_and_43_characters_of_base64url, test_one_changed_character_is_refused,
      test_an_over_long_token_is_refused, test_poll_sees_an_added_token,
      test_poll_sees_a_revoked_token)
TESTS(files, test_the_file_is_private_and_holds_no_token, test_agent_names_are_kept,
      test_bad_agent_names_are_refused, test_names_belong_to_agent_tokens_only,
      test_revoking_an_unknown_id_says_so, test_a_damaged_file_is_refused_at_open_with_its_line,
      test_a_damaged_file_keeps_the_old_table, test_a_directory_that_is_not_there_is_named,
      test_list_shows_scope_and_names_but_no_hash, test_the_first_admin_token_is_written_once,
      test_two_processes_lose_no_token)
TESTS(scope, test_scopes_include_what_they_should, test_unknown_scope_words_are_refused)
CHECK_MAIN("tokens", table, files, scope)
