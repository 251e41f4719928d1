#ifndef NET_H
#define NET_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

@constants@

/* A box in pixels of the picture, edges and not centers; label counts from 0. */
typedef struct {
    float x1, y1, x2, y2;
    float score;
    int label;
} net_detection;

extern const char *const net_class_names[NET_CLASSES];

@detect@

/* The picture rule alone. images: [NET_HEIGHT][NET_WIDTH][3]. */
void net_prepare(const uint8_t *rgb, int width, int height, NET_INPUT *images);

#ifdef __cplusplus
}
#endif

#endif
