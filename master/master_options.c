/* SPDX-License-Identifier: MIT */
#include "master/master_options.h"
#include "master/api/api.h"
#include <string.h>

#define AT(field) OPTION_FIELD(struct master_options, field)
#define DATA_DIR  "/var/lib/sonde"
#define DEV_DIR   "./sonde-dev"

static const struct option table[] = {
    {.kind = OPT_SECTION, .help = "Addresses"},
    {.name = "listen",
     .kind = OPT_STRING,
     .offset = AT(listen),
     .value_name = "ADDR:PORT",
     .dflt = "127.0.0.1:8700",
     .help = "where the HTTP API listens; also unix:PATH"},
    {.name = "agents-listen",
     .kind = OPT_STRING,
     .offset = AT(agents_listen),
     .value_name = "ADDR:PORT",
     .dflt = "127.0.0.1:8701",
     .help = "where agents connect; also unix:PATH"},
    {.name = "trusted-proxies",
     .kind = OPT_STRING,
     .offset = AT(trusted_proxies),
     .value_name = "CIDR,…",
     .help = "proxies whose X-Forwarded-For names the client"},
    {.kind = OPT_SECTION, .help = "Data"},
    {.name = "data",
     .kind = OPT_STRING,
     .offset = AT(data),
     .value_name = "DIR",
     .help = "the store and the tokens; default " DATA_DIR ", with --dev " DEV_DIR},
    {.name = "retention-days",
     .kind = OPT_INT,
     .offset = AT(retention_days),
     .value_name = "DAYS",
     .dflt = "30",
     .min = 0,
     .max = 36500,
     .help = "results are kept so long after their batch has ended; 0 = for ever"},
    {.name = "schedule-retention",
     .kind = OPT_INT,
     .offset = AT(schedule_retention),
     .value_name = "HOURS",
     .dflt = "168",
     .min = 0,
     .max = 876000,
     .help = "likewise each result of a schedule, whose history stays; 0 = for ever"},
    {.name = "retention-bytes",
     .kind = OPT_INT,
     .offset = AT(retention_bytes),
     .value_name = "BYTES",
     .dflt = "0",
     .min = 0,
     .max = INT64_C(1) << 50,
     .help = "over this size of the store the oldest results go; 0 = no bound"},
    {.name = "retention-grace-s",
     .kind = OPT_INT,
     .offset = AT(retention_grace_s),
     .value_name = "SECONDS",
     .dflt = "60",
     .min = 0,
     .max = 86400,
     .help = "but not of batches that ended so lately"},
    {.name = "history-days",
     .kind = OPT_INT,
     .offset = AT(history_days),
     .value_name = "DAYS",
     .dflt = "400",
     .min = 0,
     .max = 36500,
     .help = "the history of schedules: hours, days, changes, incidents; 0 = for ever"},
    {.kind = OPT_SECTION, .help = "Limits"},
    {.name = "max-agents",
     .kind = OPT_INT,
     .offset = AT(max_agents),
     .value_name = "N",
     .dflt = "10000",
     .min = 1,
     .max = 20000,
     .help = "agents connected at the same time"},
    {.name = "max-open-tasks",
     .kind = OPT_INT,
     .offset = AT(max_open_tasks),
     .value_name = "N",
     .dflt = "10000000",
     .min = 1,
     .max = INT64_C(1) << 40,
     .help = "with more that have not ended no upload begins (429)"},
    {.name = "body-max",
     .kind = OPT_INT,
     .offset = AT(body_max),
     .value_name = "BYTES",
     .dflt = "1073741824",
     .min = 1024,
     .max = INT64_C(1) << 40,
     .help = "the largest body of an upload, decoded"},
    {.name = "check-metrics",
     .kind = OPT_INT,
     .offset = AT(check_metrics),
     .value_name = "N",
     .dflt = "0",
     .min = 0,
     .max = API_CHECK_METRICS_MAX,
     .help = "of so many checks of schedules /metrics tells state and times one by one"},
    {.name = "deny",
     .kind = OPT_LIST,
     .offset = AT(deny_texts),
     .value_name = "CIDR",
     .help = "addresses that no agent may probe, besides what each denies itself"},
    {.kind = OPT_SECTION, .help = "Log"},
    {.name = "log-level",
     .kind = OPT_STRING,
     .offset = AT(log_level),
     .value_name = "LEVEL",
     .dflt = "info",
     .help = "debug, info, warn or error"},
    {.name = "log-format",
     .kind = OPT_STRING,
     .offset = AT(log_format),
     .value_name = "FORMAT",
     .dflt = "text",
     .help = "text or json"},
    {.kind = OPT_SECTION, .help = "Development"},
    {.name = "dev",
     .kind = OPT_FLAG,
     .offset = AT(dev),
     .help = "a master to try things with: own data directory, its own agents on this machine",
     .cli_only = true},
    {.name = "dev-agents",
     .kind = OPT_INT,
     .offset = AT(dev_agents),
     .value_name = "N",
     .dflt = "1",
     .min = 0,
     .max = 64,
     .help = "how many agents --dev starts",
     .cli_only = true},
    {.kind = OPT_SECTION, .help = "The command 'token add'"},
    {.name = "scope",
     .kind = OPT_STRING,
     .offset = AT(scope),
     .value_name = "SCOPE",
     .help = "agent, read, submit or admin",
     .cli_only = true},
    {.name = "name",
     .kind = OPT_STRING,
     .offset = AT(name),
     .value_name = "NAME,…",
     .help = "binds a token of scope agent to these agent names",
     .cli_only = true},
    {.kind = OPT_SECTION, .help = "General"},
    {.name = "config",
     .kind = OPT_STRING,
     .offset = AT(config),
     .value_name = "FILE",
     .help = "YAML with the names of these flags",
     .cli_only = true},
    {.name = "check-config",
     .kind = OPT_FLAG,
     .offset = AT(check_config),
     .help = "says whether the configuration is good, and ends",
     .cli_only = true},
    {.name = "print-config",
     .kind = OPT_FLAG,
     .offset = AT(print_config),
     .help = "prints the configuration in effect, and ends",
     .cli_only = true},
    {.name = "version",
     .kind = OPT_FLAG,
     .offset = AT(version),
     .help = "prints the version",
     .cli_only = true},
    {.name = "help",
     .short_name = 'h',
     .kind = OPT_FLAG,
     .offset = AT(help),
     .help = "prints this",
     .cli_only = true},
};

