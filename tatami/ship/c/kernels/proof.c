/* For `tatami prove`: the parts of the program, one request after another on standard input, raw
 * numbers of this machine out. 'P' width height pixels: the prepared images. 'F' images: the map.
 * 'T' images (where net.c is compiled with -DNET_TRACE=net_trace): the output of every step. */
#include <stdio.h>
#include <stdlib.h>

#include "net.h"

static float images[3 * NET_HEIGHT * NET_WIDTH];
static float map[NET_MAP_CHANNELS * NET_MAP_ROWS * NET_MAP_COLUMNS];
static int tracing;

void net_trace(int step, const float *values, size_t count);

void net_trace(int step, const float *values, size_t count)
{
    (void)step;
    if (tracing) fwrite(values, sizeof *values, count, stdout);
}

static int prepare(void)
{
    int32_t sides[2];
    uint8_t *rgb;
    size_t size;

    if (fread(sides, sizeof *sides, 2, stdin) != 2) return 0;
    if (sides[0] < 1 || sides[1] < 1 || sides[0] > NET_MAX_SIDE || sides[1] > NET_MAX_SIDE) return 0;
    size = (size_t)sides[0] * (size_t)sides[1] * 3;
    rgb = malloc(size);
    if (rgb == NULL || fread(rgb, 1, size, stdin) != size) {
        free(rgb);
        return 0;
    }
    net_prepare(rgb, sides[0], sides[1], images);
    free(rgb);
    fwrite(images, sizeof images, 1, stdout);
    return 1;
}

static int forward(int trace)
{
    if (fread(images, sizeof images, 1, stdin) != 1) return 0;
    tracing = trace;
    net_forward(images, map);
    if (!trace) fwrite(map, sizeof map, 1, stdout);
    return 1;
}

int main(void)
{
    int request, done = 1;

    while (done && (request = getchar()) != EOF) {
        done = request == 'P' ? prepare() : request == 'F' || request == 'T' ? forward(request == 'T')
                                                                              : 0;
        fflush(stdout);
    }
    return done ? 0 : 2;
}
