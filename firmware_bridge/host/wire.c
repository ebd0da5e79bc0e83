/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* SplitMix64 (Steele, Lea, Flood 2014), as a share of 1. */
static double draw(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

void delay_put(delay_line *line, const uint8_t *bytes, size_t length, int64_t now_ns, bool may_lose)
{
    const bool lost = draw(line->random) < line->loss && may_lose;
    const double delay_ns = line->delay_ns[0] + draw(line->random) * (line->delay_ns[1] - line->delay_ns[0]);
    if (lost || line->count == BURSTS)
        return;
    burst *free = &line->bursts[(line->first + line->count) % BURSTS];
    const burst *last = &line->bursts[(line->first + line->count + BURSTS - 1u) % BURSTS];
    free->due_ns = now_ns + (int64_t)delay_ns;
    if (line->count && last->due_ns > free->due_ns)
        free->due_ns = last->due_ns;
    free->length = length;
    memcpy(free->bytes, bytes, length);
    line->count++;
}

const burst *delay_take(delay_line *line, int64_t now_ns)
{
    if (delay_next(line) > now_ns)
        return NULL;
    const burst *oldest = &line->bursts[line->first];
    line->first = (line->first + 1u) % BURSTS;
    line->count--;
    return oldest;
}

int64_t delay_next(const delay_line *line) { return line->count ? line->bursts[line->first].due_ns : NEVER_NS; }

static bool keep_link(const plug *made)
{
    char fresh[PATH_MAX];
    if ((size_t)snprintf(fresh, sizeof fresh, "%s.new", made->link) >= sizeof fresh) {
        errno = ENAMETOOLONG;
        return false;
    }
    (void)unlink(fresh);
    return symlink(made->path, fresh) == 0 && rename(fresh, made->link) == 0; /* whoever looks finds the old or the new one */
}

bool plug_open(plug *made, const char *link)
{
    struct termios raw;
    *made = (plug){.master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), .slave = -1, .link = link};
    if (made->master < 0 || grantpt(made->master) || unlockpt(made->master) || ptsname_r(made->master, made->path, sizeof made->path)) {
        perror("k1link-node: no pseudo-terminal (/dev/ptmx)");
        return false;
    }
    made->slave = open(made->path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (made->slave < 0 || tcgetattr(made->slave, &raw)) {
        perror(made->path);
        return false;
    }
    cfmakeraw(&raw);
    if (tcsetattr(made->slave, TCSANOW, &raw) || (link && !keep_link(made))) {
        perror(link ? link : made->path);
        return false;
    }
    return true;
}

void plug_close(plug *made)
{
    if (made->link)
        (void)unlink(made->link);
    if (made->slave >= 0)
        (void)close(made->slave);
    if (made->master >= 0)
        (void)close(made->master);
}

const char *plug_path(const plug *made) { return made->link ? made->link : made->path; }
