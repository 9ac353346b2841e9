/* SPDX-License-Identifier: MIT */
#include "common/digest.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/require.h"

struct sha256 {
    EVP_MD_CTX *ctx;
};

/* Fetched once, for as long as the process lives: with EVP_sha256() OpenSSL looks for its provider
 * again, under locks, for each digest. */
static EVP_MD *fetched_sha256;

static void fetch_sha256(void)
{
    fetched_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    REQUIRE(fetched_sha256 != NULL);
}

static const EVP_MD *sha256_md(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    PTOK(pthread_once(&once, fetch_sha256));
    return fetched_sha256;
}

struct sha256 *sha256_create(void)
{
    struct sha256 *s = mem_alloc(sizeof(*s));
    s->ctx = EVP_MD_CTX_new();
    REQUIRE(s->ctx != NULL);
    REQUIRE(EVP_DigestInit_ex(s->ctx, sha256_md(), NULL) == 1);
    return s;
}

void sha256_update(struct sha256 *s, const void *p, size_t n)
{
    REQUIRE(EVP_DigestUpdate(s->ctx, p, n) == 1);
}

void sha256_final(struct sha256 **sp, uint8_t out[SHA256_BYTES])
{
    struct sha256 *s = *sp;
    REQUIRE(s != NULL);
    *sp = NULL;
    REQUIRE(EVP_DigestFinal_ex(s->ctx, out, NULL) == 1);
    EVP_MD_CTX_free(s->ctx);
    free(s);
}

void sha256(const void *p, size_t n, uint8_t out[SHA256_BYTES])
{
    REQUIRE(EVP_Digest(p, n, out, NULL, sha256_md(), NULL) == 1);
}

struct hmac {
    EVP_MAC_CTX *ctx;
};

struct hmac *hmac_create(const void *key, size_t n)
{
    REQUIRE(key != NULL);
    struct hmac *h = mem_alloc(sizeof(*h));
    EVP_MAC *mac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    REQUIRE(mac != NULL);
    h->ctx = EVP_MAC_CTX_new(mac);
    REQUIRE(h->ctx != NULL);
    EVP_MAC_free(mac);
    char name[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    REQUIRE(EVP_MAC_init(h->ctx, key, n, params) == 1);
    return h;
}

void hmac_destroy(struct hmac **hp)
{
    struct hmac *h = *hp;
    if (!h)
        return;
    *hp = NULL;
    EVP_MAC_CTX_free(h->ctx);
    free(h);
}

/* An init without a key goes back to the state after the keyed one, and saves hashing the two pads
 * again. */
void hmac_sum(struct hmac *h, const void *p, size_t n, uint8_t out[SHA256_BYTES])
{
    size_t len = 0;
    REQUIRE(EVP_MAC_init(h->ctx, NULL, 0, NULL) == 1);
    REQUIRE(EVP_MAC_update(h->ctx, p, n) == 1);
    REQUIRE(EVP_MAC_final(h->ctx, out, &len, SHA256_BYTES) == 1);
    REQUIRE(len == SHA256_BYTES);
}

void hex_encode(const uint8_t *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        *out++ = digits[p[i] >> 4];
        *out++ = digits[p[i] & 15];
    }
    *out = '\0';
}

/* −1: not a digit. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool hex_decode(const char *text, size_t len, uint8_t *out)
{
    if (len % 2 != 0)
        return false;
    for (size_t i = 0; i < len; i += 2) {
        int high = hex_value(text[i]), low = hex_value(text[i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool bytes_equal(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

uint64_t hash64(const void *p, size_t n)
{
    const uint8_t *at = p;
    uint64_t h = 0xcbf29ce484222325U;
    for (size_t i = 0; i < n; i++)
        h = (h ^ at[i]) * 0x100000001b3U;
    return h;
}

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 32;
}

uint64_t hash64_long(const void *p, size_t n)
{
    const uint8_t *at = p;
    uint64_t h = n, word;
    for (; n >= sizeof(word); n -= sizeof(word), at += sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        h = mix(h, word);
    }
    word = 0;
    for (size_t i = 0; i < n; i++)
        word = word << 8 | at[i];
    return mix(h, word);
}
