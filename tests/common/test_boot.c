/* SPDX-License-Identifier: MIT */
#include "common/boot.h"
#include "tests/support/check_main.h"
#include <string.h>

START_TEST(test_time_goes_on_under_one_id)
{
    struct boot a, b;
    boot_read(&a);
    boot_read(&b);
    ck_assert_uint_eq(strlen(a.id), 36);
    ck_assert_str_eq(a.id, b.id);
    ck_assert_int_ge(b.us, a.us);
    ck_assert_int_gt(a.us, 0);
}
END_TEST

TESTS(boot, test_time_goes_on_under_one_id)
CHECK_MAIN("boot", boot)
