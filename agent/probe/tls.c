/* SPDX-License-Identifier: MIT */
#include "agent/probe/tls.h"

#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/probe/tls_pem.h"
#include "common/cidr.h"
#include "common/digest.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/utf8.h"

/* One file is read once; OpenSSL's own default is a directory that it searches at every handshake.
 */
#define SYSTEM_BUNDLE "/etc/ssl/certs/ca-certificates.crt"

#define NAME_MAX_BYTES  512 /* a subject or an issuer */
#define ALT_NAMES_MAX   64
#define ALT_NAME_BYTES  256
#define ALPN_BYTES      64 /* sanitised: a bad byte becomes three */
#define SIGNATURE_BYTES 80

/* The first and a few more, as for a server that asks for a client certificate late; each costs us
 * as much as it costs the server. */
#define HANDSHAKES_MAX 4

struct tls_store {
    X509_STORE *x509;
};

static pthread_once_t seen_once = PTHREAD_ONCE_INIT;
static int seen_index = -1; /* of the tls_seen in an SSL_CTX */

static void make_seen_index(void)
{
    seen_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    REQUIRE(seen_index >= 0);
}

/* TRUSTED_FIRST and PARTIAL_CHAIN as curl sets them: a cross-signed or an intermediate trust
 * anchor is enough. */
static bool set_flags(X509_STORE *x)
{
    return X509_STORE_set_flags(x, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN) == 1;
}

static bool load(X509_STORE *x, const char *ca_file)
{
    if (!ca_file && access(SYSTEM_BUNDLE, R_OK) == 0)
        ca_file = SYSTEM_BUNDLE;
    int ok = ca_file ? X509_STORE_load_file(x, ca_file) : X509_STORE_set_default_paths(x);
    return ok == 1 && set_flags(x);
}

struct tls_store *tls_store_create(const char *ca_file)
{
    PTOK(pthread_once(&seen_once, make_seen_index));
    X509_STORE *x = X509_STORE_new();
    if (!x || !load(x, ca_file)) {
        LOG(LOG_ERROR, "tls", "no_ca", LS("file", ca_file ? ca_file : "(system)"),
            LS("detail", "no certificate authorities could be read: install ca-certificates or "
                         "give --ca-file"));
        X509_STORE_free(x);
        return NULL;
    }
    struct tls_store *s = mem_zalloc(sizeof(*s));
    s->x509 = x;
    return s;
}

static bool add_certs(X509_STORE *x, STACK_OF(X509) * certs)
{
    for (int i = 0; i < sk_X509_num(certs); i++)
        if (X509_STORE_add_cert(x, sk_X509_value(certs, i)) != 1)
            return false;
    return true;
}

struct tls_store *tls_store_of_pem(const char *pem)
{
    STACK_OF(X509) *certs = tls_pem_certs(pem);
    X509_STORE *x = certs ? X509_STORE_new() : NULL;
    struct tls_store *s = NULL;
    PTOK(pthread_once(&seen_once, make_seen_index));
    if (x && set_flags(x) && add_certs(x, certs)) {
        s = mem_zalloc(sizeof(*s));
        s->x509 = x;
    } else {
        X509_STORE_free(x);
    }
    sk_X509_pop_free(certs, X509_free);
    return s;
}

void tls_store_destroy(struct tls_store **sp)
{
    struct tls_store *s = *sp;
    if (!s)
        return;
    X509_STORE_free(s->x509);
    free(s);
    *sp = NULL;
}

void tls_seen_reset(struct tls_seen *s)
{
    for (unsigned i = 0; i < s->n_chain; i++)
        X509_free(s->chain[i]);
    *s = (struct tls_seen){.verify = s->verify,
                           .store = s->store,
                           .identity = s->identity,
                           .received_max = s->received_max};
}

static X509 *leaf_of(const struct tls_seen *s)
{
    return s->n_chain > 0 ? s->chain[0] : NULL;
}

/* What the peer sent, and not the chain that was built from it: the latter ends at the first bad
 * certificate, and holds roots that are nobody's but ours. */
