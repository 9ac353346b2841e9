/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "proto/target_parts.h"

/* "sni", "ca" and "client_cert". Only the frame of PEM is looked at here: whether there are
 * certificates in it is for the agent to say. No problem quotes PEM: any of it may be the key. */
#define PEM_BEGIN  "-----BEGIN "
#define PEM_END    "-----END "
#define PEM_DASHES "-----"
#define BASE64     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \t\r\n"
#define WANTED     "'client_cert' must be {\"cert\":\"PEM\",\"key\":\"PEM\"}"

struct pem_block {
    const char *label;
    size_t label_len;
};

static bool starts(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

/* The next block of *s, which moves behind it; false at the end, and then *s is NULL when what
 * begins there is cut or holds anything but base64. Text between blocks is nobody's business. */
static bool next_block(const char **s, struct pem_block *b)
{
    const char *at = strstr(*s, PEM_BEGIN);
    if (at == NULL)
        return false;
    *s = NULL;
    b->label = at + strlen(PEM_BEGIN);
    b->label_len = strcspn(b->label, "-\r\n");
    at = b->label + b->label_len;
    if (!starts(at, PEM_DASHES))
        return false;
    at += strlen(PEM_DASHES);
    at += strspn(at, BASE64);
    if (!starts(at, PEM_END))
        return false;
    at += strlen(PEM_END);
    if (strncmp(at, b->label, b->label_len) != 0 || !starts(at + b->label_len, PEM_DASHES))
        return false;
    *s = at + b->label_len + strlen(PEM_DASHES);
    return true;
}

static bool labelled(const struct pem_block *b, const char *label)
{
    return b->label_len == strlen(label) && memcmp(b->label, label, b->label_len) == 0;
}

static bool is_certs(const char *pem)
{
    struct pem_block b;
    unsigned n = 0;
    for (; next_block(&pem, &b); n++)
        if (!labelled(&b, "CERTIFICATE"))
            return false;
    return pem != NULL && n > 0;
}

/* One key; tools write the parameters of its curve before it. */
static bool is_key(const char *pem)
{
    static const char *const labels[] = {"PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"};
    struct pem_block b;
    unsigned keys = 0;
    while (next_block(&pem, &b)) {
        bool known = labelled(&b, "EC PARAMETERS");
        for (size_t i = 0; i < ARRAY_LEN(labels); i++)
            if (labelled(&b, labels[i])) {
                known = true;
                keys++;
            }
        if (!known)
            return false;
    }
    return pem != NULL && keys == 1;
}

static void replace(char **slot, const char *s)
{
    free(*slot);
    *slot = mem_strdup(s);
}

static void free_secret(char **slot)
{
    if (*slot != NULL)
        mem_free_secret(*slot, strlen(*slot));
    *slot = NULL;
}

static void read_sni(struct json_cur *c, struct target_tls *t)
{
    struct target_problem p;
    const char *text = json_get_str(c, "sni", URI_MAX, NULL);
    if (text == NULL)
        return;
    char *name = target_host_name(text, strlen(text), &p);
    if (name == NULL) {
        json_cur_fail(c, "'sni' must be the name of a host: %s", p.detail);
        return;
    }
    free(t->sni);
    t->sni = name;
}

static void read_ca(struct json_cur *c, struct target_tls *t)
{
    const char *pem = json_get_str(c, "ca", CA_PEM_MAX, NULL);
    if (pem == NULL)
        return;
    if (is_certs(pem))
        replace(&t->ca, pem);
    else
        json_cur_fail(c, "'ca' must be certificates in PEM: " PEM_BEGIN "CERTIFICATE" PEM_DASHES
                         " and so on, and nothing else in this form");
}

static const struct json_node *text_of(const struct json_node *obj, const char *name)
{
    for (const struct json_node *m = json_first(obj); m != NULL; m = json_next(m))
        if (strcmp(json_node_key(m), name) == 0 && json_type(m) == JSON_STRING)
            return m;
    return NULL;
}

static void read_client_cert(struct json_cur *c, struct target_tls *t)
{
    const struct json_node *n = json_get(c, "client_cert");
    if (n == NULL || json_type(n) == JSON_NULL)
        return;
    bool two = json_type(n) == JSON_OBJECT && json_count(n) == 2;
    const struct json_node *cert = two ? text_of(n, "cert") : NULL;
    const struct json_node *key = two ? text_of(n, "key") : NULL;
    if (cert == NULL || key == NULL) {
        json_cur_fail(c, WANTED);
        return;
    }
    const char *cert_pem = json_node_str(cert), *key_pem = json_node_str(key);
    if (strlen(cert_pem) > CERT_PEM_MAX || !is_certs(cert_pem)) {
        json_cur_fail(c,
                      "'cert' in 'client_cert' must be certificates in PEM, your own first, of at "
                      "most %d bytes",
                      CERT_PEM_MAX);
    } else if (strlen(key_pem) > KEY_PEM_MAX || !is_key(key_pem)) {
        json_cur_fail(c,
                      "'key' in 'client_cert' must be one private key in PEM, without a "
                      "passphrase, of at most %d bytes",
                      KEY_PEM_MAX);
    } else {
        replace(&t->cert, cert_pem);
        free_secret(&t->key);
        t->key = mem_strdup(key_pem);
    }
}

void target_tls_read(struct json_cur *c, struct target_tls *t)
{
    REQUIRE((t->cert == NULL) == (t->key == NULL));
    read_sni(c, t);
    read_ca(c, t);
    read_client_cert(c, t);
}

void target_tls_put(struct json_out *w, const struct target_tls *t)
{
    REQUIRE((t->cert == NULL) == (t->key == NULL));
    if (t->sni != NULL)
        json_str(w, "sni", t->sni);
    if (t->ca != NULL)
        json_str(w, "ca", t->ca);
    if (t->cert == NULL)
        return;
    json_key(w, "client_cert");
    json_obj_begin(w);
    json_str(w, "cert", t->cert);
    json_str(w, "key", t->key);
    json_obj_end(w);
}

void target_tls_copy(struct target_tls *to, const struct target_tls *from)
{
    *to = (struct target_tls){mem_strdup(from->sni), mem_strdup(from->ca), mem_strdup(from->cert),
                              mem_strdup(from->key)};
}

void target_tls_free(struct target_tls *t)
{
    free(t->sni);
    free(t->ca);
    free(t->cert);
    free_secret(&t->key);
    *t = (struct target_tls){0};
}
