/* SPDX-License-Identifier: MIT */
#include "master/api/routes.h"
#include "common/require.h"
#include "master/api/handlers.h"
#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct route routes[] = {
    {"GET",  "/healthz",                              SCOPE_NONE,   NULL, NULL, health_alive},
    {"GET",  "/readyz",                               SCOPE_NONE,   NULL, NULL, health_ready},
    {"GET",  "/metrics",                              SCOPE_READ,   NULL, NULL, metrics_page},
    {"GET",  "/api/v1/openapi.json",                  SCOPE_NONE,   NULL, NULL, openapi_get},
    {"POST", "/api/v1/batches",                       SCOPE_SUBMIT, batches_post_begin, batches_post_body, batches_post_run},
    {"GET",  "/api/v1/batches",                       SCOPE_READ,   NULL, NULL, batches_list},
    {"GET",  "/api/v1/batches/{}",                    SCOPE_READ,   NULL, NULL, batches_get},
    {"POST", "/api/v1/batches/{}/cancel",             SCOPE_SUBMIT, NULL, NULL, batches_cancel},
    {"POST", "/api/v1/batches/{}/pause",              SCOPE_SUBMIT, NULL, NULL, batches_pause},
    {"POST", "/api/v1/batches/{}/resume",             SCOPE_SUBMIT, NULL, NULL, batches_resume},
    {"POST", "/api/v1/batches/{}/retry-failed",       SCOPE_SUBMIT, NULL, NULL, batches_retry},
    {"GET",  "/api/v1/batches/{}/results",            SCOPE_READ,   NULL, NULL, results_by_accept},
    {"GET",  "/api/v1/batches/{}/results.ndjson",     SCOPE_READ,   NULL, NULL, results_ndjson},
    {"GET",  "/api/v1/batches/{}/results.csv",        SCOPE_READ,   NULL, NULL, results_csv},
    {"GET",  "/api/v1/batches/{}/events",             SCOPE_READ,   NULL, NULL, events_get},
    {"POST", "/api/v1/probes",                        SCOPE_SUBMIT, probes_begin, probes_body, probes_run},
    {"GET",  "/api/v1/tasks/{}",                      SCOPE_READ,   NULL, NULL, tasks_get},
    {"GET",  "/api/v1/events",                        SCOPE_READ,   NULL, NULL, fleet_events_get},
    {"GET",  "/api/v1/agents",                        SCOPE_READ,   NULL, NULL, agents_list},
    {"GET",  "/api/v1/agents/{}",                     SCOPE_READ,   NULL, NULL, agents_get},
    {"GET",  "/api/v1/diagnosis",                     SCOPE_READ,   NULL, NULL, diagnosis_get},
    {"PUT",  "/api/v1/schedules/{}",                   SCOPE_SUBMIT, schedules_put_begin, schedules_put_body, schedules_put_run},
    {"GET",  "/api/v1/schedules",                      SCOPE_READ,   NULL, NULL, schedules_list},
    {"GET",  "/api/v1/schedules/{}",                   SCOPE_READ,   NULL, NULL, schedules_get},
    {"DELETE", "/api/v1/schedules/{}",                  SCOPE_SUBMIT, NULL, NULL, schedules_delete},
    {"POST", "/api/v1/schedules/{}/pause",             SCOPE_SUBMIT, NULL, NULL, schedules_pause},
    {"POST", "/api/v1/schedules/{}/resume",            SCOPE_SUBMIT, NULL, NULL, schedules_resume},
    {"GET",  "/api/v1/checks",                         SCOPE_READ,   NULL, NULL, checks_list},
    {"GET",  "/api/v1/checks/{}",                      SCOPE_READ,   NULL, NULL, checks_get},
    {"GET",  "/api/v1/checks/{}/history",              SCOPE_READ,   NULL, NULL, check_history},
    {"GET",  "/api/v1/checks/{}/runs",                 SCOPE_READ,   NULL, NULL, check_runs},
    {"GET",  "/api/v1/overview",                       SCOPE_READ,   NULL, NULL, overview_get},
    {"GET",  "/api/v1/incidents",                      SCOPE_READ,   NULL, NULL, incidents_list},
    {"GET",  "/api/v1/incidents/{}",                   SCOPE_READ,   NULL, NULL, incidents_get},
    {"POST", "/api/v1/incidents/{}/ack",               SCOPE_SUBMIT, incidents_ack_begin, incidents_ack_body, incidents_ack_run},
    {"PUT",  "/api/v1/alerts/{}",                      SCOPE_ADMIN,  alerts_put_begin, alerts_put_body, alerts_put_run},
    {"GET",  "/api/v1/alerts",                         SCOPE_READ,   NULL, NULL, alerts_list},
    {"GET",  "/api/v1/alerts/{}",                      SCOPE_READ,   NULL, NULL, alerts_get},
    {"DELETE", "/api/v1/alerts/{}",                     SCOPE_ADMIN,  NULL, NULL, alerts_delete},
    {"POST", "/api/v1/alerts/{}/test",                 SCOPE_ADMIN,  NULL, NULL, alerts_test},
    {"GET",  "/api/v1/deliveries",                     SCOPE_READ,   NULL, NULL, deliveries_list},
};
/* clang-format on */

/* The segment stays within the longest id or name that there is, and a little more so that errors
 * can name it. */
static bool match(const char *pattern, const char *path, char param[ROUTE_PARAM_MAX])
{
    const char *hole = strstr(pattern, "{}");
    param[0] = '\0';
    if (!hole)
        return strcmp(pattern, path) == 0;
    size_t before = (size_t)(hole - pattern);
    if (strncmp(pattern, path, before) != 0)
        return false;
    const char *segment = path + before, *after = hole + 2;
    size_t n = strcspn(segment, "/");
    if (n == 0 || n >= ROUTE_PARAM_MAX || strcmp(segment + n, after) != 0)
        return false;
    memcpy(param, segment, n);
    param[n] = '\0';
    return true;
}

static bool method_fits(const char *of_route, const char *asked)
{
    return strcmp(of_route, asked) == 0 ||
           (strcmp(of_route, "GET") == 0 && strcmp(asked, "HEAD") == 0);
}

static void allow_add(char *allow, size_t max, const char *method)
{
    size_t n = strlen(allow);
    const char *head = strcmp(method, "GET") == 0 ? ", HEAD" : "";
    snprintf(allow + n, max - n, "%s%s%s", n ? ", " : "", method, head);
}

enum route_verdict route_find(const char *method, const char *path, const struct route **out,
                              char param[ROUTE_PARAM_MAX], char *allow, size_t allow_max)
{
    REQUIRE(allow_max > 0);
    allow[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (!match(routes[i].pattern, path, param))
            continue;
        if (method_fits(routes[i].method, method)) {
            *out = &routes[i];
            return ROUTE_FOUND;
        }
        allow_add(allow, allow_max, routes[i].method);
    }
    return allow[0] ? ROUTE_WRONG_METHOD : ROUTE_NOT_FOUND;
}
