/* The decoding rule, steps 4 to 6: candidates, best first, to detections. */

/* A coordinate of the picture, cut where areas would overflow. */
static float net_near(double x)
{
    return (float)(x < -1048576.0 ? -1048576.0 : x > 1048576.0 ? 1048576.0 : x);
}

static float net_clip(float x, int side)
{
    if (x < 0.0f) return 0.0f;
    return x > (float)side ? (float)side : x;
}

static float net_overlap(float low1, float high1, float low2, float high2)
{
    const float length =
        (high1 < high2 ? high1 : high2) - (low1 > low2 ? low1 : low2);

    return length > 0.0f ? length : 0.0f;
}

static float net_iou(const net_detection *a, const net_detection *b)
{
    const float shared =
        net_overlap(a->x1, a->x2, b->x1, b->x2) * net_overlap(a->y1, a->y2, b->y1, b->y2);
    const float area_a = (a->x2 - a->x1) * (a->y2 - a->y1);
    const float area_b = (b->x2 - b->x1) * (b->y2 - b->y1);
    const float all = area_a + area_b - shared;

    return all > 0.0f ? shared / all : 0.0f;
}

/* Whether two boxes of a picture of width x height are too much the same to be two. An IoU of
 * exactly the threshold is not too much (docs/box-rule.md). */
static int net_same(const net_detection *a, const net_detection *b, int width, int height)
{
    const float excess = net_iou(a, b) - NET_IOU_THRESHOLD;
#if NET_DIOU
    /* The IoU less (d / c)^0.6 exceeds the threshold: fifth against third powers need no pow. */
    const float right = a->x2 > b->x2 ? a->x2 : b->x2, left = a->x1 < b->x1 ? a->x1 : b->x1;
    const float low = a->y2 > b->y2 ? a->y2 : b->y2, high = a->y1 < b->y1 ? a->y1 : b->y1;
    const float x = ((a->x1 + a->x2) - (b->x1 + b->x2)) / 2.0f / (float)width;
    const float y = ((a->y1 + a->y2) - (b->y1 + b->y2)) / 2.0f / (float)height;
    const float w = (right - left) / (float)width, h = (low - high) / (float)height;
    const float distance = x * x + y * y, diagonal = w * w + h * h;
    const float away = diagonal > 0.0f ? distance / diagonal : 0.0f;

    return excess > 0.0f && excess * excess * (excess * excess) * excess > away * away * away;
#else
    (void)width;
    (void)height;
    return excess > 0.0f;
#endif
}

/* The best `capacity` detections, of a picture of width x height, of so many sorted candidates.
 * place: where the picture lies on what they are of. */
static int net_suppress(int candidates, net_placement place, int width, int height,
                        net_detection *out, int capacity)
{
    static net_detection kept[NET_MAX_DETECTIONS];
    const double across = (double)width / (double)place.width;
    const double down = (double)height / (double)place.height;
    int count = 0, found = 0, i, j;

    for (i = 0; i < candidates && count < NET_MAX_DETECTIONS; i++) {
        const net_candidate *candidate = &net_heap[i];
        net_detection box;

        box.x1 = net_near(((double)candidate->x1 - place.x) * across);
        box.y1 = net_near(((double)candidate->y1 - place.y) * down);
        box.x2 = net_near(((double)candidate->x2 - place.x) * across);
        box.y2 = net_near(((double)candidate->y2 - place.y) * down);
        box.score = candidate->score;
        box.label = candidate->index % NET_CLASSES;
        for (j = 0; j < count; j++)
            if ((NET_AGNOSTIC || kept[j].label == box.label) &&
                net_same(&kept[j], &box, width, height)) break;
        if (j == count) kept[count++] = box;
    }
    for (i = 0; i < count && found < capacity; i++) {
        net_detection box = kept[i];

        box.x1 = net_clip(box.x1, width);
        box.y1 = net_clip(box.y1, height);
        box.x2 = net_clip(box.x2, width);
        box.y2 = net_clip(box.y2, height);
        if (box.x2 > box.x1 && box.y2 > box.y1) out[found++] = box;
    }
    return found;
}
