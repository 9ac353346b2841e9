/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* digest - SHA-256 and HMAC (FIPS 180-4, RFC 2104) over OpenSSL, hex, base64, and a fast keyless
 * hash for tables. */

#define SHA256_BYTES   32
#define SHA256_HEX_MAX 65

struct sha256;
struct sha256 *sha256_create(void);
void sha256_update(struct sha256 *s, const void *p, size_t n);
void sha256_final(struct sha256 **sp, uint8_t out[SHA256_BYTES]); /* frees and nulls */
void sha256(const void *p, size_t n, uint8_t out[SHA256_BYTES]);

/* A keyed state made once and used for many messages, each about 0.5 µs. Owned by one thread. */
struct hmac;
struct hmac *hmac_create(const void *key, size_t n);
void hmac_destroy(struct hmac **hp);
void hmac_sum(struct hmac *h, const void *p, size_t n, uint8_t out[SHA256_BYTES]);

void hex_encode(const uint8_t *p, size_t n, char *out); /* writes 2n + 1 bytes, lower case */
bool hex_decode(const char *text, size_t len,
                uint8_t *out); /* len must be even; out has len/2 bytes */

/* Constant time in n. */
bool bytes_equal(const void *a, const void *b, size_t n);

/* FNV-1a 64, for hash tables whose keys are bounded; never for secrets. */
uint64_t hash64(const void *p, size_t n);
/* The same for longer keys, eight bytes at a time: only within one process, for its value is that
 * of the machine's byte order. Texts of one length that differ in one word have different ones. */
uint64_t hash64_long(const void *p, size_t n);
