/* SPDX-License-Identifier: MIT */
#include "common/boot.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/require.h"

static void read_id(char id[BOOT_ID_MAX])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, id, BOOT_ID_MAX - 1) : -1;
    if (fd >= 0)
        close(fd);
    id[n > 0 ? n : 0] = '\0';
    id[strcspn(id, "\n")] = '\0';
}

void boot_read(struct boot *b)
{
    struct timespec ts;
    REQUIRE(clock_gettime(CLOCK_BOOTTIME, &ts) == 0);
    b->us = ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
    read_id(b->id);
}
