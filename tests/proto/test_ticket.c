/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <stdio.h>
#include <string.h>
#include "proto/ticket.h"

#define BATCH "01930000-0000-7000-8000-000000000001"
#define OTHER "01930000-0000-7000-8000-000000000002"

static const struct ticket_key keys[] = {{7, {1, 2, 3}}, {8, {4, 5, 6}}};
static const struct lease_no lease = {3, 44};
static struct ticket_ring *ring;
static char text[TICKET_TEXT_MAX];

static void make(void)
{
    ring = ticket_ring_create(keys, 1);
    ticket_make(ring, BATCH, 812, "bj-1", lease, text);
}

static enum err verify(const char *batch, uint64_t task, const char *agent)
{
    struct lease_no got = {0};
    enum err e = ticket_verify(ring, text, batch, task, agent, &got);
    ck_assert_uint_eq(got.counter, e == ERR_NONE ? 44 : 0);
    return e;
}

START_TEST(test_own_ticket_verifies)
{
    make();
    ck_assert_int_eq(verify(BATCH, 812, "bj-1"), ERR_NONE);
    ticket_ring_destroy(&ring);
}
END_TEST

START_TEST(test_ticket_of_another_batch_task_or_agent_is_denied)
{
    make();
    ck_assert_int_eq(verify(OTHER, 812, "bj-1"), ERR_DENIED);
    ck_assert_int_eq(verify(BATCH, 813, "bj-1"), ERR_DENIED);
    ck_assert_int_eq(verify(BATCH, 812, "bj-2"), ERR_DENIED);
    ticket_ring_destroy(&ring);
}
END_TEST

START_TEST(test_changed_lease_number_is_denied)
{
    make();
    char *counter = strstr(text, ".44.");
    ck_assert_ptr_nonnull(counter);
    counter[2] = '5';
    ck_assert_int_eq(verify(BATCH, 812, "bj-1"), ERR_DENIED);
    ticket_ring_destroy(&ring);
}
END_TEST

START_TEST(test_every_flipped_digit_of_the_mac_is_denied)
{
    make();
    char *mac = strrchr(text, '.') + 1;
    for (size_t i = 0; i < 32; i++) {
        char was = mac[i];
        mac[i] = was == '0' ? '1' : '0';
        ck_assert_int_eq(verify(BATCH, 812, "bj-1"), ERR_DENIED);
        mac[i] = was;
    }
    ticket_ring_destroy(&ring);
}
END_TEST

START_TEST(test_retired_key_still_verifies_and_the_newest_signs)
{
    make();
    ticket_ring_destroy(&ring);
    ring = ticket_ring_create(keys, 2);
    ck_assert_int_eq(verify(BATCH, 812, "bj-1"), ERR_NONE);
    ticket_make(ring, BATCH, 812, "bj-1", lease, text);
    ck_assert_int_eq(strncmp(text, "8.3.44.", 7), 0);
    ck_assert_int_eq(verify(BATCH, 812, "bj-1"), ERR_NONE);
    ticket_ring_destroy(&ring);
}
END_TEST

START_TEST(test_unknown_key_is_denied)
{
    make();
    ticket_ring_destroy(&ring);
    ring = ticket_ring_create(&keys[1], 1);
    ck_assert_int_eq(verify(BATCH, 812, "bj-1"), ERR_DENIED);
    ticket_ring_destroy(&ring);
}
END_TEST

START_TEST(test_what_is_no_ticket_is_invalid)
{
    static const char *const bad[] = {"",
                                      ".",
                                      "...",
                                      "1.2.3",
                                      "1.2.3.",
                                      "1.2.3.abcd",
                                      "1.2.3.4.0123456789abcdef0123456789abcdef",
                                      "x.2.3.0123456789abcdef0123456789abcdef",
                                      "1.2.03.0123456789abcdef0123456789abcdef",
                                      "1.2.99999999999999999999.0123456789abcdef0123456789abcdef",
                                      "1.2.3.0123456789ABCDEF0123456789abcdef",
                                      "1.2.3.0123456789abcdef0123456789abcdef0",
                                      "-1.2.3.0123456789abcdef0123456789abcdef",
                                      " 1.2.3.0123456789abcdef0123456789abcdef"};
    struct lease_no got;
    make();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_int_eq(ticket_verify(ring, bad[i], BATCH, 812, "bj-1", &got), ERR_INVALID);
        ck_assert_int_eq(ticket_peek(bad[i], &got), ERR_INVALID);
    }
    ticket_ring_destroy(&ring);
}
END_TEST

START_TEST(test_peek_reads_the_lease_without_a_key)
{
    struct lease_no got = {0};
    make();
    ck_assert_int_eq(ticket_peek(text, &got), ERR_NONE);
    ck_assert_uint_eq(got.epoch, 3);
    ck_assert_uint_eq(got.counter, 44);
    ck_assert_str_eq(ticket_proof(text), strrchr(text, '.') + 1);
    ck_assert_uint_eq(strlen(ticket_proof(text)), TICKET_PROOF_LEN);
    ticket_ring_destroy(&ring);
}
END_TEST

START_TEST(test_largest_numbers_fit)
{
    const struct ticket_key key = {UINT32_MAX, {0xff}};
    const struct lease_no top = {UINT64_MAX, UINT64_MAX};
    struct lease_no got = {0};
    ring = ticket_ring_create(&key, 1);
    ticket_make(ring, BATCH, UINT64_MAX, "bj-1", top, text);
    ck_assert_uint_lt(strlen(text), TICKET_TEXT_MAX);
    ck_assert_int_eq(ticket_verify(ring, text, BATCH, UINT64_MAX, "bj-1", &got), ERR_NONE);
    ck_assert_uint_eq(got.counter, UINT64_MAX);
    ticket_ring_destroy(&ring);
}
END_TEST

START_TEST(test_names_that_run_together_are_different)
{
    char other[TICKET_TEXT_MAX];
    ring = ticket_ring_create(keys, 1);
    ticket_make(ring, "ab", 1, "c", lease, text);
    ticket_make(ring, "a", 1, "bc", lease, other);
    ck_assert_str_ne(text, other);
    ticket_ring_destroy(&ring);
}
END_TEST

TESTS(tickets, test_own_ticket_verifies, test_ticket_of_another_batch_task_or_agent_is_denied,
      test_changed_lease_number_is_denied, test_every_flipped_digit_of_the_mac_is_denied,
      test_retired_key_still_verifies_and_the_newest_signs, test_unknown_key_is_denied,
      test_what_is_no_ticket_is_invalid, test_peek_reads_the_lease_without_a_key,
      test_largest_numbers_fit, test_names_that_run_together_are_different)
CHECK_MAIN("ticket", tickets)
