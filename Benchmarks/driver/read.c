// Reading one file, and dropping it from the page cache.
#include "measure.h"

#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct reader {
  const char *path;
  size_t block;
  uint64_t count, first, end, stride, deadline, bytes;
  unsigned seed;
  bool random;
  struct latencies latencies;
};

static uint64_t next_offset(struct reader *reader, struct drand48_data *chance) {
  double value;
  drand48_r(chance, &value);
  uint64_t places = (reader->end - reader->first) / reader->stride;
  return reader->first + (uint64_t)(value * places) * reader->stride;
}

static void *read_file(void *argument) {
  struct reader *reader = argument;
  int file = open(reader->path, O_RDONLY);
  if (file < 0) err(74, "%s", reader->path);
  if (reader->random) posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM);
  char *buffer = aligned_alloc(4096, (reader->block + 4095) & ~(size_t)4095);
  if (!buffer) err(71, "a block");
  struct drand48_data chance;
  srand48_r(reader->seed, &chance);
  uint64_t offset = reader->first;
  for (uint64_t done = 0; done < reader->count; done++) {
    if (reader->random) offset = next_offset(reader, &chance);
    uint64_t start = now();
    if (reader->deadline && start > reader->deadline) break;
    ssize_t count = pread(file, buffer, reader->block, offset);
    if (count < 0) err(74, "%s", reader->path);
    if (count == 0) break;
    add_latency(&reader->latencies, now() - start);
    reader->bytes += count;
    offset += count;
  }
  free(buffer);
  if (close(file)) err(74, "%s", reader->path);
  return NULL;
}

static uint64_t size_of(const char *path) {
  int file = open(path, O_RDONLY);
  off_t size = file < 0 ? -1 : lseek(file, 0, SEEK_END);
  if (size < 0 || close(file)) err(74, "%s", path);
  return size;
}

int read_command(int count, char **words) {
  static const struct option options[] = {
      {"block", 1, NULL, 'b'},  {"count", 1, NULL, 'c'},   {"random", 0, NULL, 'r'}, {"readers", 1, NULL, 'p'}, {"from", 1, NULL, 'f'},
      {"to", 1, NULL, 'e'}, {"seconds", 1, NULL, 't'}, {"seed", 1, NULL, 's'}, {"stride", 1, NULL, 'd'}, {NULL, 0, NULL, 0},
  };
  struct reader reader = {.block = 128 << 10, .count = UINT64_MAX, .seed = 1};
  unsigned readers = 1, seconds = 0;
  for (int option; (option = getopt_long(count, words, "", options, NULL)) != -1;) switch (option) {
      case 'b': reader.block = parse_size(optarg); break;
      case 'c': reader.count = parse_size(optarg); break;
      case 'r': reader.random = true; break;
      case 'p': readers = parse_size(optarg); break;
      case 'f': reader.first = parse_size(optarg); break;
      case 'e': reader.end = parse_size(optarg); break;
      case 't': seconds = parse_size(optarg); break;
      case 's': reader.seed = parse_size(optarg); break;
      case 'd': reader.stride = parse_size(optarg); break;
      default: return 64;
    }
  if (optind + 1 != count || !readers || !reader.block) return 64;
  reader.path = words[optind];
  if (!reader.end) reader.end = size_of(reader.path);
  if (!reader.stride) reader.stride = reader.block;
  if (reader.random && reader.end - reader.first < reader.stride) errx(64, "%s is too short", reader.path);
  if (seconds) reader.deadline = now() + seconds * 1000000000ull;
  struct reader all[readers];
  for (unsigned index = 0; index < readers; index++) {
    all[index] = reader;
    all[index].seed += index;
  }
  uint64_t elapsed = run_threads(readers, read_file, all, sizeof *all), bytes = 0;
  struct latencies latencies = {0};
  for (unsigned index = 0; index < readers; index++) {
    add_latencies(&latencies, &all[index].latencies);
    bytes += all[index].bytes;
  }
  print_result(&latencies, bytes, elapsed);
  return 0;
}

int drop_command(int count, char **words) {
  for (int index = 1; index < count; index++) {
    int file = open(words[index], O_RDONLY);
    int error = file < 0 ? -1 : posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    if (error || close(file)) err(74, "%s", words[index]);
  }
  return 0;
}
