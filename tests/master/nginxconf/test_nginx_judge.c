/* SPDX-License-Identifier: MIT */
#include "master/nginxconf/nginx_judge.h"
#include <stdio.h>
#include <string.h>
#include "common/strbuf.h"
#include "tests/support/check_main.h"

/* A good configuration, of which each test spoils one thing. */
static const char good[] = "worker_rlimit_nofile 65536;\n"
                           "worker_shutdown_timeout 10s;\n"
                           "events { worker_connections 16384; }\n"
                           "http {\n"
                           "upstream sonde_api { server 127.0.0.1:8700; keepalive 32; }\n"
                           "upstream sonde_agents { server 127.0.0.1:8701; }\n"
                           "server {\n"
                           "client_max_body_size 1g;\n"
                           "send_timeout 30s;\n"
                           "proxy_http_version 1.1;\n"
                           "proxy_socket_keepalive on;\n"
                           "location = /ws {\n"
                           "proxy_pass http://sonde_agents;\n"
                           "proxy_pass_request_headers off;\n"
                           "proxy_set_header Upgrade $http_upgrade;\n"
                           "proxy_set_header Connection $sonde_connection;\n"
                           "proxy_set_header Authorization $http_authorization;\n"
                           "proxy_set_header Sec-WebSocket-Key $http_sec_websocket_key;\n"
                           "proxy_set_header Sec-WebSocket-Version $http_sec_websocket_version;\n"
                           "proxy_set_header Sec-WebSocket-Protocol $http_sec_websocket_protocol;\n"
                           "proxy_set_header X-Forwarded-For $remote_addr;\n"
                           "proxy_read_timeout 60s;\n"
                           "proxy_send_timeout 1m;\n"
                           "proxy_buffering off;\n"
                           "}\n"
                           "location / {\n"
                           "proxy_pass http://sonde_api;\n"
                           "proxy_set_header Connection \"\";\n"
                           "proxy_set_header X-Forwarded-For $remote_addr;\n"
                           "proxy_request_buffering off;\n"
                           "proxy_buffering off ;\n"
                           "proxy_read_timeout 90s;\n"
                           "}\n"
                           "location = /metrics { proxy_pass http://sonde_api; proxy_set_header "
                           "X-Forwarded-For $remote_addr; }\n"
                           "}\n"
                           "server { location / { proxy_pass http://127.0.0.1:9000; } }\n"
                           "}\n";

static struct nginx_conf *conf;
static struct nginx_report report;

static void judge(const char *text, const char *api, const char *agents)
{
    char why[256] = "";
    struct nginx_master m = {.api = api, .agents = agents, .body_max = 1 << 30};
    nginx_conf_destroy(&conf);
    nginx_report_fini(&report);
    ck_assert_msg(nginx_conf_parse(text, strlen(text), "F", &conf, why, sizeof(why)) == ERR_NONE,
                  "%s", why);
    nginx_judge(conf, &m, &report);
}

static void fini(void)
{
    nginx_conf_destroy(&conf);
    nginx_report_fini(&report);
}

/* The good one with that text instead of this. */
static void spoil(const char *old, const char *new)
{
    struct strbuf b;
    const char *at = strstr(good, old);
    ck_assert_msg(at != NULL, "the good one has no '%s'", old);
    strbuf_init(&b, 1 << 16);
    strbuf_append(&b, good, (size_t)(at - good));
    strbuf_puts(&b, new);
    strbuf_puts(&b, at + strlen(old));
    judge(b.data, "127.0.0.1:8700", "127.0.0.1:8701");
    strbuf_fini(&b);
}

/* That and nothing else was found, at that line (0: anywhere). */
static void only(enum nginx_rule rule, enum nginx_grade grade, unsigned line, const char *what)
{
    ck_assert_msg(report.n == 1, "%u findings: %s %s", report.n,
                  report.n ? nginx_rule_word(report.findings[0].rule) : "",
                  report.n ? report.findings[0].what : "");
    const struct nginx_finding *f = &report.findings[0];
    ck_assert_str_eq(nginx_rule_word(f->rule), nginx_rule_word(rule));
    ck_assert_str_eq(nginx_grade_word(f->grade), nginx_grade_word(grade));
    ck_assert_msg(strstr(f->what, what) != NULL, "'%s' does not say '%s'", f->what, what);
    if (line > 0)
        ck_assert_uint_eq(f->line, line);
    ck_assert_uint_eq(report.count[grade], 1);
    fini();
}

