/* Every C test, in the order of what they need of each other. Exit status 1 where one failed.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>

#include "check.h"

const char *check_about = "";
static unsigned long checks, failures;

void check(bool ok, const char *said, const char *file, int line)
{
    checks++;
    if (ok) return;
    failures++;
    printf("%s:%d: %s: not %s\n", file, line, check_about, said);
}

int main(void)
{
    test_frames();
    test_exchanges();
    test_queue();
    test_reports();
    test_ascii();
    test_session();
    test_limits();
    printf("%lu checks, %lu failed\n", checks, failures);
    return failures > 0 ? 1 : 0;
}
