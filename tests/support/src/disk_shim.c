/* A full disk for some files of the process that it is preloaded into.
 *
 * While the first byte of a mapped file is not zero, writes that would make a file longer fail with ENOSPC if the path
 * of that file contains a text. Writes into what a file has already succeed, as on a full disk.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* NULL until the constructor has run: no fault yet. */
static const volatile char *is_full;
static const char *part_of_path;

static void fail(const char *text) {
    /* A disk that silently has room would make a test prove nothing. */
    syscall(SYS_write, 2, text, strlen(text));
    _exit(97);
}

__attribute__((constructor)) static void map_switch(void) {
    const char *path = getenv("DISK_SHIM_SWITCH");
    part_of_path = getenv("DISK_SHIM_FILES");
    if (path == NULL || part_of_path == NULL) fail("disk shim: DISK_SHIM_SWITCH or DISK_SHIM_FILES is not set\n");
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) fail("disk shim: the file named by DISK_SHIM_SWITCH cannot be opened\n");
    void *page = mmap(NULL, 1, PROT_READ, MAP_SHARED, file, 0);
    if (page == MAP_FAILED) fail("disk shim: the switch cannot be mapped\n");
    close(file);
    is_full = page;
}

/* Whether a file may not become as long as this. Sets errno then. */
static int is_refused(int file, off_t end) {
    char link[64], path[4096];
    struct stat status;
    if (is_full == NULL || *is_full == 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (strstr(path, part_of_path) == NULL || fstat(file, &status) != 0) return 0;
    if (!S_ISREG(status.st_mode) || end <= status.st_size) return 0;
    errno = ENOSPC;
    return 1;
}

static size_t length_of(const struct iovec *parts, int count) {
    size_t length = 0;
    for (int i = 0; i < count; i++) length += parts[i].iov_len;
    return length;
}

ssize_t write(int file, const void *bytes, size_t length) {
    if (is_full != NULL && *is_full != 0) {
        off_t at = lseek(file, 0, SEEK_CUR);
        int saved = errno;
        if (at >= 0 && is_refused(file, at + (off_t)length)) return -1;
        errno = saved;
    }
    return syscall(SYS_write, file, bytes, length);
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t at) {
    if (is_refused(file, at + (off_t)length)) return -1;
    return syscall(SYS_pwrite64, file, bytes, length, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off_t at) {
    return pwrite(file, bytes, length, at);
}

ssize_t pwritev(int file, const struct iovec *parts, int count, off_t at) {
    if (is_refused(file, at + (off_t)length_of(parts, count))) return -1;
    return syscall(SYS_pwritev, file, parts, count, at, 0);
}

ssize_t pwritev64(int file, const struct iovec *parts, int count, off_t at) {
    return pwritev(file, parts, count, at);
}

int posix_fallocate(int file, off_t at, off_t length) {
    if (is_refused(file, at + length)) return ENOSPC;
    return syscall(SYS_fallocate, file, 0, at, length) == 0 ? 0 : errno;
}

int posix_fallocate64(int file, off_t at, off_t length) {
    return posix_fallocate(file, at, length);
}
