/* SPDX-License-Identifier: MIT */
#include "proto/idn.h"
#include "tests/support/check_main.h"
#include <stdlib.h>
#include <string.h>

static void shows(const char *name, const char *want)
{
    char *got = idn_unicode(name);
    ck_assert_msg(got != NULL, "%s", name);
    ck_assert_str_eq(got, want);
    free(got);
}

static void hides(const char *name)
{
    char *got = idn_unicode(name);
    ck_assert_msg(got == NULL, "%s: %s", name, got);
}

START_TEST(test_a_labels_are_decoded)
{
    shows("xn--bcher-kva.example.", "b\xc3\xbc"
                                    "cher.example.");
    shows("www.xn--bcher-kva.example", "www.b\xc3\xbc"
                                       "cher.example");
    shows("XN--BCHER-KVA.example.", "b\xc3\xbc"
                                    "cher.example.");
    shows("xn--fiqs8s.", "\xe4\xb8\xad\xe5\x9b\xbd.");
}
END_TEST

START_TEST(test_sharp_s_is_not_mapped_away)
{
    shows("xn--strae-oqa.de.", "stra\xc3\x9f"
                               "e.de.");
}
END_TEST

START_TEST(test_plain_names_have_no_other_form)
{
    hides("example.com.");
    hides(".");
    hides("");
    hides("axn--bcher-kva.example.");
}
END_TEST

START_TEST(test_names_that_are_no_valid_encoding_stay_as_they_are)
{
    hides("xn--.");
    hides("xn--a.");
    hides("xn--\\255.");
    hides("xn--99999999999.");
    hides("xn--bcher-kva.xn--0.");
    hides("xn--abc-4q0a.com."); /* an override of direction in front */
    hides("xn--ab-r13a.com.");  /* a full stop of another script inside */
}
END_TEST

TESTS(unicode, test_a_labels_are_decoded, test_sharp_s_is_not_mapped_away,
      test_plain_names_have_no_other_form, test_names_that_are_no_valid_encoding_stay_as_they_are)
CHECK_MAIN("idn", unicode)
