/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/policy/policy.h"
#include "proto/target_flags.h"
#include <stdbool.h>

/*
 * probe_cmd - `sonde-agent probe TARGET`: one probe here and now, without a master, to see what
 * this agent sees.
 *
 * Main thread of a process that does nothing else. It builds a pool of one worker with one slot,
 * waits for the one result, and prints it to stdout: a page for people, or on one line the JSON
 * record with the target. Problems with the options go to stderr.
 */
struct probe_cmd_options {
    const char *target; /* as the user gave it: a URI, an object, or a bare name beside a type */
    const struct target_flags *flags; /* borrowed */
    bool as_json;
    const char *resolver;  /* ADDR[:PORT][,…], NULL = /etc/resolv.conf */
    const char *ca_file;   /* NULL = the system's bundle */
    struct policy *policy; /* borrowed */
};

/* The exit code: 0 ok, 1 the probe failed, was refused or undetermined, 2 the options make no
 * target. */
int probe_cmd_run(const struct probe_cmd_options *o);
