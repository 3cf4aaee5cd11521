// What all loops of the driver share: a clock, lists of latencies, threads that start together, and the JSON that comes out.
#ifndef MEASURE_H
#define MEASURE_H
#include <stddef.h>
#include <stdint.h>

// Nanoseconds of a clock that only goes forward, and is the same for all processes.
uint64_t now(void);

// Nanoseconds that operations took, in the order of their end.
struct latencies {
  uint64_t *values;
  size_t count, room;
};

void add_latency(struct latencies *list, uint64_t value);

// Makes one list of several.
void add_latencies(struct latencies *list, const struct latencies *other);

// Runs `body` on `count` threads that begin together, each with its own element of `arguments`, an array of elements of `size` bytes.
// The nanoseconds from the start of the first to the end of the last.
uint64_t run_threads(unsigned count, void *(*body)(void *), void *arguments, size_t size);

// One line of JSON: how many operations and bytes in how long, and the percentiles of the latencies in microseconds.
void print_result(struct latencies *list, uint64_t bytes, uint64_t nanoseconds);

// A number with one of the suffixes K, M and G; ends the program if it is none.
uint64_t parse_size(const char *text);

// The commands; each takes the words after its name, and gives the program's exit code.
int append_command(int count, char **words);
int read_command(int count, char **words);
int drop_command(int count, char **words);
int feed_command(int count, char **words);
int follow_command(int count, char **words);
int create_command(int count, char **words);
#endif
