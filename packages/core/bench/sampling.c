/* The reference of sampling.ts: reads every file named on stdin with one pread on a held descriptor, and keeps nothing.
 * Prints a line per pass: nanoseconds of wall clock and of this process's CPU. Built by the bench only. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static long long now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv) {
  static char path[4096], buffer[65536];
  int passes = argc > 1 ? atoi(argv[1]) : 10;
  int *fds = NULL, count = 0;
  struct rlimit limit = {1 << 18, 1 << 18};
  setrlimit(RLIMIT_NOFILE, &limit);
  while (fgets(path, sizeof path, stdin)) {
    path[strcspn(path, "\n")] = 0;
    fds = realloc(fds, (count + 1) * sizeof *fds);
    if ((fds[count++] = open(path, O_RDONLY | O_CLOEXEC)) < 0) return perror(path), 1;
  }
  for (int pass = 0; pass < passes; pass++) {
    long long wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < count; i++)
      if (pread(fds[i], buffer, sizeof buffer, 0) < 0) return perror("pread"), 1;
    printf("%lld %lld\n", now(CLOCK_MONOTONIC) - wall, now(CLOCK_PROCESS_CPUTIME_ID) - cpu);
  }
  return 0;
}
