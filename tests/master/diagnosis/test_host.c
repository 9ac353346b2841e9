/* SPDX-License-Identifier: MIT */
#include "tests/master/diagnosis/facts.h"

#define MIB (1ll << 20)

START_TEST(disk_by_what_is_free)
{
    static const struct {
        int64_t free, total;
        enum diag_state state;
    } cases[] = {
        {50 * GIB, 100 * GIB, DIAG_OK},  {30 * GIB, 4096 * GIB, DIAG_OK}, /* 0.7 %, but much */
        {9 * GIB, 100 * GIB, DIAG_WARN}, {900 * MIB, 2 * GIB, DIAG_WARN},
        {63 * MIB, 100 * GIB, DIAG_BAD}, {0, 16 * MIB, DIAG_BAD},
        {1100 * MIB, 2 * GIB, DIAG_OK},  {-1, -1, DIAG_UNKNOWN},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        well();
        facts.host.disk_free_bytes = cases[i].free;
        facts.host.disk_bytes = cases[i].total;
        says(only(DIAG_disk, cases[i].state)->evidence, "/data");
    }
    well();
    const struct diag_finding *f = only(DIAG_disk, DIAG_OK);
    ck_assert_double_eq(figure(f, "free_bytes"), 50.0 * GIB);
    says(f->evidence, "50 GiB of 100 GiB free (50 %)");
}
END_TEST

START_TEST(inodes_by_what_is_free)
{
    static const struct {
        int64_t free, total;
        enum diag_state state;
    } cases[] = {{60000, 1000000, DIAG_OK},
                 {40000, 1000000, DIAG_WARN},
                 {5000, 1000000, DIAG_BAD},
                 {0, 0, DIAG_OK},
                 {-1, -1, DIAG_UNKNOWN}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        well();
        facts.host.inodes_free = cases[i].free;
        facts.host.inodes = cases[i].total;
        only(DIAG_inodes, cases[i].state);
    }
}
END_TEST

START_TEST(cpu_names_the_thread_that_never_rests)
{
    well();
    facts.host.busiest_percent = 97;
    says(only(DIAG_cpu, DIAG_WARN)->evidence, "hub 97 %");
    facts.host.busiest_percent = facts.host.cpu_percent = -1;
    only(DIAG_cpu, DIAG_UNKNOWN);
}
END_TEST

START_TEST(memory_by_what_is_available)
{
    static const struct {
        int64_t available;
        enum diag_state state;
    } cases[] = {{2 * GIB, DIAG_OK}, {GIB, DIAG_WARN}, {GIB / 2, DIAG_BAD}, {-1, DIAG_UNKNOWN}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        well();
        facts.host.mem_available_bytes = cases[i].available;
        only(DIAG_memory, cases[i].state);
    }
}
END_TEST

START_TEST(descriptors_by_their_limit)
{
    static const struct {
        int64_t used;
        enum diag_state state;
    } cases[] = {{9000, DIAG_OK}, {9600, DIAG_WARN}, {11400, DIAG_BAD}, {-1, DIAG_UNKNOWN}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        well();
        facts.host.fds_used = cases[i].used;
        only(DIAG_descriptors, cases[i].state);
    }
}
END_TEST

START_TEST(ports_by_their_range)
{
    static const struct {
        int64_t time_wait;
        enum diag_state state;
    } cases[] = {{13000, DIAG_OK}, {14000, DIAG_WARN}, {25200, DIAG_BAD}, {-1, DIAG_UNKNOWN}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        well();
        facts.host.time_wait = cases[i].time_wait;
        only(DIAG_ports, cases[i].state);
    }
}
END_TEST

START_TEST(some_close_waits_are_normal_and_many_are_not)
{
    static const struct {
        int64_t n;
        enum diag_state state;
    } cases[] = {{31, DIAG_OK}, {32, DIAG_WARN}, {256, DIAG_BAD}, {-1, DIAG_UNKNOWN}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        well();
        facts.host.close_wait = cases[i].n;
        only(DIAG_close_wait, cases[i].state);
    }
}
END_TEST

START_TEST(a_clock_that_jumped_either_way)
{
    well();
    facts.host.clock_step_ms = 3600000;
    says(only(DIAG_clock, DIAG_WARN)->evidence, "forward by 3600.0 s");
    facts.host.clock_step_ms = -1500;
    facts.host.sync = SYNC_NO;
    says(only(DIAG_clock, DIAG_WARN)->evidence, "back by 1.5 s");
    facts.host.clock_step_ms = 990;
    only(DIAG_clock, DIAG_UNKNOWN);
    facts.host.sync = SYNC_UNKNOWN;
    only(DIAG_clock, DIAG_OK);
}
END_TEST

START_TEST(a_log_that_cannot_be_written)
{
    well();
    facts.host.log_unwritten = 1500;
    says(only(DIAG_log, DIAG_OK)->evidence, "1,500 lines were lost");
    facts.host.log_untold = 40;
    says(only(DIAG_log, DIAG_WARN)->evidence, "40 lines");
}
END_TEST

TESTS(host, a_log_that_cannot_be_written, disk_by_what_is_free, inodes_by_what_is_free,
      cpu_names_the_thread_that_never_rests, memory_by_what_is_available,
      descriptors_by_their_limit, ports_by_their_range,
      some_close_waits_are_normal_and_many_are_not, a_clock_that_jumped_either_way)
CHECK_MAIN("diagnosis of the host", host)
