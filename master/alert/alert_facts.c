/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/human.h"
#include "common/require.h"
#include "common/utf8.h"
#include "master/alert/alert_impl.h"

/*
 * The facts of a message: made once, when it happens, and kept with each delivery. What a message
 * says in words is made here too, so that every service tells the same.
 */
#define TITLE_MAX 400
#define TEXT_MAX  1000

static const char *event_word(const struct alert_facts *f)
{
    if (f->test)
        return "test";
    return f->incident != NULL ? incident_action_word(f->action) : "certificate";
}

static const char *or_none(const char *s)
{
    return s != NULL ? s : "";
}

/* Whom it is about: a host, an agent, or the fleet. */
static const char *subject(const struct incident *i)
{
    if (i->kind == INCIDENT_FLEET)
        return "the fleet";
    return i->kind == INCIDENT_AGENT ? i->agent : i->host;
}

static void incident_title(const struct alert_facts *f, char out[TITLE_MAX])
{
    const struct incident *i = f->incident;
    const char *cause = i->n_causes ? cause_word(i->causes[0]) : NULL;
    char lasted[HUMAN_MAX];
    switch (f->action) {
    case INCIDENT_DID_RESOLVE:
        snprintf(out, TITLE_MAX, "UP again: %s, after %s", subject(i),
                 human_duration((i->ended_at.us - i->since.us) / 1000000, lasted));
        break;
    case INCIDENT_DID_WITHDRAW:
        snprintf(out, TITLE_MAX, "Withdrawn: %s was not down by itself", subject(i));
        break;
    case INCIDENT_SYSTEM_EVENT:
        snprintf(out, TITLE_MAX,
                 i->kind == INCIDENT_AGENT ? "Agent %s sees most of its targets down, and alone"
                                           : "Most targets are down at once: look at %s first",
                 subject(i));
        break;
    case INCIDENT_DID_ACK:
        snprintf(out, TITLE_MAX, "Acknowledged by %s: %s", i->acked_by, subject(i));
        break;
    case INCIDENT_DID_GROW:
        snprintf(out, TITLE_MAX, "DOWN, and growing: %s, %u checks", subject(i), i->checks);
        break;
    default:
        snprintf(out, TITLE_MAX, "DOWN: %s%s%s", subject(i), cause ? ", " : "", or_none(cause));
    }
}

static void certificate_title(const struct alert_facts *f, char out[TITLE_MAX])
{
    if (f->days_left < 0)
        snprintf(out, TITLE_MAX, "Certificate of %.300s has ended", or_none(f->target));
    else
        snprintf(out, TITLE_MAX, "Certificate of %.300s ends in %d day%s", or_none(f->target),
                 f->days_left, f->days_left == 1 ? "" : "s");
}

static void title(const struct alert_facts *f, char out[TITLE_MAX])
{
    if (f->test)
        snprintf(out, TITLE_MAX, "Test from Sonde: this channel works");
    else if (f->incident != NULL)
        incident_title(f, out);
    else
        certificate_title(f, out);
}

static void text(const struct alert_facts *f, char out[TEXT_MAX])
{
    const struct incident *i = f->incident;
    char since[WALL_TEXT_MAX];
    if (f->text != NULL) {
        snprintf(out, TEXT_MAX, "%s", f->text);
    } else if (f->test) {
        snprintf(out, TEXT_MAX,
                 "Nothing is wrong. Somebody wanted to see whether messages arrive.");
    } else if (i == NULL) {
        snprintf(out, TEXT_MAX, "It ends at %s. Schedule %s.", wall_format(f->not_after, since),
                 or_none(f->schedule));
    } else {
        const char *why = i->n_causes ? cause_text(i->causes[0]) : NULL;
        snprintf(out, TEXT_MAX,
                 "%s%s%u of %u checks are not up, since %s. First: %s%s%s. Schedule %s. Incident "
                 "%llu.%s",
                 or_none(why), why ? " " : "", i->not_up, i->checks, wall_format(i->since, since),
                 or_none(f->target), i->first.agent[0] ? " by " : "", i->first.agent,
                 or_none(f->schedule), (unsigned long long)i->id,
                 i->muted ? " Muted by maintenance." : "");
    }
}

/* What was cut may end in the middle of a character. */
static void trim(char *text)
{
    size_t n = strlen(text);
    while (n > 0 && !utf8_valid(text, n))
        text[--n] = '\0';
}

