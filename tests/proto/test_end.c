/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/end.h"
#include "proto/limits.h"

START_TEST(test_every_end_reads_back_and_says_what_to_do)
{
    for (int i = END_NONE + 1; i < END_COUNT; i++) {
        enum end back = END_NONE;
        ck_assert_int_eq(end_parse(end_word((enum end)i), &back), ERR_NONE);
        ck_assert_int_eq(back, i);
        ck_assert_uint_lt(strlen(end_word((enum end)i)), CAUSE_MAX);
        ck_assert_uint_gt(strlen(end_text((enum end)i)), 10);
        ck_assert_uint_gt(strlen(end_fix((enum end)i)), 10);
        ck_assert_ptr_nonnull(end_who_word((enum end)i));
    }
}
END_TEST

START_TEST(test_no_two_ends_share_a_close_code)
{
    for (int i = END_NONE + 1; i < END_COUNT; i++)
        if (end_close_code((enum end)i) != 0)
            ck_assert_int_eq(end_of_close(end_close_code((enum end)i)), i);
}
END_TEST

START_TEST(test_every_close_code_of_the_master_is_an_end)
{
    static const int codes[] = {
        CLOSE_NORMAL,        CLOSE_GOING_AWAY, CLOSE_POLICY,        CLOSE_TOO_BIG, CLOSE_REPLACED,
        CLOSE_REVOKED,       CLOSE_SILENT,     CLOSE_HELLO_TIMEOUT, CLOSE_VERSION, CLOSE_CLONE,
        CLOSE_WRITE_STALLED, CLOSE_KICKED,     CLOSE_OVER_CREDIT};
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        ck_assert_int_ne(end_of_close(codes[i]), END_agent_closed);
}
END_TEST

START_TEST(test_the_agents_complaint_is_the_masters_fault)
{
    ck_assert_int_eq(end_of_agent_close(CLOSE_SILENT), END_master_silent);
    ck_assert_int_eq(end_of_agent_close(CLOSE_OVER_CREDIT), END_over_credit);
    ck_assert_int_eq(end_of_agent_close(CLOSE_NORMAL), END_bye);
    ck_assert_int_eq(end_of_agent_close(CLOSE_POLICY), END_agent_closed);
    ck_assert_int_eq(end_of_agent_close(1005), END_agent_closed);
}
END_TEST

START_TEST(test_the_socket_tells_fin_from_reset_from_silence)
{
    ck_assert_int_eq(end_of_errno(0), END_connection_closed);
    ck_assert_int_eq(end_of_errno(ECONNRESET), END_connection_reset);
    ck_assert_int_eq(end_of_errno(EPIPE), END_connection_reset);
    ck_assert_int_eq(end_of_errno(ETIMEDOUT), END_connection_timeout);
    ck_assert_int_eq(end_of_errno(EHOSTUNREACH), END_unreachable);
    ck_assert_int_eq(end_of_errno(EIO), END_connection_lost);
    ck_assert(end_may_be_proxy(END_connection_reset));
    ck_assert(!end_may_be_proxy(END_connection_timeout));
    ck_assert(!end_may_be_proxy(END_bye));
}
END_TEST

START_TEST(test_no_end_has_no_words)
{
    ck_assert_ptr_null(end_word(END_NONE));
    ck_assert_ptr_null(end_text(END_NONE));
    ck_assert_ptr_null(end_fix(END_NONE));
    ck_assert_ptr_null(end_who_word(END_NONE));
}
END_TEST

/* What a person looks up stands in the contract. */
START_TEST(test_protocol_names_every_end)
{
    static char text[256 * 1024];
    char path[4096], word[64];
    const char *root = getenv("SONDE_SOURCE");
    snprintf(path, sizeof(path), "%s/proto/PROTOCOL.md", root != NULL ? root : ".");
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_lt(fread(text, 1, sizeof(text) - 1, f), sizeof(text) - 1);
    fclose(f);
    for (int i = END_NONE + 1; i < END_COUNT; i++) {
        snprintf(word, sizeof(word), "`%s`", end_word((enum end)i));
        ck_assert_msg(strstr(text, word) != NULL, "%s does not name %s", path, word);
    }
}
END_TEST

TESTS(all, test_every_end_reads_back_and_says_what_to_do, test_no_two_ends_share_a_close_code,
      test_every_close_code_of_the_master_is_an_end, test_the_agents_complaint_is_the_masters_fault,
      test_the_socket_tells_fin_from_reset_from_silence, test_no_end_has_no_words,
      test_protocol_names_every_end)
CHECK_MAIN("end", all)