static enum err check_address(const char *flag, const char *text, char *why, size_t why_max)
{
    struct ip ip;
    uint16_t port;
    bool is_unix = strncmp(text, "unix:", 5) == 0 && text[5] != '\0';
    if (is_unix || addr_parse(text, 0, &ip, &port) == ERR_NONE)
        return ERR_NONE;
    snprintf(why, why_max,
             "--%s must be ADDR:PORT with a numeric address (127.0.0.1:8700, [::1]:8700) or "
             "unix:PATH, got '%s'",
             flag, text);
    return ERR_INVALID;
}

static enum err read_deny(struct master_options *o, char *why, size_t why_max)
{
    if (o->deny_texts.count > DENY_MAX) {
        snprintf(why, why_max, "--deny takes at most %d prefixes", DENY_MAX);
        return ERR_INVALID;
    }
    for (size_t i = 0; i < o->deny_texts.count; i++) {
        if (cidr_parse(o->deny_texts.items[i], &o->deny[o->n_deny]) != ERR_NONE) {
            snprintf(why, why_max,
                     "--deny must be an address or prefix such as 10.0.0.0/8 without host bits, "
                     "got '%s'",
                     o->deny_texts.items[i]);
            return ERR_INVALID;
        }
        o->n_deny++;
    }
    return ERR_NONE;
}

static enum err read_log(struct master_options *o, char *why, size_t why_max)
{
    if (log_level_parse(o->log_level, &o->level) != ERR_NONE) {
        snprintf(why, why_max, "--log-level must be debug, info, warn or error, got '%s'",
                 o->log_level);
        return ERR_INVALID;
    }
    if (strcmp(o->log_format, "text") != 0 && strcmp(o->log_format, "json") != 0) {
        snprintf(why, why_max, "--log-format must be text or json, got '%s'", o->log_format);
        return ERR_INVALID;
    }
    o->format = strcmp(o->log_format, "json") == 0 ? LOG_JSON : LOG_TEXT;
    return ERR_NONE;
}

static enum err read_all(struct master_options *o, char *why, size_t why_max)
{
    enum err e = check_address("listen", o->listen, why, why_max);
    if (e == ERR_NONE)
        e = check_address("agents-listen", o->agents_listen, why, why_max);
    if (e == ERR_NONE)
        e = read_deny(o, why, why_max);
    if (e == ERR_NONE)
        e = read_log(o, why, why_max);
    return e;
}

enum err master_options_load(struct master_options *o, int argc, char **argv,
                             const char *words[MASTER_WORDS_MAX], size_t *n_words, char *why,
                             size_t why_max)
{
    *o = (struct master_options){0};
    o->options = options_create(table, ARRAY_LEN(table), o);
    enum err e =
        options_load(o->options, argc, argv, words, MASTER_WORDS_MAX, n_words, why, why_max);
    if (e == ERR_NONE)
        e = read_all(o, why, why_max);
    if (e != ERR_NONE)
        options_destroy(&o->options);
    return e;
}

void master_options_fini(struct master_options *o)
{
    options_destroy(&o->options);
}

const char *master_options_data(const struct master_options *o)
{
    if (o->data != NULL)
        return o->data;
    return o->dev ? DEV_DIR : DATA_DIR;
}

void master_options_help(const struct master_options *o, FILE *to)
{
    options_help(o->options,
                 "sonde-master [serve] [options]\n"
                 "       sonde-master token add --data DIR --scope agent|read|submit|admin "
                 "[--name N]\n"
                 "       sonde-master token list --data DIR\n"
                 "       sonde-master token revoke ID --data DIR\n"
                 "       sonde-master check --data DIR\n"
                 "       sonde-master check-nginx FILE|-",
                 to);
}
