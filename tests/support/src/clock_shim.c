/* Shifts the wall clock of the process that it is preloaded into.
 *
 * The offset, in microseconds, is read from a file that is mapped, so that a test can move the clock
 * of a running process by writing that file. All other clocks stay as they are.
 *
 * The time comes from the kernel directly. Looking up the C library's own functions (dlsym) may
 * allocate, and an allocator that asks for the time while it initialises, as jemalloc does, would
 * wait for itself for ever.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MILLION 1000000LL

/* NULL until the constructor has run: no shift yet. */
static const volatile int64_t *offset_us;

static void fail(const char *text) {
    /* A clock that silently goes right would make a test prove nothing. */
    ssize_t ignored = write(2, text, strlen(text));
    (void)ignored;
    _exit(97);
}

__attribute__((constructor)) static void map_offset(void) {
    const char *path = getenv("CLOCK_SHIM_OFFSET_FILE");
    if (path == NULL) fail("clock shim: CLOCK_SHIM_OFFSET_FILE is not set\n");
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) fail("clock shim: the file named by CLOCK_SHIM_OFFSET_FILE cannot be opened\n");
    void *page = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    if (page == MAP_FAILED) fail("clock shim: the offset file cannot be mapped\n");
    close(file);
    offset_us = page;
}

static int shifted(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result != 0 || offset_us == NULL) return result;
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) return result;
    int64_t offset = *offset_us;
    now->tv_sec += offset / MILLION;
    now->tv_nsec += offset % MILLION * 1000;
    if (now->tv_nsec < 0) {
        now->tv_nsec += 1000 * MILLION;
        now->tv_sec -= 1;
    } else if (now->tv_nsec >= 1000 * MILLION) {
        now->tv_nsec -= 1000 * MILLION;
        now->tv_sec += 1;
    }
    return result;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    return shifted(clock, now);
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    if (zone != NULL) memset(zone, 0, sizeof(struct timezone));
    int result = shifted(CLOCK_REALTIME, &exact);
    if (result == 0) {
        now->tv_sec = exact.tv_sec;
        now->tv_usec = exact.tv_nsec / 1000;
    }
    return result;
}

time_t time(time_t *now) {
    struct timespec exact;
    if (shifted(CLOCK_REALTIME, &exact) != 0) return (time_t)-1;
    if (now != NULL) *now = exact.tv_sec;
    return exact.tv_sec;
}
