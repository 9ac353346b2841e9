/* SPDX-License-Identifier: MIT */
#include "tests/master/hub/rig.h"

/* Frames in, and what they are answered with. */
#define UNREAD_BEATS 60000 /* the answers are 6 MB: more than both sockets take */

static void setup(void)
{
    rig_start(10);
}

static void teardown(void)
{
    rig_stop();
}

START_TEST(test_binary_frame_closes_with_1008)
{
    struct peer p;
    peer_open(&p);
    peer_frame(&p, 0x82, HELLO, strlen(HELLO));
    ck_assert_int_eq(peer_wait_close(&p), CLOSE_POLICY);
    peer_close(&p);
}
END_TEST

START_TEST(test_message_over_the_bound_closes_with_1009)
{
    struct peer p;
    char *big = mem_alloc(LINE_MAX_BYTES + 10);
    memset(big, ' ', LINE_MAX_BYTES + 10);
    peer_open(&p);
    peer_frame(&p, 0x81, big, LINE_MAX_BYTES + 10);
    ck_assert_int_eq(peer_wait_close(&p), CLOSE_TOO_BIG);
    peer_close(&p);
    free(big);
}
END_TEST

START_TEST(test_endless_fragments_close_with_1009)
{
    static char piece[65536];
    struct peer p;
    memset(piece, '\n', sizeof(piece));
    peer_open(&p);
    peer_frame(&p, 0x01, piece, sizeof(piece));
    for (int i = 0; i < 17; i++)
        peer_frame(&p, 0x00, piece, sizeof(piece));
    ck_assert_int_eq(peer_wait_close(&p), CLOSE_TOO_BIG);
    peer_close(&p);
}
END_TEST

START_TEST(test_fragments_make_a_message)
{
    struct peer p;
    peer_open(&p);
    size_t half = strlen(HELLO) / 2;
    peer_frame(&p, 0x01, HELLO, half);
    peer_frame(&p, 0x00, &HELLO[half], strlen(HELLO) - half);
    peer_frame(&p, 0x80, INFLIGHT_END, strlen(INFLIGHT_END));
    ck_assert_ptr_nonnull(peer_wait(&p, "welcome"));
    peer_close(&p);
}
END_TEST

START_TEST(test_end_of_message_ends_the_line)
{
    struct peer p;
    peer_open(&p);
    peer_frame(&p, 0x81, HELLO, strlen(HELLO) - 1);
    peer_frame(&p, 0x81, INFLIGHT_END, strlen(INFLIGHT_END) - 1);
    ck_assert_ptr_nonnull(peer_wait(&p, "welcome"));
    peer_close(&p);
}
END_TEST

/* More than the sockets hold, so that some are written at once and others when there is room. */
START_TEST(test_who_does_not_read_gets_all_answers_in_order)
{
    struct peer p;
    char beat[160], want[32];
    peer_join(&p);
    for (int i = 1; i <= UNREAD_BEATS; i++) {
        snprintf(beat, sizeof(beat),
                 "{\"type\":\"heartbeat\",\"seq\":%d,\"received\":{\"count\":0,\"bytes\":0},"
                 "\"credit\":{\"count\":0,\"bytes\":0}}\n",
                 i);
        peer_say(&p, beat);
    }
    for (int i = 1; i <= UNREAD_BEATS; i++) {
        const char *ack = peer_wait(&p, "heartbeat_ack");
        ck_assert_ptr_nonnull(ack);
        snprintf(want, sizeof(want), "\"seq\":%d,", i);
        ck_assert_ptr_nonnull(strstr(ack, want));
    }
    peer_close(&p);
}
END_TEST

static TCase *frames(void)
{
    TCase *tc = tcase_create("frames");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_binary_frame_closes_with_1008);
    tcase_add_test(tc, test_message_over_the_bound_closes_with_1009);
    tcase_add_test(tc, test_endless_fragments_close_with_1009);
    tcase_add_test(tc, test_fragments_make_a_message);
    tcase_add_test(tc, test_end_of_message_ends_the_line);
    tcase_add_test(tc, test_who_does_not_read_gets_all_answers_in_order);
    return tc;
}

CHECK_MAIN("conn", frames)
