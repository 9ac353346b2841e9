/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/nginxconf/nginx_judge.h"

/* nginx_rules - what the judge and its rules share, and nobody else: one function for each row of
 * nginx_rules.def, and how it says what it found. */
struct judge {
    const struct nginx_conf *conf;
    const struct nginx_master *master;
    struct nginx_report *report;
    const struct nginx_node **upstreams; /* all of them: there are few, and many places */
    unsigned n_upstreams;
    enum nginx_rule rule; /* that judges now */
};

#define RULE(word, at, why, fix) void rule_##word(struct judge *j, const struct nginx_node *at_);
#include "master/nginxconf/nginx_rules.def"
#undef RULE

/* What is wrong, and where. */
void judge_say(struct judge *j, enum nginx_grade g, const struct nginx_node *where, const char *fmt,
               ...) __attribute__((format(printf, 4, 5)));

/* ---- places: blocks with a proxy_pass */
const char *place_target(const struct nginx_node *place); /* what it passes on to */
const char *place_path(const struct nginx_node *place);   /* of its location, "" = none */
bool place_is_prefix(const struct nginx_node *place);     /* its location is no regex and no name */
/* The upstream block of that target, or NULL: it is an address. */
const struct nginx_node *place_upstream(const struct judge *j, const struct nginx_node *place);
bool place_is_agents(const struct judge *j, const struct nginx_node *place);
bool place_is_api(const struct judge *j, const struct nginx_node *place);