static void keep_chain(struct tls_seen *s, const X509_STORE_CTX *x)
{
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(x);
    int n = sk_X509_num(sent); /* −1 for NULL */
    if (s->n_chain > 0 || n <= 0)
        return;
    s->sent_chain = (unsigned)n;
    while (s->n_chain < s->sent_chain && s->n_chain < RESULT_CHAIN_MAX) {
        X509 *cert = sk_X509_value(sent, (int)s->n_chain);
        if (X509_up_ref(cert) != 1)
            return;
        s->chain[s->n_chain++] = cert;
    }
}

static char *name_text(const X509_NAME *name)
{
    char *data, *out = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    if (!bio)
        return NULL;
    if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0) {
        long n = BIO_get_mem_data(bio, &data);
        out = utf8_sanitized(data, (size_t)n, NAME_MAX_BYTES);
    }
    BIO_free(bio);
    return out;
}

/* OpenSSL's words, and where to look: whose certificate it is when it is not the leaf's, or which
 * authority is missing. */
static void keep_error(struct tls_seen *s, const X509_STORE_CTX *x)
{
    const X509 *cert = X509_STORE_CTX_get_current_cert(x);
    int depth = X509_STORE_CTX_get_error_depth(x);
    s->error = X509_STORE_CTX_get_error(x);
    bool no_issuer = s->error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
    bool named = cert && (depth > 0 || no_issuer);
    char *name =
        !named ? NULL
               : name_text(no_issuer ? X509_get_issuer_name(cert) : X509_get_subject_name(cert));
    char text[NAME_MAX_BYTES + TLS_ERROR_TEXT_MAX];
    snprintf(text, sizeof(text), "%s%s%s", X509_verify_cert_error_string(s->error),
             name ? ": " : "", name ? name : "");
    char *cut = utf8_sanitized(text, strlen(text), sizeof(s->error_text) - 1);
    snprintf(s->error_text, sizeof(s->error_text), "%s", cut);
    free(cut);
    free(name);
}

/* Called for every certificate of the chain; what it returns decides whether the handshake goes on.
 */
static int on_verify(int ok, X509_STORE_CTX *x)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx());
    REQUIRE(ssl != NULL);
    struct tls_seen *s = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), seen_index);
    REQUIRE(s != NULL);
    keep_chain(s, x);
    if (!ok && s->error == X509_V_OK)
        keep_error(s, x);
    return ok || !s->verify;
}

/* OpenSSL 3.0 has no words for its own newer ones. */
static const char *alert_text(int alert)
{
    switch (alert & 0xff) {
    case SSL_AD_CERTIFICATE_REQUIRED:
        return "certificate required";
    case SSL_AD_NO_APPLICATION_PROTOCOL:
        return "no application protocol";
    default:
        return SSL_alert_desc_string_long(alert);
    }
}

static void on_info(const SSL *ssl, int where, int alert)
{
    struct tls_seen *s = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), seen_index);
    REQUIRE(s != NULL);
    bool fatal = (where & SSL_CB_ALERT) && alert >> 8 == SSL3_AL_FATAL;
    if (fatal && (where & SSL_CB_READ))
        s->alert = alert_text(alert);
    s->no_version |= fatal && (alert & 0xff) == SSL_AD_PROTOCOL_VERSION;
    if ((where & SSL_CB_HANDSHAKE_START) && ++s->handshakes == HANDSHAKES_MAX)
        SSL_set_options((SSL *)ssl, SSL_OP_NO_RENEGOTIATION);
}

/*
 * libcurl 7.88 reads HTTP/2 for as long as there is something to read and none of it is an answer:
 * a flood of frames that say nothing keeps it from returning to our loop, past every time-out. So
 * the bound of the wire is held here, at each record.
 */
static void on_record(int sent, int version, int type, const void *bytes, size_t n, SSL *ssl,
                      void *arg)
{
    struct tls_seen *s = arg;
    const uint8_t *header = bytes;
    if (sent || type != SSL3_RT_HEADER || n != SSL3_RT_HEADER_LENGTH)
        return;
    s->received += SSL3_RT_HEADER_LENGTH + (header[3] << 8 | header[4]);
    if (s->received_max == 0 || s->received <= s->received_max)
        return;
    s->cut = true;
    SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
}

