/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <stdio.h>
#include <string.h>
#include "common/require.h"
#include "proto/message.h"

/* The examples of PROTOCOL.md are read with the decoder, so that the document cannot drift from the
 * code. */

#define TEXT_MAX (256 * 1024)

static char *text;
static unsigned seen[MSG_BYE + 1];

static void setup(void)
{
    char path[4096];
    const char *root = getenv("SONDE_SOURCE");
    snprintf(path, sizeof(path), "%s/proto/PROTOCOL.md", root != NULL ? root : ".");
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "%s cannot be read", path);
    text = calloc(1, TEXT_MAX);
    ck_assert_uint_lt(fread(text, 1, TEXT_MAX - 1, f), TEXT_MAX - 1);
    fclose(f);
}

static void teardown(void)
{
    free(text);
}

static void read_example(const char *line, size_t len)
{
    struct message m;
    char why[JSON_PROBLEM_MAX + 64];
    enum err e = message_decode(line, len, &m, why, sizeof(why));
    ck_assert_msg(e == ERR_NONE, "%s in: %.*s", why, (int)len, line);
    seen[m.type]++;
    message_fini(&m);
}

static void read_examples(void)
{
    for (const char *p = text; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n')
        if (strncmp(p, "{\"type\":\"", 9) == 0 && strncmp(p + 9, "…", 3) != 0)
            read_example(p, strcspn(p, "\n"));
}

START_TEST(test_every_example_is_a_good_line)
{
    read_examples();
    ck_assert_uint_eq(seen[MSG_UNKNOWN], 0);
}
END_TEST

START_TEST(test_every_message_has_an_example)
{
    read_examples();
    for (size_t t = MSG_UNKNOWN + 1; t < ARRAY_LEN(seen); t++)
        ck_assert_msg(seen[t] > 0, "%s has no example", message_word((enum message_type)t));
}
END_TEST

START_TEST(test_every_close_code_is_explained)
{
    static const int codes[] = {
        CLOSE_NORMAL,  CLOSE_GOING_AWAY,    CLOSE_POLICY, CLOSE_TOO_BIG,       CLOSE_REPLACED,
        CLOSE_REVOKED, CLOSE_OVER_CREDIT,   CLOSE_SILENT, CLOSE_HELLO_TIMEOUT, CLOSE_VERSION,
        CLOSE_CLONE,   CLOSE_WRITE_STALLED, CLOSE_KICKED, CLOSE_PROTOCOL};
    char row[16];
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        snprintf(row, sizeof(row), "| %d |", codes[i]);
        ck_assert_msg(strstr(text, row) != NULL, "%d has no row", codes[i]);
    }
}
END_TEST

TESTS(document, test_every_example_is_a_good_line, test_every_message_has_an_example,
      test_every_close_code_is_explained)

static TCase *all(void)
{
    TCase *tc = document();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("protocol", all)
