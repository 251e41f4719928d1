/* Greedy suppression as a compiled loop: what torchvision's kernel for one processor does. */
#include <stdint.h>

static float larger(float a, float b) { return a > b ? a : b; }
static float smaller(float a, float b) { return a < b ? a : b; }

/* boxes: [count][4], xyxy.  order: best first.  gone: count bytes of 0.  areas: room for count.
 * Writes the kept indices, best first; returns how many. */
int nms_loop(const float *boxes, const int64_t *order, int count, float threshold, uint8_t *gone,
             float *areas, int64_t *kept)
{
    int found = 0, i, j;

    for (i = 0; i < count; i++) {
        const float *box = boxes + 4 * i;
        areas[i] = (box[2] - box[0]) * (box[3] - box[1]);
    }
    for (i = 0; i < count; i++) {
        const int64_t best = order[i];
        const float *a = boxes + 4 * best;

        if (gone[best]) continue;
        kept[found++] = best;
        for (j = i + 1; j < count; j++) {
            const int64_t other = order[j];
            const float *b = boxes + 4 * other;
            float width, height, shared;

            if (gone[other]) continue;
            width = larger(0.0f, smaller(a[2], b[2]) - larger(a[0], b[0]));
            height = larger(0.0f, smaller(a[3], b[3]) - larger(a[1], b[1]));
            shared = width * height;
            if (shared / (areas[best] + areas[other] - shared) > threshold) gone[other] = 1;
        }
    }
    return found;
}
