/* SPDX-License-Identifier: MIT */
#include "tests/master/api/schedule_world.h"
START_TEST(test_x)
{
}
END_TEST
TESTS(x, test_x)
CHECK_MAIN("x", x)
