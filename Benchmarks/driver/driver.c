// driver COMMAND …: loops that have to be quicker than what they measure. Each prints one line of JSON.
//
//   append [--size N] [--count N] [--sync never|end|each|dsync] [--writers N] [--shared] [--seconds N] PREFIX
//       each of the writers appends COUNT records to PREFIX-0, PREFIX-1 …, or all of them to PREFIX-0. Closing the files is in
//       the time, and so is the sync at the end. With --seconds they stop by then
//   create FOLDER COUNT              makes files of one line each
//   read [--block N] [--count N] [--random] [--readers N] [--from N] [--to N] [--stride N] [--seed N] [--seconds N] FILE
//       in order up to the end, or at random offsets between FROM and TO, which lie at multiples of STRIDE from FROM
//   drop FILE …                      takes files from the page cache
//   feed FILE COUNT MICROSECONDS, follow [--inotify | --interval MICROSECONDS] FILE|- COUNT
//       how long records take from one to the other
//
// Sizes and counts may end with K, M or G.
#include "measure.h"

#include <stdio.h>
#include <string.h>

int main(int count, char **words) {
  static const struct {
    const char *name;
    int (*run)(int, char **);
  } commands[] = {
      {"append", append_command}, {"create", create_command}, {"read", read_command},
      {"drop", drop_command},     {"feed", feed_command},     {"follow", follow_command},
  };
  for (size_t index = 0; count > 1 && index < sizeof commands / sizeof *commands; index++) {
    if (strcmp(words[1], commands[index].name)) continue;
    int status = commands[index].run(count - 1, words + 1);
    if (status == 64) fprintf(stderr, "driver: see the head of driver.c for what %s takes\n", words[1]);
    return status;
  }
  fputs("usage: driver append|create|read|drop|feed|follow …\n", stderr);
  return 64;
}