bool tls_watch(struct tls_seen *s, SSL_CTX *ctx)
{
    REQUIRE(s->store != NULL && s->n_chain == 0);
    if (SSL_CTX_set_ex_data(ctx, seen_index, s) != 1 ||
        SSL_CTX_set_tlsext_status_type(ctx, TLSEXT_STATUSTYPE_ocsp) != 1 ||
        SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
        return false;
    if (s->identity && !tls_identity_use(s->identity, ctx))
        return false;
    SSL_CTX_set_info_callback(ctx, on_info);
    SSL_CTX_set_msg_callback(ctx, on_record);
    SSL_CTX_set_msg_callback_arg(ctx, s);
    SSL_CTX_set1_cert_store(ctx, s->store->x509);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, on_verify);
    return true;
}

void tls_seen_session(struct tls_seen *s, SSL *ssl)
{
    const unsigned char *alpn, *staple;
    unsigned n;
    s->version = SSL_get_version(ssl);
    s->cipher = SSL_get_cipher_name(ssl);
    SSL_get0_alpn_selected(ssl, &alpn, &n);
    /* OpenSSL does not insist that it is one of those offered. */
    snprintf(s->alpn, sizeof(s->alpn), "%.*s", (int)n, n > 0 ? (const char *)alpn : "");
    s->staple = SSL_get_tlsext_status_ocsp_resp(ssl, &staple) > 0 ? STAPLE_SEEN : STAPLE_NONE;
}

void tls_seen_name(struct tls_seen *s, const char *host)
{
    struct ip ip;
    X509 *leaf = leaf_of(s);
    if (!leaf)
        return;
    int match = ip_parse(host, &ip) == ERR_NONE ? X509_check_ip_asc(leaf, host, 0)
                                                : X509_check_host(leaf, host, 0, 0, NULL);
    s->name_mismatch = match != 1;
}

static enum cause cause_of_verify(int error)
{
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return CAUSE_tls_expired;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return CAUSE_tls_not_yet_valid;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return CAUSE_tls_name_mismatch;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return CAUSE_tls_self_signed;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: /* by another who bears the authority's name */
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_CERT_REJECTED:
        return CAUSE_tls_untrusted;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
        return CAUSE_tls_weak;
    case X509_V_ERR_INVALID_PURPOSE:
        return CAUSE_tls_wrong_purpose;
    case X509_V_ERR_OUT_OF_MEM:
        return CAUSE_agent_memory;
    default:
        return CAUSE_tls_bad_chain;
    }
}

enum cause tls_cause(const struct tls_seen *s)
{
    if (s->no_version)
        return CAUSE_tls_version;
    if (!s->verify)
        return CAUSE_tls_handshake; /* whatever the certificate was: it did not end the handshake */
    if (s->error != X509_V_OK)
        return cause_of_verify(s->error);
    return s->name_mismatch ? CAUSE_tls_name_mismatch : CAUSE_tls_handshake;
}

const char *tls_verify_text(const struct tls_seen *s)
{
    if (s->error != X509_V_OK)
        return s->error_text;
    return s->name_mismatch ? "the certificate is for another name" : NULL;
}

static struct wall wall_of(const ASN1_TIME *t)
{
    struct tm tm;
    if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
        return (struct wall){0};
    return (struct wall){(int64_t)timegm(&tm) * 1000000};
}

static char *alt_name_text(const GENERAL_NAME *g)
{
    char text[IP_TEXT_MAX];
    struct ip ip = {0};
    if (g->type == GEN_DNS)
        return utf8_sanitized((const char *)ASN1_STRING_get0_data(g->d.dNSName),
                              (size_t)ASN1_STRING_length(g->d.dNSName), ALT_NAME_BYTES);
    if (g->type != GEN_IPADD)
        return NULL;
    int n = ASN1_STRING_length(g->d.iPAddress);
    if (n != 4 && n != 16)
        return NULL;
    ip.family = n == 4 ? AF_INET : AF_INET6;
    memcpy(ip.bytes, ASN1_STRING_get0_data(g->d.iPAddress), (size_t)n);
    return mem_strdup(ip_format(&ip, text));
}

