/* A test says CHECK(what holds), as often as it likes, and goes on after a failure; `check_about` names the case for people.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>

#define CHECK(ok) check((ok), #ok, __FILE__, __LINE__)

extern const char *check_about; /* what is being tested; "" between the tests */

void check(bool ok, const char *said, const char *file, int line);

void test_frames(void);
void test_exchanges(void);
void test_queue(void);
void test_reports(void);
void test_ascii(void);
void test_session(void);
void test_limits(void);

#endif
