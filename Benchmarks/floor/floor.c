// floor SOURCE MOUNTPOINT: the least that a FUSE daemon can do for logs, as the floor under the figures of one that does more.
//
// Serves the plain files of one directory, SOURCE, at MOUNTPOINT, in the foreground, until it is unmounted or gets SIGTERM. Each
// request is one system call on the file below: writers bypass the kernel's page cache (direct_io), as appends must that reach the
// daemon one by one; readers keep it from one open to the next (keep_cache). One buffer for each request, nothing is spliced, one
// /dev/fuse for all threads. Files may only be changed through the mount: what the kernel knows of them never expires.
#define _GNU_SOURCE
#define FUSE_USE_VERSION 314
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { BUCKETS = 1 << 14, LARGEST_REQUEST = 1 << 20, THREADS = 64 };
static const double FOREVER = 86400;

// --- files: a node for each name that was ever looked up, until the daemon ends

struct node {
  struct node *next;
  char name[256];
};

static int source;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct node *buckets[BUCKETS];

static struct node *node_of(const char *name) {
  unsigned hash = 5381;
  for (const char *byte = name; *byte; byte++) hash = hash * 33 + (unsigned char)*byte;
  struct node **bucket = &buckets[hash % BUCKETS];
  pthread_mutex_lock(&lock);
  struct node *node = *bucket;
  while (node && strcmp(node->name, name)) node = node->next;
  if (!node && strlen(name) < sizeof node->name && (node = calloc(1, sizeof *node))) {
    strcpy(node->name, name);
    node->next = *bucket;
    *bucket = node;
  }
  pthread_mutex_unlock(&lock);
  return node;
}

// The directory itself is ".".
static const char *name_of(fuse_ino_t number) { return number == FUSE_ROOT_ID ? "." : ((struct node *)number)->name; }

static int fill_entry(const char *name, struct fuse_entry_param *entry) {
  struct node *node = node_of(name);
  if (!node) return ENOMEM;
  *entry = (struct fuse_entry_param){.ino = (fuse_ino_t)node, .attr_timeout = FOREVER, .entry_timeout = FOREVER};
  return fstatat(source, name, &entry->attr, AT_SYMLINK_NOFOLLOW) ? errno : 0;
}

// --- what the kernel asks

static void on_init(void *data, struct fuse_conn_info *connection) {
  (void)data;
  connection->want &= ~(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE | FUSE_CAP_AUTO_INVAL_DATA);
  connection->want |= connection->capable & (FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_ASYNC_READ);
  connection->max_write = LARGEST_REQUEST;
}

static void on_lookup(fuse_req_t request, fuse_ino_t parent, const char *name) {
  (void)parent;
  struct fuse_entry_param entry;
  int error = fill_entry(name, &entry);
  if (error) fuse_reply_err(request, error);
  else fuse_reply_entry(request, &entry);
}

static void on_getattr(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file) {
  (void)file;
  struct stat attributes;
  if (fstatat(source, name_of(number), &attributes, AT_SYMLINK_NOFOLLOW)) fuse_reply_err(request, errno);
  else fuse_reply_attr(request, &attributes, FOREVER);
}

// Of attributes only the size can be changed, which O_TRUNC does.
static void on_setattr(fuse_req_t request, fuse_ino_t number, struct stat *wanted, int which, struct fuse_file_info *file) {
  if (which & FUSE_SET_ATTR_SIZE) {
    int below = openat(source, name_of(number), O_WRONLY);
    if (below < 0 || ftruncate(below, wanted->st_size)) {
      fuse_reply_err(request, errno);
      if (below >= 0) close(below);
      return;
    }
    close(below);
  }
  on_getattr(request, number, file);
}

static void set_cache(struct fuse_file_info *file) {
  if ((file->flags & O_ACCMODE) == O_RDONLY) file->keep_cache = 1;
  else file->direct_io = 1;
}

static void on_open(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file) {
  int below = openat(source, name_of(number), file->flags & ~O_NOFOLLOW);
  if (below < 0) return (void)fuse_reply_err(request, errno);
  file->fh = below;
  set_cache(file);
  if (fuse_reply_open(request, file)) close(below);
}

static void on_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *file) {
  (void)parent;
  int below = openat(source, name, (file->flags | O_CREAT) & ~O_NOFOLLOW, mode);
  if (below < 0) return (void)fuse_reply_err(request, errno);
  file->fh = below;
  set_cache(file);
  struct fuse_entry_param entry;
  int error = fill_entry(name, &entry);
  if (error) fuse_reply_err(request, error);
  if (error || fuse_reply_create(request, &entry, file)) close(below);
}

