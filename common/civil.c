/* SPDX-License-Identifier: MIT */
#include "common/civil.h"

#include "common/require.h"

/*
 * Years begin in March here, so that the leap day is the last of its year; an era is 400 years,
 * after which the calendar repeats.
 */
#define DAYS_PER_ERA  146097
#define EPOCH_DAYS    719468 /* from 0000-03-01 to 1970-01-01 */
#define EPOCH_WEEKDAY 4      /* 1970-01-01 was a Thursday */

int64_t civil_days(int year, int month, int day)
{
    REQUIRE(month >= 1 && month <= 12);
    int64_t from_march = month <= 2 ? year - 1 : year;
    int64_t era = civil_floor_div(from_march, 400);
    int64_t year_of_era = from_march - era * 400;
    int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - EPOCH_DAYS;
}

static void set_date(struct civil *c, int64_t days)
{
    days += EPOCH_DAYS;
    int64_t era = civil_floor_div(days, DAYS_PER_ERA);
    int64_t doe = days - era * DAYS_PER_ERA;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t month = (5 * doy + 2) / 153; /* 0 = March */
    c->day = (int)(doy - (153 * month + 2) / 5 + 1);
    c->month = (int)(month < 10 ? month + 3 : month - 9);
    c->year = (int)(yoe + era * 400 + (month >= 10));
}

int64_t civil_seconds(const struct civil *c)
{
    return civil_days(c->year, c->month, c->day) * SEC_PER_DAY + c->hour * 3600 + c->minute * 60 +
           c->second;
}

struct civil civil_from_seconds(int64_t seconds)
{
    int64_t days = civil_floor_div(seconds, SEC_PER_DAY);
    int of_day = (int)(seconds - days * SEC_PER_DAY);
    struct civil c = {.hour = of_day / 3600, .minute = of_day / 60 % 60, .second = of_day % 60};
    set_date(&c, days);
    return c;
}

int civil_days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    REQUIRE(month >= 1 && month <= 12);
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

int civil_weekday(int64_t days)
{
    return (int)((days + EPOCH_WEEKDAY) - civil_floor_div(days + EPOCH_WEEKDAY, 7) * 7);
}
