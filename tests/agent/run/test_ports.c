/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include "agent/run/ports.h"
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct ports ports;

static struct mono at(int64_t s)
{
    return (struct mono){s * NS_PER_SEC};
}

/* A TCP connection over loopback: ours, and the server's end. */
static void connected(int *ours, int *theirs)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sa);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&sa, len), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
    *ours = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(*ours, (struct sockaddr *)&sa, len), 0);
    *theirs = accept(listener, NULL, NULL);
    ck_assert_int_ge(*theirs, 0);
    close(listener);
}

static void we_close_first(void)
{
    int ours, theirs;
    connected(&ours, &theirs);
    ports_close(&ports, ours);
    close(theirs);
}

static void they_close_first(void)
{
    int ours, theirs;
    char byte;
    connected(&ours, &theirs);
    close(theirs);
    ck_assert_int_eq(recv(ours, &byte, 1, 0), 0); /* their FIN is here */
    ports_close(&ports, ours);
}

START_TEST(who_closes_first_pays)
{
    ports_tick(&ports, 1000, 1000, at(100));
    we_close_first();
    they_close_first();
    ck_assert_uint_eq(ports_used(&ports), 1);
}
END_TEST

START_TEST(nothing_is_counted_while_the_host_has_few)
{
    ports_tick(&ports, 1000 / PORTS_WATCH_SHARE, 1000, at(100));
    we_close_first();
    ck_assert_uint_eq(ports_used(&ports), 0);
    ports_tick(&ports, -1, -1, at(101));
    we_close_first();
    ck_assert_uint_eq(ports_used(&ports), 0);
}
END_TEST

START_TEST(a_port_is_free_again_after_a_minute)
{
    ports_tick(&ports, 1000, 1000, at(100));
    we_close_first();
    ports_tick(&ports, 1000, 1000, at(130));
    we_close_first();
    ports_tick(&ports, 1000, 1000, at(159));
    ck_assert_uint_eq(ports_used(&ports), 2);
    ports_tick(&ports, 1000, 1000, at(160));
    ck_assert_uint_eq(ports_used(&ports), 1);
    ports_tick(&ports, 1000, 1000, at(5000)); /* overslept */
    ck_assert_uint_eq(ports_used(&ports), 0);
}
END_TEST

START_TEST(without_a_counter_it_only_closes)
{
    int ours, theirs;
    connected(&ours, &theirs);
    ports_close(NULL, ours);
    ck_assert_int_eq(close(ours), -1);
    close(theirs);
}
END_TEST

TESTS(all, who_closes_first_pays, nothing_is_counted_while_the_host_has_few,
      a_port_is_free_again_after_a_minute, without_a_counter_it_only_closes)
CHECK_MAIN("ports", all)
