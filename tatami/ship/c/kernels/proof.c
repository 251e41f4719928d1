/* For `tatami prove`: the parts of the program, one request after another, raw numbers of this
 * machine out. Without arguments from standard input to standard output, else from one file to
 * another. A request is a letter and what follows it:
 * 'K' NAME line end: use those kernels, "" being the best; a line: the name in use, or "-".
 * 'F' inputs: the outputs.  'T' inputs (where net.c is compiled with -DNET_TRACE=net_trace): the
 * output of every step.  Of a detector, 'P' width height pixels: the prepared picture.
 * 'D' threshold width height pixels: a count, then as many net_detection.  Of a classifier 'P', and
 * 'S' width height pixels: the probability of every class.  Of a segmenter 'P', and 'M' width height
 * pixels: the class of every pixel. */
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
    fprintf(answers, "%s\n", chosen == NULL ? "-" : chosen);
    return 1;
}

#ifdef NET_CLASSES
static uint8_t *read_picture(int32_t *sides)
{
    uint8_t *rgb;
    size_t size;

    if (fread(sides, sizeof *sides, 2, requests) != 2) return NULL;
    if (sides[0] < 1 || sides[1] < 1 || sides[0] > NET_MAX_SIDE || sides[1] > NET_MAX_SIDE)
        return NULL;
    size = (size_t)sides[0] * (size_t)sides[1] * 3;
    rgb = malloc(size);
    if (rgb == NULL || fread(rgb, 1, size, requests) == size) return rgb;
    free(rgb);
    return NULL;
}

static int prepare(void)
{
    int32_t sides[2];
    uint8_t *rgb = read_picture(sides);

    if (rgb == NULL) return 0;
    net_prepare(rgb, sides[0], sides[1], in0);
    free(rgb);
    fwrite(in0, sizeof in0, 1, answers);
    return 1;
}

#ifdef NET_MAX_DETECTIONS
static int detect(void)
{
    static net_detection found[NET_MAX_DETECTIONS];
    int32_t sides[2], count;
    float threshold;
    uint8_t *rgb;

    if (fread(&threshold, sizeof threshold, 1, requests) != 1) return 0;
    rgb = read_picture(sides);
    if (rgb == NULL) return 0;
    count = net_detect(rgb, sides[0], sides[1], threshold, found, NET_MAX_DETECTIONS);
    free(rgb);
    fwrite(&count, sizeof count, 1, answers);
    if (count > 0) fwrite(found, sizeof *found, (size_t)count, answers);
    return 1;
}
#elif defined(NET_ROWS)
static int segment(void)
{
    int32_t sides[2];
    uint8_t *rgb = read_picture(sides), *labels;
    size_t pixels;

    if (rgb == NULL) return 0;
    pixels = (size_t)sides[0] * (size_t)sides[1];
    labels = malloc(pixels);
    if (labels != NULL && net_segment(rgb, sides[0], sides[1], labels) == 0)
        fwrite(labels, 1, pixels, answers);
    free(labels);
    free(rgb);
    return labels != NULL;
}
#else
static int classify(void)
{
    static float scores[NET_CLASSES];
    int32_t sides[2];
    uint8_t *rgb = read_picture(sides);

    if (rgb == NULL) return 0;
    net_classify(rgb, sides[0], sides[1], scores);
    free(rgb);
    fwrite(scores, sizeof scores, 1, answers);
    return 1;
}
#endif
#endif

static int forward(int trace)
{
    if (!read_inputs()) return 0;
    tracing = trace;
    run();
    tracing = 0; /* 'D', 'S' and 'M' run the network too */
    if (!trace) write_outputs();
    return 1;
}

static int answer(int request)
{
    switch (request) {
    case 'K': return choose();
    case 'F': return forward(0);
    case 'T': return forward(1);
#ifdef NET_CLASSES
    case 'P': return prepare();
#ifdef NET_MAX_DETECTIONS
    case 'D': return detect();
#elif defined(NET_ROWS)
    case 'M': return segment();
#else
    case 'S': return classify();
#endif
#endif
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
