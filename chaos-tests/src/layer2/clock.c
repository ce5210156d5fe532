/* A wrong wall clock for one process, by LD_PRELOAD: what the C library's clock_gettime says of
 * CLOCK_REALTIME is off by as many milliseconds as the file WRONG_CLOCK begins with, which another
 * program writes. Monotonic clocks stay right, as they do when somebody sets the time. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *off_by_ms;

__attribute__((constructor)) static void open_file(void) {
    const char *path = getenv("WRONG_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *page = mmap(NULL, sizeof *off_by_ms, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED)
        off_by_ms = page;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    long done = syscall(SYS_clock_gettime, clock, time);
    if (done == 0 && clock == CLOCK_REALTIME && off_by_ms) {
        int64_t ns = (int64_t)time->tv_sec * 1000000000 + time->tv_nsec + *off_by_ms * 1000000;
        time->tv_sec = ns / 1000000000;
        time->tv_nsec = ns % 1000000000;
    }
    return (int)done;
}
