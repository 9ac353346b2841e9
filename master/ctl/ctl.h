/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/options.h"
#include "proto/target_flags.h"
#include <stdbool.h>

/*
 * ctl - the command line of Sonde: one run of one verb.
 *
 * One thread. Everything that a verb needs hangs on struct ctl; verbs print, and return the exit
 * code.
 */
enum exit_code {
    EXIT_ALL_OK = 0,
    EXIT_SOME_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_UNREACHABLE = 3,
    EXIT_AUTH = 4,
    EXIT_DEADLINE = 5,
    EXIT_INTERRUPTED = 130
};

enum form { FORM_TABLE, FORM_JSON, FORM_NDJSON, FORM_CSV };

#define CTL_WORDS_MAX 2
#define CTL_KEY_MAX   255 /* of an Idempotency-Key */

struct ctl_options {
    char *url, *token_file, *ca_file, *output;
    bool help, version;
    bool watch, strict, log_tasks, follow, all, json;
    char *wait, *name, *per_host, *per_host_rate, *count, *deadline, *deadline_s, *priority;
    char *agent, *kind;
    char *outcome, *outcomes, *state, *cause, *host, *idempotency_key;
    bool dry_run, prune, yes, targets;
    char *schedule, *schedule_owner, *label, *channel;
    int64_t days;
    struct option_list agents, tags, labels;
    int64_t rows, limit, timeout_ms;
    struct target_flags target; /* of the probe */
};

struct client;
struct verb;

struct ctl {
    struct ctl_options o;
    struct options *owner; /* of the strings in o */
    struct option *table;  /* the verb's flags; owner borrows it */
    const struct verb *verb;
    const char *group; /* of verbs, when no more than that was said */
    const char *words[CTL_WORDS_MAX];
    size_t n_words;
    enum form form;
    bool graded;           /* the exit code is a verdict of the verb: diagnose */
    struct client *client; /* NULL until ctl_run() has made it */
};

int ctl_main(int argc, char **argv);

/* "sonde: …" on stderr; foreign text in it is cleaned. Returns code. */
void ctl_say(const char *fmt, ...)
    __attribute__((format(printf, 1, 2))); /* a line on stderr, cleaned */
int ctl_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* After a write to standard output failed: says so, unless its reader just had enough. Returns the
 * exit code. */
int ctl_unwritten(int errnum);
