/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/mem.h"
#include "tests/support/sim_seen.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * sim_run - runs the seeds of one storm, some of them in one child process after the other.
 *
 * A seed that aborts, crashes or takes too long is told by one line that says how to replay it, and
 * the others go on. At the end each kind of event (sim_seen.h) must have happened often enough.
 *
 *     PROGRAM [--part I/N] [--all]
 *
 * Environment: SONDE_SIM_SEEDS=N runs seeds 1..N instead of the usual number; SONDE_SIM_SEED=N that
 * one alone, in this process. --part I/N: every Nth of them, from the Ith on. --all: goes on after
 * SIM_FAILURES_MAX failures.
 */
#define SIM_BLOCK        25   /* seeds of one child: a fork costs as much as a small seed */
#define SIM_SEED_S       60   /* no seed may take longer, whatever the build */
#define SIM_FAILURES_MAX 10   /* one bug fails many seeds */
#define SIM_COVER_SEEDS  1000 /* fewer than these need not meet everything */
#define SIM_RARE         200  /* each kind comes once in so many seeds, at least */

/* What must hold at the end or between two steps; REQUIRE where the expression says enough. */
#define SIM_CHECK(cond, ...)                                                                       \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            REQUIRE(cond);                                                                         \
        }                                                                                          \
    } while (0)

enum sim_storm { C = 1, S = 2, CS = 3 };
struct sim_plan {
    const char *name, *program;
    enum sim_storm storm;
    uint64_t seeds; /* 1 … so many */
    void (*run)(uint64_t seed);
    unsigned part, parts;
    bool all;
};
struct sim_ran {
    uint64_t seen[SIM_KIND_COUNT];
    uint64_t seed; /* the one that runs */
};
static const struct sim_kind_info {
    const char *name, *text;
    enum sim_storm storms;
} sim_kinds[] = {
#define SIM_KIND_INFO(id, storms, text) {#id, text, storms},
    SIM_KINDS(SIM_KIND_INFO)
#undef SIM_KIND_INFO
};

/* The ith of this part; false: there are no more. */
static bool sim_seed(const struct sim_plan *p, uint64_t i, uint64_t *seed)
{
    *seed = i * p->parts + p->part;
    return *seed <= p->seeds;
}

static void sim_child(const struct sim_plan *p, struct sim_ran *ran, uint64_t from)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    for (uint64_t i = from; i < from + SIM_BLOCK && sim_seed(p, i, &ran->seed); i++) {
        alarm(SIM_SEED_S);
        p->run(ran->seed);
    }
    exit(EXIT_SUCCESS); /* not _exit: a leak is a failure, too */
}

static void sim_tell_failure(const struct sim_plan *p, uint64_t seed, int status)
{
    char how[64];
    if (WIFSIGNALED(status))
        snprintf(how, sizeof(how), "%s", strsignal(WTERMSIG(status)));
    else
        snprintf(how, sizeof(how), "exit %d", WEXITSTATUS(status));
    fflush(stdout);
    fprintf(stderr, "%s: seed %llu failed (%s); replay: SONDE_SIM_SEED=%llu %s\n", p->name,
            (unsigned long long)seed, how, (unsigned long long)seed, p->program);
}

/* How many seeds failed. */
static uint64_t sim_run_all(const struct sim_plan *p, struct sim_ran *ran)
{
    uint64_t seed, failed = 0;
    for (uint64_t i = 0; sim_seed(p, i, &seed);) {
        int status = 0;
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0)
            sim_child(p, ran, i);
        REQUIRE(waitpid(child, &status, 0) == child);
        uint64_t end = i + SIM_BLOCK;
        if (status != 0) {
            sim_tell_failure(p, ran->seed, status);
            while (i + 1 < end && sim_seed(p, i, &seed) && seed != ran->seed)
                i++;
            end = i + 1;
            if (++failed == SIM_FAILURES_MAX && !p->all)
                return failed;
        }
        i = end;
    }
    return failed;
}

static uint64_t sim_count(const struct sim_plan *p)
{
    uint64_t n = 0, seed;
    while (sim_seed(p, n, &seed))
        n++;
    return n;
}

static void sim_tell_seen(const struct sim_plan *p, const struct sim_ran *ran, uint64_t seeds)
{
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    double cpu = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                 (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    for (unsigned k = 0; k < SIM_KIND_COUNT; k++)
        if (sim_kinds[k].storms & p->storm)
            printf("%12llu  %-15s  %s\n", (unsigned long long)ran->seen[k], sim_kinds[k].name,
                   sim_kinds[k].text);
    printf("%s: %llu seeds, %.1f s CPU, %.2f ms each\n", p->name, (unsigned long long)seeds, cpu,
           cpu * 1000 / (double)seeds);
}

/* How many kinds came too rarely. */
static unsigned sim_check_seen(const struct sim_plan *p, const struct sim_ran *ran, uint64_t seeds)
{
    unsigned missing = 0;
    for (unsigned k = 0; seeds >= SIM_COVER_SEEDS && k < SIM_KIND_COUNT; k++) {
        if (!(sim_kinds[k].storms & p->storm) || ran->seen[k] * SIM_RARE >= seeds)
            continue;
        fprintf(stderr, "%s: %llu times in %llu seeds only: %s (%s): the storm has become weaker\n",
                p->name, (unsigned long long)ran->seen[k], (unsigned long long)seeds,
                sim_kinds[k].name, sim_kinds[k].text);
        missing++;
    }
    return missing;
}

static uint64_t sim_env(const char *name, uint64_t dflt)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : dflt;
}

static bool sim_parse(struct sim_plan *p, int argc, char **argv)
{
    p->program = argv[0];
    p->part = p->parts = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--all") == 0)
            p->all = true;
        else if (strcmp(argv[i], "--part") != 0 || i + 1 == argc ||
                 sscanf(argv[++i], "%u/%u", &p->part, &p->parts) != 2)
            return false;
    }
    p->seeds = sim_env("SONDE_SIM_SEEDS", p->seeds);
    return p->part >= 1 && p->part <= p->parts;
}

static int sim_main(struct sim_plan *p, int argc, char **argv)
{
    struct sim_ran *ran =
        mmap(NULL, sizeof(*ran), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(ran != MAP_FAILED);
    sim_seen = ran->seen;
    if (!sim_parse(p, argc, argv)) {
        fprintf(stderr, "usage: %s [--part I/N] [--all]\n", argv[0]);
        return 2;
    }
    uint64_t only = sim_env("SONDE_SIM_SEED", 0);
    if (only) {
        p->run(only);
        printf("%s: seed %llu passed\n", p->name, (unsigned long long)only);
        return EXIT_SUCCESS;
    }
    uint64_t seeds = sim_count(p), failed = sim_run_all(p, ran);
    sim_tell_seen(p, ran, seeds);
    fflush(stdout); /* before what stderr says of it */
    if (failed > 0) {
        fprintf(stderr, "%s: %llu of %llu seeds failed\n", p->name, (unsigned long long)failed,
                (unsigned long long)seeds);
        return EXIT_FAILURE;
    }
    return sim_check_seen(p, ran, seeds) ? EXIT_FAILURE : EXIT_SUCCESS;
}
