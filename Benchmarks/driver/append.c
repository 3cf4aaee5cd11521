// Appending to new files, and creating them.
#include "measure.h"

#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum sync { NEVER, AT_THE_END, EACH, DSYNC };

// What all writers do.
struct work {
  char *record;
  size_t size;
  uint64_t count, deadline;
  enum sync sync;
};

struct writer {
  const struct work *work;
  int file;
  bool closes;
  struct latencies latencies;
};

static void *append(void *argument) {
  struct writer *writer = argument;
  const struct work *work = writer->work;
  for (uint64_t done = 0; done < work->count; done++) {
    uint64_t start = now();
    if (work->deadline && start > work->deadline) break;
    if (write(writer->file, work->record, work->size) != (ssize_t)work->size) err(74, "write");
    if (work->sync == EACH && fdatasync(writer->file)) err(74, "fdatasync");
    add_latency(&writer->latencies, now() - start);
  }
  if (work->sync == AT_THE_END && fdatasync(writer->file)) err(74, "fdatasync");
  if (writer->closes && close(writer->file)) err(74, "close");
  return NULL;
}

// Text of the kind that logs are made of.
static char *make_record(size_t size) {
  char *record = malloc(size + 1);
  if (!record) err(71, "a record");
  for (size_t index = 0; index < size; index++) record[index] = ' ' + (index * 7 + index / 13) % 90;
  if (size) record[size - 1] = '\n';
  return record;
}

static enum sync parse_sync(const char *text) {
  static const char *const names[] = {"never", "end", "each", "dsync"};
  for (int index = NEVER; index <= DSYNC; index++)
    if (!strcmp(text, names[index])) return index;
  errx(64, "%s is no way to sync", text);
}

int append_command(int count, char **words) {
  static const struct option options[] = {
      {"size", 1, NULL, 's'},    {"count", 1, NULL, 'c'},  {"sync", 1, NULL, 'y'}, {"writers", 1, NULL, 'w'},
      {"seconds", 1, NULL, 't'}, {"shared", 0, NULL, 'h'}, {NULL, 0, NULL, 0},
  };
  struct work work = {.size = 128, .count = 1000};
  unsigned writers = 1, seconds = 0;
  bool shared = false;
  for (int option; (option = getopt_long(count, words, "", options, NULL)) != -1;) switch (option) {
      case 's': work.size = parse_size(optarg); break;
      case 'c': work.count = parse_size(optarg); break;
      case 'y': work.sync = parse_sync(optarg); break;
      case 'w': writers = parse_size(optarg); break;
      case 't': seconds = parse_size(optarg); break;
      case 'h': shared = true; break;
      default: return 64;
    }
  if (optind + 1 != count || !writers) return 64;
  work.record = make_record(work.size);
  struct writer all[writers];
  for (unsigned index = 0; index < writers; index++) {
    char path[4096];
    snprintf(path, sizeof path, "%s-%u", words[optind], index);
    int flags = O_WRONLY | O_CREAT | O_APPEND | (work.sync == DSYNC ? O_DSYNC : 0);
    bool opens = !shared || index == 0;
    int file = opens ? open(path, flags, 0644) : all[0].file;
    if (file < 0) err(74, "%s", path);
    // Only one file is closed within the time that is measured: other writers may still use it where it is shared.
    all[index] = (struct writer){.work = &work, .file = file, .closes = !shared};
  }
  if (seconds) work.deadline = now() + seconds * 1000000000ull;
  uint64_t elapsed = run_threads(writers, append, all, sizeof *all);
  struct latencies latencies = {0};
  for (unsigned index = 0; index < writers; index++) add_latencies(&latencies, &all[index].latencies);
  print_result(&latencies, latencies.count * work.size, elapsed);
  return 0;
}

// create FOLDER COUNT: new files of one line each.
int create_command(int count, char **words) {
  if (count != 3) return 64;
  char *record = make_record(128);
  struct latencies latencies = {0};
  uint64_t start = now();
  for (uint64_t index = 0, files = parse_size(words[2]); index < files; index++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%06llu.log", words[1], (unsigned long long)index);
    uint64_t began = now();
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (file < 0 || write(file, record, 128) != 128 || close(file)) err(74, "%s", path);
    add_latency(&latencies, now() - began);
  }
  print_result(&latencies, latencies.count * 128, now() - start);
  return 0;
}
