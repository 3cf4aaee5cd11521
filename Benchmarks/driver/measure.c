#include "measure.h"

#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void make_room(struct latencies *list, size_t count) {
  if (list->room >= count) return;
  list->room = count > 2 * list->room ? count : 2 * list->room;
  if (!(list->values = realloc(list->values, list->room * sizeof *list->values))) err(71, "latencies");
}

void add_latency(struct latencies *list, uint64_t value) {
  if (list->count == list->room) make_room(list, list->count + 1024);
  list->values[list->count++] = value;
}

void add_latencies(struct latencies *list, const struct latencies *other) {
  make_room(list, list->count + other->count);
  if (other->count) memcpy(list->values + list->count, other->values, other->count * sizeof *list->values);
  list->count += other->count;
}

struct start {
  pthread_barrier_t *barrier;
  void *(*body)(void *);
  void *argument;
  uint64_t began;
};

static void *start_together(void *argument) {
  struct start *start = argument;
  pthread_barrier_wait(start->barrier);
  start->began = now();
  return start->body(start->argument);
}

uint64_t run_threads(unsigned count, void *(*body)(void *), void *arguments, size_t size) {
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, NULL, count);
  pthread_t threads[count];
  struct start starts[count];
  for (unsigned index = 0; index < count; index++) {
    starts[index] = (struct start){&barrier, body, (char *)arguments + index * size, 0};
    if (pthread_create(&threads[index], NULL, start_together, &starts[index])) errx(71, "a thread cannot be started");
  }
  for (unsigned index = 0; index < count; index++) pthread_join(threads[index], NULL);
  uint64_t end = now(), start = end;
  for (unsigned index = 0; index < count; index++)
    if (starts[index].began < start) start = starts[index].began;
  pthread_barrier_destroy(&barrier);
  return end - start;
}

static int compare(const void *one, const void *other) {
  uint64_t left = *(const uint64_t *)one, right = *(const uint64_t *)other;
  return left < right ? -1 : left > right;
}

static double percentile(const struct latencies *sorted, double fraction) {
  if (!sorted->count) return 0;
  size_t index = sorted->count * fraction;
  return sorted->values[index < sorted->count ? index : sorted->count - 1] / 1e3;
}

void print_result(struct latencies *list, uint64_t bytes, uint64_t nanoseconds) {
  double first = list->count ? list->values[0] / 1e3 : 0, seconds = nanoseconds / 1e9;
  qsort(list->values, list->count, sizeof *list->values, compare);
  printf(
      "{\"operations\": %zu, \"bytes\": %llu, \"seconds\": %.9f, \"per_second\": %.3f, \"bytes_per_second\": %.1f, \"first_us\": %.3f, "
      "\"p50_us\": %.3f, \"p90_us\": %.3f, \"p99_us\": %.3f, \"p999_us\": %.3f, \"max_us\": %.3f}\n",
      list->count, (unsigned long long)bytes, seconds, list->count / seconds, bytes / seconds, first, percentile(list, 0.5),
      percentile(list, 0.9), percentile(list, 0.99), percentile(list, 0.999), percentile(list, 1));
}

uint64_t parse_size(const char *text) {
  char *end;
  uint64_t value = strtoull(text, &end, 10);
  const char *suffixes = "KMG", *suffix = *end ? strchr(suffixes, *end) : NULL;
  if (end == text || (*end && (!suffix || end[1]))) errx(64, "%s is no number", text);
  return suffix ? value << (10 * (suffix - suffixes + 1)) : value;
}
