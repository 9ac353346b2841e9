/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/policy_options.h"
#include "common/log.h"
#include "common/options.h"
#include "proto/message.h"
#include "proto/target_flags.h"

/*
 * agent_options - the flags, environment and file of sonde-agent, checked once at start.
 *
 * Main thread. All strings live as long as the options. What --help says is the table in
 * agent_options.c.
 */
struct agent_options {
    /* as given */
    char *config, *master, *name, *token_file, *ca_file, *data, *resolver, *metrics_listen,
        *log_level_text, *log_format_text;
    struct option_list tag_texts, canary_texts;
    struct policy_options policy;
    int64_t workers, slots, spool_bytes;
    bool help, version, print_config;
    /* of the probe command */
    struct target_flags target;
    bool json;
    const char *probe_target; /* NULL: run as an agent */

    /* made of it */
    enum log_level log_level;
    enum log_format log_format;
    struct msg_tag tags[TAGS_MAX];
    unsigned n_tags;
    struct policy_config rules;
    struct options *owner;
};

/*
 * False: the process ends now with *exit_code: 0 after --help, --version and --print-config, 2
 * after one sentence on stderr that names what is wrong and the fix. o must be given to
 * agent_options_fini() in both cases.
 */
bool agent_options_load(struct agent_options *o, int argc, char **argv, int *exit_code);
void agent_options_fini(struct agent_options *o);

struct policy *agent_options_policy(const struct agent_options *o);

/* Raises the limit of descriptors to what so many probes need. ERR_SYSTEM with one sentence when
 * the host does not allow it. */
MUST_USE enum err agent_options_raise_limits(const struct agent_options *o, char *why,
                                             size_t why_max);
