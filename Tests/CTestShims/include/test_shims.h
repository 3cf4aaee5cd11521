// What the mount tests need of libc and Swift cannot import: variadic calls, and calls whose headers
// the Glibc module map leaves out. No logic. Each returns what the call returns, and sets errno.
#ifndef AOFS_TEST_SHIMS_H
#define AOFS_TEST_SHIMS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int test_open(const char *path, int flags, mode_t mode);
int test_fcntl(int fd, int command, int argument);
/// A record lock of the whole file, without waiting.
int test_record_lock(int fd, int type);
/// FS_IOC_GETFLAGS: the flags that lsattr shows.
int test_inode_flags(int fd, int *flags);
/// pwritev2 with one buffer.
ssize_t test_pwritev2(int fd, const void *bytes, size_t count, off_t offset, int flags);
int test_fallocate(int fd, int mode, off_t offset, off_t length);
int test_renameat2(const char *from, const char *to, unsigned flags);
ssize_t test_copy_file_range(int from, int to, size_t count);
ssize_t test_getxattr(const char *path, const char *name, void *value, size_t size);
ssize_t test_listxattr(const char *path, char *list, size_t size);
int test_setxattr(const char *path, const char *name, const void *value, size_t size);
int test_removexattr(const char *path, const char *name);
/// The file system's magic number (statfs f_type), longest name, and block counts.
int test_statfs(const char *path, int64_t *type, int64_t *name_length, int64_t *blocks);

/// A descriptor that polls readable once the process has ended.
int test_pidfd_open(pid_t pid);
/// Opens a name below a directory with the file system identity of another user.
int test_openat_as(uid_t user, int directory, const char *name, int flags);
int test_mount_tmpfs(const char *path, const char *options);

extern const int TEST_O_DSYNC, TEST_O_SYNC, TEST_O_DIRECT;
extern const int TEST_RWF_NOAPPEND;
extern const int TEST_SEEK_DATA, TEST_SEEK_HOLE;
extern const int TEST_FALLOC_KEEP_SIZE, TEST_FALLOC_PUNCH_HOLE, TEST_FALLOC_ZERO_RANGE;
extern const int TEST_FALLOC_COLLAPSE_RANGE, TEST_FALLOC_INSERT_RANGE, TEST_FALLOC_UNSHARE_RANGE;
extern const unsigned TEST_RENAME_NOREPLACE, TEST_RENAME_EXCHANGE, TEST_RENAME_WHITEOUT;
extern const int TEST_FS_APPEND_FL;

#endif
