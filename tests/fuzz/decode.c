/* libFuzzer: any floats as a map, read as net_detect reads it: boxes inside the picture, best first,
 * no more than there is room for. The input is the sides of the picture and a capacity as int16, a
 * threshold as float, then floats that the map repeats. */
#include "net_all.c"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { SAMPLES = NET_MAP0_ROWS * NET_MAP0_COLUMNS * NET_MAP0_CHANNELS };
    static float map[SAMPLES];
    const float *const maps[] = {map};
    net_detection *found;
    int16_t sides[2], capacity;
    float threshold;
    int count, i, width, height;

    if (size < 14) return 0;
    memcpy(sides, data, 4);
    memcpy(&capacity, data + 4, 2);
    memcpy(&threshold, data + 6, 4);
    data += 10, size -= 10;
    if (threshold != threshold || capacity < 0) return 0; /* net_detect refuses them */
    width = (sides[0] & 0x3FFF) + 1;
    height = (sides[1] & 0x3FFF) + 1;
    for (i = 0; i < SAMPLES; i++) memcpy(&map[i], data + (size_t)i % (size / 4) * 4, 4);
    found = malloc(sizeof *found * (size_t)(capacity > 0 ? capacity : 1));
    if (found == NULL) abort();
    count = net_read_maps(maps, width, height, threshold, found, capacity);
    if (count < 0 || count > capacity || count > NET_MAX_DETECTIONS) abort();
    for (i = 0; i < count; i++) {
        const net_detection *box = &found[i];

        if (!(box->score > threshold && box->score <= 1.0f)) abort();
        if (i > 0 && box->score > found[i - 1].score) abort();
        if (box->label < 0 || box->label >= NET_CLASSES) abort();
        if (!(0 <= box->x1 && box->x1 < box->x2 && box->x2 <= (float)width)) abort();
        if (!(0 <= box->y1 && box->y1 < box->y2 && box->y2 <= (float)height)) abort();
    }
    free(found);
    return 0;
}
