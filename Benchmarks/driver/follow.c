// How long an appended record takes to reach somebody who follows the file.
#include "measure.h"

#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { RECORD = 128 };

// feed FILE COUNT MICROSECONDS: appends a record that says when, again and again, with a pause after each.
int feed_command(int count, char **words) {
  if (count != 4) return 64;
  int file = open(words[1], O_WRONLY | O_APPEND | O_CREAT, 0644);
  if (file < 0) err(74, "%s", words[1]);
  for (uint64_t left = parse_size(words[2]), pause = parse_size(words[3]); left > 0; left--) {
    char record[RECORD + 1];
    snprintf(record, sizeof record, "%-*llu\n", RECORD - 1, (unsigned long long)now());
    if (write(file, record, RECORD) != RECORD) err(74, "%s", words[1]);
    usleep(pause);
  }
  return close(file) ? 74 : 0;
}

// Waits for what tells of more: the kernel's news of the file, or a while.
struct waiter {
  int notifications;
  useconds_t interval;
};

static void wait_for_more(const struct waiter *waiter) {
  if (waiter->notifications < 0) {
    usleep(waiter->interval);
    return;
  }
  // As tail -f does: events may be lost between looking and waiting only if they are read late, so they are read first.
  struct pollfd readable = {waiter->notifications, POLLIN, 0};
  poll(&readable, 1, 1000);
  char events[4096];
  if (readable.revents && read(waiter->notifications, events, sizeof events) < 0) err(74, "inotify");
}

static size_t add_records(struct latencies *latencies, const char *bytes, size_t count) {
  uint64_t seen = now();
  size_t used = 0;
  for (; used + RECORD <= count; used += RECORD) add_latency(latencies, seen - strtoull(bytes + used, NULL, 10));
  return used;
}

// follow [--inotify | --interval MICROSECONDS] FILE COUNT, or follow - COUNT for records that come on standard input. Says `ready` when it
// stands at the end. Gives up when no record has come for ten seconds.
int follow_command(int count, char **words) {
  static const struct option options[] = {{"inotify", 0, NULL, 'n'}, {"interval", 1, NULL, 'i'}, {NULL, 0, NULL, 0}};
  struct waiter waiter = {-1, 100};
  int watches = 0;
  for (int option; (option = getopt_long(count, words, "", options, NULL)) != -1;) switch (option) {
      case 'n': watches = 1; break;
      case 'i': waiter.interval = parse_size(optarg); break;
      default: return 64;
    }
  if (optind + 2 != count) return 64;
  const char *path = words[optind];
  int is_input = !strcmp(path, "-"), file = is_input ? 0 : open(path, O_RDONLY);
  if (file < 0) err(74, "%s", path);
  if (watches && ((waiter.notifications = inotify_init()) < 0 || inotify_add_watch(waiter.notifications, path, IN_MODIFY) < 0))
    err(74, "inotify %s", path);
  if (!is_input && lseek(file, 0, SEEK_END) < 0) err(74, "%s", path);
  puts("ready");
  fflush(stdout);
  struct latencies latencies = {0};
  char buffer[RECORD * 512];
  size_t wanted = parse_size(words[optind + 1]), held = 0;
  uint64_t start = now(), heard = start;
  while (latencies.count < wanted && now() - heard < 10000000000ull) {
    ssize_t more = read(file, buffer + held, sizeof buffer - held);
    if (more < 0) err(74, "%s", path);
    if (more == 0 && is_input) break;
    if (more == 0) {
      wait_for_more(&waiter);
      continue;
    }
    heard = now();
    held += more;
    size_t used = add_records(&latencies, buffer, held);
    memmove(buffer, buffer + used, held - used);
    held -= used;
  }
  print_result(&latencies, latencies.count * RECORD, now() - start);
  return 0;
}
