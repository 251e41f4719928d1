/* libFuzzer: net_prepare and net_detect with any sides, also illegal ones, and any pixels. The input
 * is two sides and a capacity as int16, a threshold as float, then bytes that the pixels repeat. */
#include <stdlib.h>
#include <string.h>

#include "net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int within(float low, float x, float high) { return low <= x && x <= high; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static NET_INPUT images[NET_WIDTH * NET_HEIGHT * 3];
    net_detection *found;
    int16_t sides[2], capacity;
    float threshold;
    size_t bytes, i;
    uint8_t *rgb;
    int count, k;

    if (size < 11) return 0;
    memcpy(sides, data, 4);
    memcpy(&capacity, data + 4, 2);
    memcpy(&threshold, data + 6, 4);
    data += 10, size -= 10;
    if (sides[0] < 1 || sides[1] < 1 || sides[0] > NET_MAX_SIDE || sides[1] > NET_MAX_SIDE) {
        /* refused before a pixel is read */
        net_prepare(data, sides[0], sides[1], images);
        if (net_detect(data, sides[0], sides[1], threshold, NULL, 0) != -1) abort();
        return 0;
    }
    bytes = (size_t)sides[0] * (size_t)sides[1] * 3;
    if (bytes > 300000) return 0; /* only to be quick */
    rgb = malloc(bytes);
    found = malloc(sizeof *found * (size_t)(capacity > 0 ? capacity : 1));
    if (rgb == NULL || found == NULL) abort();
    for (i = 0; i < bytes; i++) rgb[i] = data[i % size];
    net_prepare(rgb, sides[0], sides[1], images);
    count = net_detect(rgb, sides[0], sides[1], threshold, found, capacity);
    if ((count < 0) != (capacity < 0 || threshold != threshold)) abort();
    if (count > 0 && count > capacity) abort();
    for (k = 0; k < count; k++)
        if (!within(0, found[k].x1, sides[0]) || !within(0, found[k].y1, sides[1]) ||
            !within(found[k].x1, found[k].x2, sides[0]) ||
            !within(found[k].y1, found[k].y2, sides[1]))
            abort();
    free(found);
    free(rgb);
    return 0;
}
