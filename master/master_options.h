/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/cidr.h"
#include "common/log.h"
#include "common/options.h"
#include "proto/limits.h"

/*
 * master_options - what sonde-master is told by argv, environment and file.
 *
 * Main thread, at start. Strings belong to `options` and live until master_options_fini.
 */
struct master_options {
    char *config, *listen, *agents_listen, *data, *trusted_proxies;
    char *log_level, *log_format, *scope, *name;
    int64_t max_agents, max_open_tasks, body_max, check_metrics, dev_agents, retention_days,
        retention_bytes, retention_grace_s, schedule_retention, history_days;
    struct option_list deny_texts;
    bool dev, check_config, print_config, version, help;

    /* worked out of the above */
    struct cidr deny[DENY_MAX];
    unsigned n_deny;
    enum log_level level;
    enum log_format format;
    struct options *options;
};
#define MASTER_WORDS_MAX 4

/* On error one sentence in why, and nothing to fini. words: the command and its arguments. */
MUST_USE enum err master_options_load(struct master_options *o, int argc, char **argv,
                                      const char *words[MASTER_WORDS_MAX], size_t *n_words,
                                      char *why, size_t why_max);
void master_options_fini(struct master_options *o);
/* The data directory: --data, or where this kind of master keeps it. */
const char *master_options_data(const struct master_options *o);
void master_options_help(const struct master_options *o, FILE *to);