static void on_read(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset, struct fuse_file_info *file) {
  (void)number;
  static __thread char *buffer;
  if (!buffer && !(buffer = malloc(LARGEST_REQUEST))) return (void)fuse_reply_err(request, ENOMEM);
  ssize_t count = pread(file->fh, buffer, size < LARGEST_REQUEST ? size : LARGEST_REQUEST, offset);
  if (count < 0) fuse_reply_err(request, errno);
  else fuse_reply_buf(request, buffer, count);
}

// The file below has the flags of the open: with O_APPEND the offset does not count.
static void on_write(
    fuse_req_t request, fuse_ino_t number, const char *bytes, size_t size, off_t offset, struct fuse_file_info *file) {
  (void)number;
  ssize_t count = pwrite(file->fh, bytes, size, offset);
  if (count < 0) fuse_reply_err(request, errno);
  else fuse_reply_write(request, count);
}

static void on_fsync(fuse_req_t request, fuse_ino_t number, int data_only, struct fuse_file_info *file) {
  (void)number;
  fuse_reply_err(request, (data_only ? fdatasync(file->fh) : fsync(file->fh)) ? errno : 0);
}

static void on_release(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file) {
  (void)number;
  close(file->fh);
  fuse_reply_err(request, 0);
}

static void on_unlink(fuse_req_t request, fuse_ino_t parent, const char *name) {
  (void)parent;
  fuse_reply_err(request, unlinkat(source, name, 0) ? errno : 0);
}

static void on_statfs(fuse_req_t request, fuse_ino_t number) {
  (void)number;
  struct statvfs space;
  if (fstatvfs(source, &space)) fuse_reply_err(request, errno);
  else fuse_reply_statfs(request, &space);
}

// --- the list of names

static void on_opendir(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file) {
  (void)number;
  int below = openat(source, ".", O_RDONLY | O_DIRECTORY);
  DIR *directory = below < 0 ? NULL : fdopendir(below);
  if (!directory) return (void)fuse_reply_err(request, errno);
  file->fh = (uintptr_t)directory;
  if (fuse_reply_open(request, file)) closedir(directory);
}

static void on_readdirplus(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset, struct fuse_file_info *file) {
  (void)number;
  DIR *directory = (DIR *)(uintptr_t)file->fh;
  char *buffer = malloc(size);
  if (!buffer) return (void)fuse_reply_err(request, ENOMEM);
  if (offset != telldir(directory)) seekdir(directory, offset);
  size_t used = 0;
  for (struct dirent *found; (found = readdir(directory));) {
    struct fuse_entry_param entry = {.attr = {.st_ino = found->d_ino, .st_mode = (mode_t)found->d_type << 12}};
    if (found->d_name[0] != '.' && fill_entry(found->d_name, &entry)) continue;
    size_t taken = fuse_add_direntry_plus(request, buffer + used, size - used, found->d_name, &entry, found->d_off);
    if (taken > size - used) break;
    used += taken;
  }
  fuse_reply_buf(request, buffer, used);
  free(buffer);
}

static void on_releasedir(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file) {
  (void)number;
  closedir((DIR *)(uintptr_t)file->fh);
  fuse_reply_err(request, 0);
}

static const struct fuse_lowlevel_ops operations = {
    .init = on_init, .lookup = on_lookup, .getattr = on_getattr, .setattr = on_setattr, .open = on_open,
    .create = on_create, .read = on_read, .write = on_write, .fsync = on_fsync, .release = on_release,
    .unlink = on_unlink, .statfs = on_statfs, .opendir = on_opendir, .readdirplus = on_readdirplus,
    .releasedir = on_releasedir,
};

int main(int count, char **words) {
  if (count != 3) errx(64, "usage: floor SOURCE MOUNTPOINT");
  source = open(words[1], O_RDONLY | O_DIRECTORY);
  if (source < 0) err(66, "%s", words[1]);
  umask(0);
  char *options[] = {"floor", "-o", "fsname=floor,default_permissions,allow_other", NULL};
  struct fuse_args arguments = FUSE_ARGS_INIT(3, options);
  struct fuse_session *session = fuse_session_new(&arguments, &operations, sizeof operations, NULL);
  if (!session || fuse_set_signal_handlers(session) || fuse_session_mount(session, words[2]))
    errx(71, "%s cannot be mounted", words[2]);
  struct fuse_loop_config *config = fuse_loop_cfg_create();
  fuse_loop_cfg_set_clone_fd(config, 0);
  fuse_loop_cfg_set_max_threads(config, THREADS);
  fuse_loop_cfg_set_idle_threads(config, THREADS);
  int result = fuse_session_loop_mt(session, config);
  fuse_loop_cfg_destroy(config);
  fuse_session_unmount(session);
  fuse_remove_signal_handlers(session);
  fuse_session_destroy(session);
  return result < 0 ? 70 : 0;
}
