/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/nginxconf/nginx_conf.h"

/*
 * nginx_judge - whether a configuration of nginx fits what stands behind it.
 *
 * Pure; one thread. Places are known by where they pass requests on to: the ports that the master
 * listens on. The rules stand in one table, nginx_rules.def; each judges one place alone.
 */
enum nginx_grade { NGINX_NOTE, NGINX_WARN, NGINX_BAD }; /* a note is nothing to repair */
const char *nginx_grade_word(enum nginx_grade g);

enum nginx_rule {
#define RULE(word, at, why, fix) NGINX_RULE_##word,
#include "master/nginxconf/nginx_rules.def"
#undef RULE
    NGINX_RULES
};
const char *nginx_rule_word(enum nginx_rule r);
const char *nginx_rule_why(enum nginx_rule r);
const char *nginx_rule_fix(enum nginx_rule r);

/* As --listen, --agents-listen and --body-max say. */
struct nginx_master {
    const char *api, *agents;
    int64_t body_max;
};

#define NGINX_FINDINGS_MAX 256 /* beyond them they are only counted */
#define NGINX_WHAT_MAX     240
struct nginx_finding {
    enum nginx_rule rule;
    enum nginx_grade grade;
    const char *file; /* of the conf, and lives as long as it */
    unsigned line;
    char what[NGINX_WHAT_MAX];
};
struct nginx_report {
    struct nginx_finding *findings;
    unsigned n, left_out, count[NGINX_BAD + 1];
    unsigned agents, api; /* places that were judged */
};

/* By rule, and within one in the order of the text. */
void nginx_judge(const struct nginx_conf *c, const struct nginx_master *m,
                 struct nginx_report *out);
void nginx_report_fini(struct nginx_report *r);
