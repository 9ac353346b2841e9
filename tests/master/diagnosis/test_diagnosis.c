/* SPDX-License-Identifier: MIT */
#include "tests/master/diagnosis/facts.h"

START_TEST(all_is_well)
{
    well();
    only(DIAG_disk, DIAG_OK);
    ck_assert_int_eq(found->state, DIAG_OK);
    ck_assert_uint_eq(found->count[DIAG_OK], DIAG_CHECKS);
}
END_TEST

START_TEST(the_worst_is_the_state_of_all)
{
    well();
    facts.host.busiest_percent = 99;
    only(DIAG_cpu, DIAG_WARN);
    ck_assert_int_eq(found->state, DIAG_WARN);
    facts.store.writable = false;
    free(found);
    found = diagnosis_make(&facts);
    ck_assert_int_eq(found->state, DIAG_BAD);
    ck_assert_uint_eq(found->count[DIAG_WARN], 1);
    ck_assert_uint_eq(found->count[DIAG_BAD], 1);
    ck_assert_uint_eq(found->count[DIAG_OK], DIAG_CHECKS - 2);
}
END_TEST

START_TEST(what_cannot_be_told_is_no_warning)
{
    well();
    facts.host.disk_bytes = facts.host.disk_free_bytes = -1;
    only(DIAG_disk, DIAG_UNKNOWN);
    ck_assert_int_eq(found->state, DIAG_OK);
    ck_assert_uint_eq(found->count[DIAG_UNKNOWN], 1);
}
END_TEST

START_TEST(a_hub_that_cannot_be_asked_leaves_its_checks_unknown)
{
    well();
    facts.has_core = false;
    facts.agents = NULL;
    facts.stuck = NULL;
    facts.n_agents = 0;
    facts.hub.silent_ms = 20000;
    free(found);
    found = diagnosis_make(&facts);
    for (unsigned c = 0; c < DIAG_CHECKS; c++) {
        const char *about = diag_check_about((enum diag_check)c);
        bool of_core = strcmp(about, "agents") == 0 || strcmp(about, "batches") == 0;
        enum diag_state wanted = c == DIAG_loop_lag ? DIAG_BAD : of_core ? DIAG_UNKNOWN : DIAG_OK;
        ck_assert_msg(found->findings[c].state == wanted, "%s",
                      diag_check_word((enum diag_check)c));
    }
}
END_TEST

START_TEST(every_row_says_what_it_means_and_what_to_do)
{
    for (unsigned c = 0; c < DIAG_CHECKS; c++) {
        enum diag_check check = (enum diag_check)c;
        size_t meaning = strlen(diag_check_meaning(check)), fix = strlen(diag_check_fix(check));
        ck_assert_msg(meaning > 20 && fix > 20, "%s", diag_check_word(check));
        ck_assert_int_eq(diag_check_meaning(check)[meaning - 1], '.');
        ck_assert_int_eq(diag_check_fix(check)[fix - 1], '.');
    }
}
END_TEST

START_TEST(foreign_text_is_cut_between_characters)
{
    static char long_text[1024];
    well();
    for (size_t i = 0; i + 2 < sizeof(long_text); i += 2)
        memcpy(long_text + i, "\xc3\xa4", 2);
    fleet[0].trouble = long_text;
    const struct diag_finding *f = only(DIAG_agent_trouble, DIAG_WARN);
    size_t n = strlen(f->items[0].evidence);
    ck_assert_uint_le(n, DIAG_EVIDENCE_MAX);
    ck_assert_uint_eq(n % 2, 0);
    ck_assert_uint_ge(n, DIAG_EVIDENCE_MAX - 2);
}
END_TEST

TESTS(all, all_is_well, the_worst_is_the_state_of_all, what_cannot_be_told_is_no_warning,
      a_hub_that_cannot_be_asked_leaves_its_checks_unknown,
      every_row_says_what_it_means_and_what_to_do, foreign_text_is_cut_between_characters)
CHECK_MAIN("diagnosis", all)
