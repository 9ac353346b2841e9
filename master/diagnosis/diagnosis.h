/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/core/ages.h"
#include "master/core/core.h"

/*
 * diagnosis - the troubleshooting manual as a program: facts in, findings out.
 *
 * Pure: it reads no file and asks nobody; whoever gathers the facts is the edge (master/api). The
 * checks stand in one table, checks.def; each judges the facts alone and needs no other's verdict.
 * A figure that could not be had is −1, and a check that lacks its figures says unknown.
 */
enum diag_state { DIAG_OK, DIAG_UNKNOWN, DIAG_WARN, DIAG_BAD, DIAG_STATES };
const char *diag_state_word(enum diag_state s);

enum diag_check {
#define CHECK(word, about, meaning, fix) DIAG_##word,
#include "master/diagnosis/checks.def"
#undef CHECK
    DIAG_CHECKS
};

/* ---- facts */
#define DIAG_THREAD_NAME_MAX 16 /* as the kernel keeps them */
#define DIAG_QUEUES_MAX      4

struct diag_queue {
    const char *name;
    int64_t letters, letters_max, bytes, bytes_max; /* a max of 0: no such bound */
    int64_t refused;                                /* while it was looked at */
    bool waits; /* who finds it full waits for room; false: is refused */
};

enum diag_sync { SYNC_UNKNOWN, SYNC_NO, SYNC_YES }; /* is the clock disciplined */

struct diag_facts {
    struct {                                                      /* the process and its host */
        const char *dir;                                          /* where the data is */
        int64_t disk_bytes, disk_free_bytes, inodes, inodes_free; /* inodes 0: not counted */
        double cpu_percent, busiest_percent, load1;               /* of one core */
        char busiest[DIAG_THREAD_NAME_MAX];
        int64_t cpus, mem_bytes, mem_available_bytes, rss_bytes, fds_used, fds_max;
        int64_t time_wait, ephemeral_ports, close_wait; /* close_wait: at the master's ports */
        int64_t clock_step_ms;                          /* how far it was set since the start */
        enum diag_sync sync;
        int64_t log_unwritten, log_untold; /* lines; untold: it cannot be written still */
    } host;
    struct {
        bool writable;
        int64_t commit_p99_ms, commit_ms_max, open_tasks, open_tasks_max;
        unsigned n_queues;
        struct diag_queue queues[DIAG_QUEUES_MAX];
    } store;
    struct {
        double lag_ms;
        int64_t silent_ms; /* since its last tick */
        bool overloaded;
        /* How often it stood still; the worst of the last minutes, and how long ago. */
        int64_t stood, stood_ms, stood_ago_ms;
        int64_t sessions, sessions_max;
        int64_t hellos_waiting; /* of these: for their turn */
    } hub;
    bool has_core; /* false: the hub could not be asked; all below is empty */
    const struct agent_view *agents;
    unsigned n_agents;
    const struct core_stuck *stuck;
    unsigned n_stuck, more_stuck;
    struct ages_pile pile; /* of the ages at which sessions ended; n 0: they do not pile up */
};

/* ---- findings */
#define DIAG_FIGURES_MAX  8
#define DIAG_ITEMS_MAX    10 /* named of each check; the rest is counted */
#define DIAG_EVIDENCE_MAX 240
#define DIAG_NAME_MAX     AGENT_NAME_MAX

struct diag_figure {
    const char *name; /* with its unit */
    double value;     /* −1: not known */
};
struct diag_item { /* one agent, batch or queue that is not well */
    char name[DIAG_NAME_MAX + 1];
    enum diag_state state;
    char evidence[DIAG_EVIDENCE_MAX + 1]; /* UTF-8 */
};
struct diag_finding {
    enum diag_check check;
    enum diag_state state;
    char evidence[DIAG_EVIDENCE_MAX + 1];
    struct diag_figure figures[DIAG_FIGURES_MAX];
    unsigned n_figures;
    struct diag_item items[DIAG_ITEMS_MAX]; /* the worst first come */
    unsigned n_items, more_items;
};
struct diagnosis {
    enum diag_state state; /* the worst: unknown alone is no warning, and counts as ok here */
    unsigned count[DIAG_STATES];
    struct diag_finding findings[DIAG_CHECKS];
};

/* Caller frees with free(). */
struct diagnosis *diagnosis_make(const struct diag_facts *f);

const char *diag_check_word(enum diag_check c);
const char *diag_check_about(enum diag_check c); /* "master", "store", "agents", "batches" */
const char *diag_check_meaning(enum diag_check c);
const char *diag_check_fix(enum diag_check c);