START_TEST(a_good_one_has_no_findings)
{
    judge(good, "127.0.0.1:8700", "127.0.0.1:8701");
    ck_assert_uint_eq(report.n, 0);
    ck_assert_uint_eq(report.agents, 1);
    ck_assert_uint_eq(report.api, 1); /* neither /metrics nor the other server */
    fini();
}
END_TEST

START_TEST(each_thing_that_is_wrong_is_found_alone)
{
    static const struct {
        const char *old, *new;
        enum nginx_rule rule;
        enum nginx_grade grade;
        unsigned line;
        const char *what;
    } cases[] = {
        {"16384", "768", NGINX_RULE_worker_connections, NGINX_WARN, 3, "384 agents at most"},
        {"nofile 65536", "nofile 8192", NGINX_RULE_worker_files, NGINX_WARN, 1, "is under"},
        {"worker_rlimit_nofile 65536;", "", NGINX_RULE_worker_files, NGINX_WARN, 3, "1,024"},
        {"worker_shutdown_timeout 10s;", "", NGINX_RULE_worker_shutdown, NGINX_WARN, 1, "no "},
        {"send_timeout 30s", "send_timeout 5s", NGINX_RULE_send_timeout, NGINX_BAD, 9,
         "one heartbeat"},
        {"send_timeout 30s", "send_timeout 15s", NGINX_RULE_send_timeout, NGINX_WARN, 9,
         "three heartbeats"},
        {"send_timeout 30s", "send_timeout 3600s", NGINX_RULE_send_timeout, NGINX_WARN, 9,
         "far above the 30 s"},
        {"read_timeout 60s", "read_timeout 2s", NGINX_RULE_read_timeout, NGINX_BAD, 22,
         "one heartbeat"},
        {"read_timeout 60s", "read_timeout 20s", NGINX_RULE_read_timeout, NGINX_NOTE, 22,
         "60 s are wanted"},
        {"read_timeout 60s", "read_timeout $t", NGINX_RULE_read_timeout, NGINX_BAD, 22,
         "'$t' is no time"},
        {"send_timeout 1m", "send_timeout 1h", NGINX_RULE_write_timeout, NGINX_WARN, 23,
         "far above"},
        {"$http_upgrade;", "x;", NGINX_RULE_upgrade, NGINX_BAD, 15, "Upgrade is set to x"},
        {"proxy_set_header Upgrade $http_upgrade;", "", NGINX_RULE_upgrade, NGINX_BAD, 12,
         "Upgrade is not passed on"},
        {"$sonde_connection", "close", NGINX_RULE_upgrade, NGINX_BAD, 16,
         "Connection is set to close"},
        {"proxy_set_header Authorization $http_authorization;", "", NGINX_RULE_headers, NGINX_BAD,
         12, "Authorization is not passed on"},
        {"$http_sec_websocket_protocol", "\"\"", NGINX_RULE_headers, NGINX_BAD, 20,
         "Protocol is set to"},
        {"http://sonde_agents;", "http://sonde_agents/;", NGINX_RULE_path, NGINX_BAD, 13,
         "becomes / at"},
        {"proxy_socket_keepalive on;", "", NGINX_RULE_keepalive, NGINX_WARN, 12,
         "nginx's own value"},
        {"proxy_buffering off;", "", NGINX_RULE_stream, NGINX_NOTE, 12, "is on"},
        {"client_max_body_size 1g;", "", NGINX_RULE_body_size, NGINX_WARN, 26,
         "is 1m, nginx's own value"},
        {"size 1g", "size 0", NGINX_RULES, NGINX_NOTE, 0, ""},
        {"proxy_request_buffering off;", "", NGINX_RULE_upload, NGINX_WARN, 26, "is on"},
        {"proxy_buffering off ;", "proxy_buffering on;", NGINX_RULE_answers, NGINX_WARN, 31,
         "is on"},
        {"proxy_read_timeout 90s;", "", NGINX_RULE_longest_answer, NGINX_WARN, 26,
         "60s, nginx's own value"},
        {"keepalive 32;", "", NGINX_RULE_reuse, NGINX_WARN, 5, "no keepalive"},
        {"http://sonde_api;", "http://127.0.0.1:8700;", NGINX_RULE_reuse, NGINX_WARN, 27,
         "to an address"},
        {"proxy_set_header Connection \"\";", "", NGINX_RULE_reuse, NGINX_WARN, 26, "is not used"},
        {"$remote_addr;\nproxy_request", "$proxy_add_x_forwarded_for;\nproxy_request",
         NGINX_RULE_forwarded_for, NGINX_WARN, 29, "appended"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        spoil(cases[i].old, cases[i].new);
        if (cases[i].rule == NGINX_RULES)
            ck_assert_uint_eq(report.n, 0);
        else
            only(cases[i].rule, cases[i].grade, cases[i].line, cases[i].what);
    }
    fini();
}
END_TEST

START_TEST(without_http_1_1_three_rules_speak)
{
    spoil("proxy_http_version 1.1;", "");
    ck_assert_uint_eq(report.n, 3);
    ck_assert_int_eq(report.findings[0].rule, NGINX_RULE_http_version);
    ck_assert_int_eq(report.findings[1].rule, NGINX_RULE_upload);
    ck_assert_int_eq(report.findings[2].rule, NGINX_RULE_reuse);
    fini();
}
END_TEST

START_TEST(places_are_known_by_the_masters_ports)
{
    judge(good, "[::1]:8700", "10.0.0.1:8701");
    ck_assert_uint_eq(report.n, 0);
    judge(good, "127.0.0.1:8700", "127.0.0.1:99");
    only(NGINX_RULE_locations, NGINX_BAD, 1, "agents' port, 127.0.0.1:99");
    judge(good, "127.0.0.1:99", "127.0.0.1:8701");
    only(NGINX_RULE_locations, NGINX_WARN, 1, "API's port, 127.0.0.1:99");
}
END_TEST

START_TEST(sockets_are_places_too)
{
    spoil("server 127.0.0.1:8701", "server unix:/run/agents");
    ck_assert_uint_eq(report.agents, 0);
    struct strbuf b;
    strbuf_init(&b, 1 << 16);
    strbuf_puts(&b, "location /ws { proxy_pass http://unix:/run/agents:/x; }");
    judge(b.data, "127.0.0.1:8700", "unix:/run/agents");
    ck_assert_uint_eq(report.agents, 1);
    bool found = false;
    for (unsigned i = 0; i < report.n; i++)
        found |= report.findings[i].rule == NGINX_RULE_path;
    ck_assert(found);
    strbuf_fini(&b);
    fini();
}
END_TEST

START_TEST(a_part_of_a_configuration_is_judged_as_far_as_it_goes)
{
    const char *from = strstr(good, "upstream"), *to = strstr(good, "server { location / ");
    struct strbuf b;
    strbuf_init(&b, 1 << 16);
    strbuf_append(&b, from, (size_t)(to - from));
    judge(b.data, "127.0.0.1:8700", "127.0.0.1:8701");
    strbuf_fini(&b);
    only(NGINX_RULE_locations, NGINX_NOTE, 1, "a part of a configuration");
}
END_TEST

START_TEST(so_many_are_told_and_the_rest_is_counted)
{
    struct strbuf b;
    strbuf_init(&b, 1 << 20);
    for (int i = 0; i < NGINX_FINDINGS_MAX; i++)
        strbuf_puts(&b, "location /ws { proxy_pass http://x:8701; }");
    judge(b.data, "127.0.0.1:8700", "127.0.0.1:8701");
    ck_assert_uint_eq(report.n, NGINX_FINDINGS_MAX);
    ck_assert_uint_gt(report.left_out, 0);
    ck_assert_uint_eq(report.n + report.left_out, report.count[NGINX_NOTE] +
                                                      report.count[NGINX_WARN] +
                                                      report.count[NGINX_BAD]);
    strbuf_fini(&b);
    fini();
}
END_TEST

START_TEST(every_rule_says_why_and_what_to_do)
{
    for (unsigned r = 0; r < NGINX_RULES; r++) {
        ck_assert_uint_gt(strlen(nginx_rule_why((enum nginx_rule)r)), 20);
        ck_assert_uint_gt(strlen(nginx_rule_fix((enum nginx_rule)r)), 10);
    }
}
END_TEST

TESTS(rules, a_good_one_has_no_findings, each_thing_that_is_wrong_is_found_alone,
      without_http_1_1_three_rules_speak, every_rule_says_why_and_what_to_do)
TESTS(places, places_are_known_by_the_masters_ports, sockets_are_places_too,
      a_part_of_a_configuration_is_judged_as_far_as_it_goes,
      so_many_are_told_and_the_rest_is_counted)
CHECK_MAIN("nginx_judge", rules, places)
