/* SPDX-License-Identifier: MIT */
#include "master/alert/transfer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/require.h"

#define TIMEOUT_MS_DEFAULT 10000

static size_t take_answer(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    size_t bytes = size * n, room = sizeof(t->answer) - t->answer_len;
    size_t kept = bytes < room ? bytes : room;
    memcpy(t->answer + t->answer_len, p, kept);
    t->answer_len += kept;
    return bytes; /* the rest is read and left out */
}

static size_t give_mail(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    size_t room = size * n, left = t->message.body.len - t->sent;
    size_t give = left < room ? left : room;
    memcpy(p, t->message.body.data + t->sent, give);
    t->sent += give;
    return give;
}

static long timeout_ms(const struct alert_channel *c)
{
    const struct json_node *n = alert_field(c, "timeout_ms");
    return n != NULL ? (long)json_node_num(n) : TIMEOUT_MS_DEFAULT;
}

static bool verifies(const struct alert_channel *c)
{
    const struct json_node *n = alert_field(c, "tls_verify");
    return n == NULL || json_node_bool(n);
}

static void set_tls(struct transfer *t, const struct alert_channel *c)
{
    const char *ca = alert_text(c, "ca");
    curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, verifies(c) ? 1L : 0L);
    curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, verifies(c) ? 2L : 0L);
    if (ca == NULL)
        return;
    struct curl_blob blob = {(void *)(uintptr_t)ca, strlen(ca), CURL_BLOB_COPY};
    curl_easy_setopt(t->easy, CURLOPT_CAINFO_BLOB, &blob);
}

static void set_http(struct transfer *t)
{
    for (unsigned i = 0; i < t->message.n_headers; i++)
        t->headers = curl_slist_append(t->headers, t->message.headers[i]);
    t->headers = curl_slist_append(t->headers, "Expect:");
    curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(t->easy, CURLOPT_USERAGENT, "sonde/" SONDE_VERSION);
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->message.body.len);
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, t->message.body.data);
}

static void set_mail(struct transfer *t, const struct alert_channel *c)
{
    const char *user = alert_text(c, "user"), *password = alert_text(c, "password");
    for (unsigned i = 0; i < t->message.n_to; i++)
        t->to = curl_slist_append(t->to, t->message.to[i]);
    curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(t->easy, CURLOPT_MAIL_FROM, t->message.from);
    curl_easy_setopt(t->easy, CURLOPT_MAIL_RCPT, t->to);
    curl_easy_setopt(t->easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(t->easy, CURLOPT_READFUNCTION, give_mail);
    curl_easy_setopt(t->easy, CURLOPT_READDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_USE_SSL, (long)(password ? CURLUSESSL_ALL : CURLUSESSL_TRY));
    if (user != NULL)
        curl_easy_setopt(t->easy, CURLOPT_USERNAME, user);
    if (password != NULL)
        curl_easy_setopt(t->easy, CURLOPT_PASSWORD, password);
}

enum err transfer_init(struct transfer *t, const struct alert_channel *c, struct alert_message *m,
                       void *arg)
{
    *t = (struct transfer){.message = *m};
    *m = (struct alert_message){.url = NULL};
    t->easy = curl_easy_init();
    if (t->easy == NULL) {
        transfer_fini(t);
        return ERR_SYSTEM;
    }
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, arg);
    curl_easy_setopt(t->easy, CURLOPT_URL, t->message.url);
    curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t->easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(t->easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, timeout_ms(c));
    curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    set_tls(t, c);
    if (c->kind == ALERT_email)
        set_mail(t, c);
    else
        set_http(t);
    return ERR_NONE;
}

void transfer_fini(struct transfer *t)
{
    if (t->easy != NULL)
        curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->to);
    alert_message_fini(&t->message);
    *t = (struct transfer){.easy = NULL};
}

/* Curl's own words may name the address, which is a secret of some: those keep to its table. */
static const char *words(const struct transfer *t, const struct alert_channel *c, CURLcode code)
{
    bool open = c->kind == ALERT_webhook || c->kind == ALERT_alertmanager || c->kind == ALERT_email;
    return open && t->error[0] != '\0' ? t->error : curl_easy_strerror(code);
}

bool transfer_done(struct transfer *t, const struct alert_channel *c, CURLcode code, int *status,
                   char why[ALERT_WHY_MAX])
{
    long answered = 0;
    why[0] = '\0';
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &answered);
    *status = (int)answered;
    if (code != CURLE_OK) {
        alert_say(why, "", words(t, c, code));
        return false;
    }
    return alert_accepted(c, answered, t->answer, t->answer_len, why);
}