static void put_time(struct json_out *w, const char *key, struct wall t)
{
    char at[WALL_TEXT_MAX];
    json_str(w, key, t.us ? wall_format(t, at) : NULL);
}

static void put_incident(struct json_out *w, const struct incident *i)
{
    static const char *const kinds[] = {"target", "fleet", "agent"};
    json_key(w, "incident");
    json_obj_begin(w);
    json_id(w, "id", i->id);
    json_str(w, "kind", kinds[i->kind]);
    json_str(w, "state", incident_state_word(i->state));
    json_str(w, "host", i->host);
    json_key(w, "causes");
    json_arr_begin(w);
    for (unsigned n = 0; n < i->n_causes; n++)
        json_put_str(w, cause_word(i->causes[n]));
    json_arr_end(w);
    put_time(w, "since", i->since);
    put_time(w, "confirmed_at", i->confirmed_at);
    put_time(w, "ended_at", i->ended_at);
    json_u64(w, "checks", i->checks);
    json_u64(w, "not_up", i->not_up);
    json_bool(w, "muted", i->muted);
    json_str(w, "agent", i->agent);
    json_str(w, "acked_by", i->acked_by);
    json_str(w, "first_agent", i->first.agent);
    json_id(w, "first_task", i->first.result);
    json_obj_end(w);
}

void alert_facts_put(const struct alert_facts *f, struct strbuf *out)
{
    struct json_out w;
    char line[TITLE_MAX], words[TEXT_MAX];
    title(f, line);
    text(f, words);
    trim(line);
    trim(words);
    json_out_init(&w, out);
    json_obj_begin(&w);
    json_str(&w, "event", event_word(f));
    json_str(&w, "title", line);
    json_str(&w, "text", words);
    json_str(&w, "schedule", or_none(f->schedule));
    json_str(&w, "target", or_none(f->target));
    if (f->incident != NULL)
        put_incident(&w, f->incident);
    if (f->incident == NULL && !f->test) {
        json_int(&w, "days_left", f->days_left);
        put_time(&w, "not_after", f->not_after);
    }
    json_obj_end(&w);
}

/* ---- by name */

static const char *const at_top[] = {"event",  "title",     "text",     "schedule",
                                     "target", "days_left", "not_after"};
static const char *const of_incident[] = {"state",    "host",     "since",      "confirmed_at",
                                          "ended_at", "checks",   "not_up",     "muted",
                                          "agent",    "acked_by", "first_agent"};
/* "id" and "cause" of the incident, and what the delivery is deduplicated by. */
static const char *const special[] = {"incident", "cause", "dedup"};

static bool listed(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

bool alert_fact_known(const char *name)
{
    return listed(name, at_top, ARRAY_LEN(at_top)) ||
           listed(name, of_incident, ARRAY_LEN(of_incident)) ||
           listed(name, special, ARRAY_LEN(special));
}

static void write_value(const struct json_node *n, char out[ALERT_FACT_MAX])
{
    out[0] = '\0';
    if (n == NULL)
        return;
    if (json_type(n) == JSON_STRING) {
        snprintf(out, ALERT_FACT_MAX, "%s", json_node_str(n));
        trim(out);
    }
    if (json_type(n) == JSON_NUMBER)
        snprintf(out, ALERT_FACT_MAX, "%.0f", json_node_num(n));
    else if (json_type(n) == JSON_BOOL)
        snprintf(out, ALERT_FACT_MAX, "%s", json_node_bool(n) ? "true" : "false");
}

bool alert_fact(const struct json_node *facts, const char *name, const char *dedup,
                char out[ALERT_FACT_MAX])
{
    const struct json_node *incident = alert_member(facts, "incident");
    if (!alert_fact_known(name))
        return false;
    if (strcmp(name, "dedup") == 0) {
        snprintf(out, ALERT_FACT_MAX, "%s", dedup);
    } else if (strcmp(name, "incident") == 0) {
        write_value(alert_member(incident, "id"), out);
    } else if (strcmp(name, "cause") == 0) {
        const struct json_node *causes = alert_member(incident, "causes");
        write_value(causes != NULL ? json_first(causes) : NULL, out);
    } else {
        bool top = listed(name, at_top, ARRAY_LEN(at_top));
        write_value(alert_member(top ? facts : incident, name), out);
    }
    return true;
}