static void read_alt_names(struct result_tls *t, const X509 *leaf)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    int n = sk_GENERAL_NAME_num(names); /* −1 for NULL */
    if (n > 0)
        t->alt_names = mem_array(ALT_NAMES_MAX, sizeof(*t->alt_names));
    for (int i = 0; i < n && t->n_alt_names < ALT_NAMES_MAX; i++) {
        char *text = alt_name_text(sk_GENERAL_NAME_value(names, i));
        if (text)
            t->alt_names[t->n_alt_names++] = text;
    }
    GENERAL_NAMES_free(names);
}

static char *fingerprint(const X509 *leaf)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    char hex[SHA256_HEX_MAX];
    if (X509_digest(leaf, EVP_sha256(), digest, &n) != 1 || n != SHA256_BYTES)
        return NULL;
    hex_encode(digest, n, hex);
    return mem_strdup(hex);
}

/* A key of a kind that OpenSSL cannot read has neither type nor size here. */
static void read_key(struct result_tls *t, const X509 *leaf)
{
    const EVP_PKEY *key = X509_get0_pubkey(leaf);
    if (!key)
        return;
    t->key_type = mem_strdup(EVP_PKEY_get0_type_name(key));
    t->key_bits = EVP_PKEY_get_bits(key);
}

/* OpenSSL's long name, or the dotted number of an algorithm that it does not know. */
static char *signature_of(const X509 *leaf)
{
    char text[SIGNATURE_BYTES];
    const ASN1_OBJECT *algorithm;
    X509_ALGOR_get0(&algorithm, NULL, NULL, X509_get0_tbs_sigalg(leaf));
    int n = OBJ_obj2txt(text, sizeof(text), algorithm, 0);
    return n > 0 ? mem_strdup(text) : NULL;
}

static struct result_cert read_cert(const X509 *x)
{
    return (struct result_cert){
        .subject = name_text(X509_get_subject_name(x)),
        .issuer = name_text(X509_get_issuer_name(x)),
        .not_before = wall_of(X509_get0_notBefore(x)),
        .not_after = wall_of(X509_get0_notAfter(x)),
    };
}

static void read_chain(struct result_tls *t, const struct tls_seen *s)
{
    t->sent_chain = s->sent_chain;
    t->chain = mem_array(s->n_chain, sizeof(*t->chain));
    for (; t->n_chain < s->n_chain; t->n_chain++)
        t->chain[t->n_chain] = read_cert(s->chain[t->n_chain]);
}

static void read_leaf(struct result_tls *t, const X509 *leaf)
{
    const struct result_cert *first = &t->chain[0];
    REQUIRE(t->n_chain > 0);
    t->subject = mem_strdup(first->subject);
    t->issuer = mem_strdup(first->issuer);
    t->not_before = first->not_before;
    t->not_after = first->not_after;
    t->fingerprint_sha256 = fingerprint(leaf);
    t->signature = signature_of(leaf);
    read_key(t, leaf);
    read_alt_names(t, leaf);
}

struct wall tls_not_after(const struct tls_seen *s)
{
    return s->n_chain > 0 ? wall_of(X509_get0_notAfter(s->chain[0])) : (struct wall){0};
}

struct result_tls *tls_facts(const struct tls_seen *s)
{
    const X509 *leaf = leaf_of(s);
    if (!leaf && !s->version)
        return NULL;
    struct result_tls *t = mem_zalloc(sizeof(*t));
    const char *wrong = tls_verify_text(s);
    t->version = mem_strdup(s->version);
    t->cipher = mem_strdup(s->cipher);
    t->verified = leaf && !wrong;
    t->verify_error = mem_strdup(wrong);
    t->alpn = s->alpn[0] ? utf8_sanitized(s->alpn, strlen(s->alpn), ALPN_BYTES) : NULL;
    t->staple = s->staple;
    if (leaf) {
        read_chain(t, s);
        read_leaf(t, leaf);
    }
    return t;
}
