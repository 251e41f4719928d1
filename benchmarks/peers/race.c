/* Run a network as often as it is asked to, and say how long that took: for ../generators.py.
 * It is compiled once for each generator:
 * RACE_SOURCE is its C file or header; race_buffers.h, written beside it, has the functions called.
 * The argument is a file with the inputs. A line of standard input is a number of runs; the answer
 * is a line with the thread's processor time in nanoseconds; 0 writes the outputs instead. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include RACE_SOURCE
#include "race_buffers.h"

static double now(void)
{
    struct timespec at;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return 1e9 * (double)at.tv_sec + (double)at.tv_nsec;
}

int main(int argc, char **argv)
{
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    long runs;

    if (file == NULL || !race_read(file)) return 2;
    fclose(file);
    if (!race_begin()) return 3;
    while (scanf("%ld", &runs) == 1) {
        const double start = now();

        for (long run = 0; run < runs; run++) {
            race_run();
            __asm__ volatile("" ::: "memory"); /* so that no run's work is done for all */
        }
        if (runs > 0) {
            printf("%.0f\n", now() - start);
        } else {
            race_write(stdout);
        }
        fflush(stdout);
    }
    return 0;
}
