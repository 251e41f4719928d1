/* For `tatami prove`: the parts of the program, one request after another, raw numbers of this
 * machine out. Without arguments from standard input to standard output, else from one file to
 * another. A request is a letter and what follows it:
 * 'K' NAME line end: use those kernels, "" being the best; a line: the name in use, or "-".
 * 'R', where something lives from call to call: begin anew, without an answer.
 * 'F' inputs: the outputs.  'T' inputs (where net.c is compiled with -DNET_TRACE=net_trace): the
 * output of every step.  Where the network takes pictures, 'P' width height pixels: the prepared
 * picture; and what proof_detect.c and its kin say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

static FILE *requests, *answers;
static int tracing;

@ends@

void net_trace(int step, const void *value, size_t bytes);

void net_trace(int step, const void *value, size_t bytes)
{
    (void)step;
    if (tracing) fwrite(value, 1, bytes, answers);
}

static int choose(void)
{
    char name[32];
    const char *chosen;

    if (fgets(name, sizeof name, requests) == NULL) return 0;
    name[strcspn(name, "\n")] = '\0';
    chosen = net_kernels(name[0] == '\0' ? NULL : name);
    fputs(chosen == NULL ? "-" : chosen, answers);
    putc('\n', answers);
    return 1;
}

@task@
static int forward(int trace)
{
    if (!read_inputs()) return 0;
    tracing = trace;
    run();
    tracing = 0; /* the task's own requests run the network too */
    if (!trace) write_outputs();
    return 1;
}

static int answer(int request)
{
    switch (request) {
    case 'K': return choose();
    case 'F': return forward(0);
    case 'T': return forward(1);
@cases@
    default: return 0;
    }
}

int main(int argc, char **argv)
{
    int request, done = 1;

    requests = argc == 3 ? fopen(argv[1], "rb") : stdin;
    answers = argc == 3 ? fopen(argv[2], "wb") : stdout;
    if (requests == NULL || answers == NULL) return 2;
    while (done && (request = getc(requests)) != EOF) {
        done = answer(request);
        fflush(answers);
    }
    if (argc == 3) fclose(answers);
    return done ? 0 : 2;
}
