#include "test_shims.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

// <linux/fs.h> and <sys/mount.h> of this libc define the same names; these two are all that is needed.
#define FS_IOC_GETFLAGS _IOR('f', 1, long)
#define FS_APPEND_FL 0x00000020

#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif

const int TEST_O_DSYNC = O_DSYNC, TEST_O_SYNC = O_SYNC, TEST_O_DIRECT = O_DIRECT;
const int TEST_RWF_NOAPPEND = RWF_NOAPPEND;
const int TEST_SEEK_DATA = SEEK_DATA, TEST_SEEK_HOLE = SEEK_HOLE;
const int TEST_FALLOC_KEEP_SIZE = FALLOC_FL_KEEP_SIZE;
const int TEST_FALLOC_PUNCH_HOLE = FALLOC_FL_PUNCH_HOLE;
const int TEST_FALLOC_ZERO_RANGE = FALLOC_FL_ZERO_RANGE;
const int TEST_FALLOC_COLLAPSE_RANGE = FALLOC_FL_COLLAPSE_RANGE;
const int TEST_FALLOC_INSERT_RANGE = FALLOC_FL_INSERT_RANGE;
const int TEST_FALLOC_UNSHARE_RANGE = FALLOC_FL_UNSHARE_RANGE;
const unsigned TEST_RENAME_NOREPLACE = RENAME_NOREPLACE;
const unsigned TEST_RENAME_EXCHANGE = RENAME_EXCHANGE;
const unsigned TEST_RENAME_WHITEOUT = RENAME_WHITEOUT;
const int TEST_FS_APPEND_FL = FS_APPEND_FL;

int test_open(const char *path, int flags, mode_t mode) { return open(path, flags | O_CLOEXEC, mode); }

int test_fcntl(int fd, int command, int argument) { return fcntl(fd, command, argument); }

int test_record_lock(int fd, int type) {
  struct flock lock = {.l_type = (short)type, .l_whence = SEEK_SET};
  return fcntl(fd, F_SETLK, &lock);
}

int test_inode_flags(int fd, int *flags) { return ioctl(fd, FS_IOC_GETFLAGS, flags); }

ssize_t test_pwritev2(int fd, const void *bytes, size_t count, off_t offset, int flags) {
  struct iovec vector = {.iov_base = (void *)bytes, .iov_len = count};
  return pwritev2(fd, &vector, 1, offset, flags);
}

int test_fallocate(int fd, int mode, off_t offset, off_t length) {
  return fallocate(fd, mode, offset, length);
}

int test_renameat2(const char *from, const char *to, unsigned flags) {
  return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

ssize_t test_copy_file_range(int from, int to, size_t count) {
  return copy_file_range(from, NULL, to, NULL, count, 0);
}

ssize_t test_getxattr(const char *path, const char *name, void *value, size_t size) {
  return getxattr(path, name, value, size);
}

ssize_t test_listxattr(const char *path, char *list, size_t size) { return listxattr(path, list, size); }

int test_setxattr(const char *path, const char *name, const void *value, size_t size) {
  return setxattr(path, name, value, size, 0);
}

int test_removexattr(const char *path, const char *name) { return removexattr(path, name); }

int test_statfs(const char *path, int64_t *type, int64_t *name_length, int64_t *blocks) {
  struct statfs answer;
  int result = statfs(path, &answer);
  if (result != 0) return result;
  *type = answer.f_type;
  *name_length = answer.f_namelen;
  *blocks = (int64_t)answer.f_blocks;
  return 0;
}

int test_pidfd_open(pid_t pid) { return pidfd_open(pid, 0); }

int test_openat_as(uid_t user, int directory, const char *name, int flags) {
  setfsgid(user);
  setfsuid(user);
  int fd = openat(directory, name, flags | O_CLOEXEC, 0600);
  int error = errno;
  setfsuid(geteuid());
  setfsgid(getegid());
  errno = error;
  return fd;
}

int test_mount_tmpfs(const char *path, const char *options) {
  return mount("tmpfs", path, "tmpfs", 0, options);
}
