/* SPDX-License-Identifier: MIT */
#include "common/digest.h"

#include <string.h>

#include "tests/support/check_main.h"

#define SHA_ABC   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SHA_EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void check_hex(const uint8_t digest[SHA256_BYTES], const char *want)
{
    char hex[SHA256_HEX_MAX];
    hex_encode(digest, SHA256_BYTES, hex);
    ck_assert_str_eq(hex, want);
}

START_TEST(test_sha256_of_abc)
{
    uint8_t out[SHA256_BYTES];
    sha256("abc", 3, out);
    check_hex(out, SHA_ABC);
}
END_TEST

START_TEST(test_sha256_of_nothing)
{
    uint8_t out[SHA256_BYTES];
    sha256("", 0, out);
    check_hex(out, SHA_EMPTY);
}
END_TEST

START_TEST(test_sha256_in_pieces_is_the_same_and_nulls)
{
    uint8_t out[SHA256_BYTES];
    struct sha256 *s = sha256_create();
    sha256_update(s, "a", 1);
    sha256_update(s, "", 0);
    sha256_update(s, "bc", 2);
    sha256_final(&s, out);
    check_hex(out, SHA_ABC);
    ck_assert_ptr_null(s);
}
END_TEST

static void check_hmac(const void *key, size_t key_len, const void *text, size_t n,
                       const char *want)
{
    uint8_t out[SHA256_BYTES];
    struct hmac *h = hmac_create(key, key_len);
    hmac_sum(h, text, n, out);
    check_hex(out, want);
    hmac_destroy(&h);
    ck_assert_ptr_null(h);
}

START_TEST(test_hmac_matches_rfc4231_case_1)
{
    uint8_t key[20];
    memset(key, 0x0b, sizeof(key));
    check_hmac(key, sizeof(key), "Hi There", 8,
               "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
}
END_TEST

START_TEST(test_hmac_matches_rfc4231_case_2)
{
    check_hmac("Jefe", 4, "what do ya want for nothing?", 28,
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}
END_TEST

START_TEST(test_hmac_matches_rfc4231_case_6_with_a_key_over_a_block)
{
    static const char text[] = "Test Using Larger Than Block-Size Key - Hash Key First";
    uint8_t key[131];
    memset(key, 0xaa, sizeof(key));
    check_hmac(key, sizeof(key), text, sizeof(text) - 1,
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}
END_TEST

START_TEST(test_hmac_state_serves_many_messages)
{
    uint8_t first[SHA256_BYTES], other[SHA256_BYTES], again[SHA256_BYTES];
    struct hmac *h = hmac_create("key", 3);
    hmac_sum(h, "one", 3, first);
    hmac_sum(h, "two", 3, other);
    hmac_sum(h, "one", 3, again);
    ck_assert_mem_eq(first, again, SHA256_BYTES);
    ck_assert_mem_ne(first, other, SHA256_BYTES);
    hmac_destroy(&h);
}
END_TEST

START_TEST(test_hmac_destroy_accepts_null)
{
    struct hmac *none = NULL;
    hmac_destroy(&none);
}
END_TEST

START_TEST(test_hex_round_trip_of_all_bytes)
{
    uint8_t in[256], out[256];
    char hex[513];
    for (int i = 0; i < 256; i++)
        in[i] = (uint8_t)i;
    hex_encode(in, sizeof(in), hex);
    ck_assert(hex_decode(hex, 512, out));
    ck_assert_mem_eq(in, out, sizeof(in));
}
END_TEST

START_TEST(test_hex_decodes_upper_case)
{
    uint8_t out[2];
    ck_assert(hex_decode("ABcd", 4, out));
    ck_assert_mem_eq(out, "\xab\xcd", 2);
}
END_TEST

START_TEST(test_hex_refuses_odd_length_and_strangers)
{
    uint8_t out[4];
    ck_assert(!hex_decode("abc", 3, out));
    ck_assert(!hex_decode("0g", 2, out));
    ck_assert(!hex_decode("g0", 2, out));
    ck_assert(!hex_decode("0x10", 4, out));
    ck_assert(!hex_decode(" 1", 2, out));
}
END_TEST

START_TEST(test_bytes_equal_sees_every_byte)
{
    ck_assert(bytes_equal("abc", "abc", 3));
    ck_assert(!bytes_equal("abc", "xbc", 3));
    ck_assert(!bytes_equal("abc", "abx", 3));
    ck_assert(bytes_equal("a", "b", 0));
}
END_TEST

/* Each length, and each bit of each byte of it. */
START_TEST(test_hash64_long_sees_every_bit)
{
    uint64_t seen[40 * 8 + 41];
    size_t n = 0;
    for (size_t len = 0; len <= 40; len++) {
        char text[40] = {0};
        seen[n++] = hash64_long(text, len);
    }
    for (size_t bit = 0; bit < sizeof(uint8_t) * 40 * 8; bit++) {
        char text[40] = {0};
        text[bit / 8] = (char)(1 << bit % 8);
        seen[n++] = hash64_long(text, 40);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++)
            ck_assert_uint_ne(seen[i], seen[k]);
}
END_TEST

START_TEST(test_hash64_is_fnv1a)
{
    ck_assert_uint_eq(hash64("", 0), 0xcbf29ce484222325U);
    ck_assert_uint_eq(hash64("a", 1), 0xaf63dc4c8601ec8cU);
    ck_assert_uint_eq(hash64("foobar", 6), 0x85944171f73967e8U);
}
END_TEST

TESTS(sha, test_sha256_of_abc, test_sha256_of_nothing, test_sha256_in_pieces_is_the_same_and_nulls)
TESTS(hmacs, test_hmac_matches_rfc4231_case_1, test_hmac_matches_rfc4231_case_2,
      test_hmac_matches_rfc4231_case_6_with_a_key_over_a_block,
      test_hmac_state_serves_many_messages, test_hmac_destroy_accepts_null)
TESTS(bytes, test_hex_round_trip_of_all_bytes, test_hex_decodes_upper_case,
      test_hex_refuses_odd_length_and_strangers, test_bytes_equal_sees_every_byte,
      test_hash64_is_fnv1a, test_hash64_long_sees_every_bit)
CHECK_MAIN("digest", sha, hmacs, bytes)
