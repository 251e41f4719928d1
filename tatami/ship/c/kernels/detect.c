/* The decoding rule of YOLOv2: map to boxes, best first (ties by index), then suppression. */

typedef struct {
    float score;
    int index; /* ((anchor * rows + row) * columns + column) * classes + class */
    float x1, y1, x2, y2;
} net_candidate;

/* The best NET_MAX_CANDIDATES so far, as a heap: the worst of them is the first. */
static net_candidate net_heap[NET_MAX_CANDIDATES];

static int net_worse(const net_candidate *a, const net_candidate *b)
{
    if (a->score < b->score) return 1;
    if (a->score > b->score) return 0;
    return a->index > b->index;
}

/* Let the candidate at `hole` sink to its place in a heap of `count`. */
static void net_sink(int hole, int count)
{
    const net_candidate sinking = net_heap[hole];
    int child = 2 * hole + 1;

    while (child < count) {
        if (child + 1 < count && net_worse(&net_heap[child + 1], &net_heap[child])) child++;
        if (!net_worse(&net_heap[child], &sinking)) break;
        net_heap[hole] = net_heap[child];
        hole = child;
        child = 2 * hole + 1;
    }
    net_heap[hole] = sinking;
}

/* Add a candidate; where the table is full, the worst one goes. Returns the new count. */
static int net_offer(const net_candidate *candidate, int count)
{
    int hole = count;

    if (count == NET_MAX_CANDIDATES) {
        if (net_worse(&net_heap[0], candidate)) {
            net_heap[0] = *candidate;
            net_sink(0, count);
        }
        return count;
    }
    while (hole > 0 && net_worse(candidate, &net_heap[(hole - 1) / 2])) {
        net_heap[hole] = net_heap[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    net_heap[hole] = *candidate;
    return count + 1;
}

/* Heap to table, best first: the worst goes to the end, again and again. */
static void net_sort(int count)
{
    while (count > 1) {
        const net_candidate worst = net_heap[0];
        count--;
        net_heap[0] = net_heap[count];
        net_sink(0, count);
        net_heap[count] = worst;
    }
}

/* Every candidate of the map [rows][columns][anchors * (5 + classes)], best first. */
static int net_decode(const float *map, float score_threshold)
{
    static const float anchors[NET_ANCHORS][2] = NET_ANCHOR_SIZES; /* in cells */
    const int area = NET_MAP_ROWS * NET_MAP_COLUMNS;
    const float stride = (float)NET_STRIDE;
    int count = 0, a, cell, k;

    for (a = 0; a < NET_ANCHORS; a++) {
        for (cell = 0; cell < area; cell++) {
            const float *t = map + cell * NET_MAP_CHANNELS + a * (5 + NET_CLASSES);
            const float *classes = t + 5;
            const float objectness = net_sigmoid(t[4]);
            const int row = cell / NET_MAP_COLUMNS, column = cell % NET_MAP_COLUMNS;
            const float tw = t[2] > 8.0f ? 8.0f : t[2];
            const float th = t[3] > 8.0f ? 8.0f : t[3];
            float chances[NET_CLASSES], largest = classes[0], sum = 0.0f;
            float cx, cy, half_width, half_height;

            if (!(objectness > score_threshold)) continue; /* no class can score more */
            for (k = 1; k < NET_CLASSES; k++)
                if (classes[k] > largest) largest = classes[k];
            for (k = 0; k < NET_CLASSES; k++) {
                chances[k] = net_exp(classes[k] - largest);
                sum += chances[k];
            }
            cx = (net_sigmoid(t[0]) + (float)column) * stride;
            cy = (net_sigmoid(t[1]) + (float)row) * stride;
            half_width = anchors[a][0] * net_exp(tw) * stride / 2.0f;
            half_height = anchors[a][1] * net_exp(th) * stride / 2.0f;
            if (isnan(cx) || isnan(cy) || isnan(half_width) || isnan(half_height)) continue;

            for (k = 0; k < NET_CLASSES; k++) {
                net_candidate candidate;
                candidate.score = objectness * (chances[k] / sum);
                if (!(candidate.score > score_threshold)) continue;
                candidate.index = (a * area + cell) * NET_CLASSES + k;
                candidate.x1 = cx - half_width;
                candidate.y1 = cy - half_height;
                candidate.x2 = cx + half_width;
                candidate.y2 = cy + half_height;
                count = net_offer(&candidate, count);
            }
        }
    }
    net_sort(count);
    return count;
}

static float net_clip(double x, int side)
{
    const float rounded = (float)x;

    if (rounded < 0.0f) return 0.0f;
    return rounded > (float)side ? (float)side : rounded;
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

/* What the map says of a picture of width x height: the best `capacity` detections. */
static int net_read_map(const float *map, int width, int height, float score_threshold,
                        net_detection *out, int capacity)
{
    static net_detection kept[NET_MAX_DETECTIONS];
    const int candidates = net_decode(map, score_threshold);
    const net_placement place = net_place(width, height);
    const double across = (double)width / (double)place.width;
    const double down = (double)height / (double)place.height;
    int count = 0, i, j;

    for (i = 0; i < candidates && count < NET_MAX_DETECTIONS; i++) {
        const net_candidate *candidate = &net_heap[i];
        net_detection box;

        box.x1 = net_clip(((double)candidate->x1 - place.left) * across, width);
        box.y1 = net_clip(((double)candidate->y1 - place.top) * down, height);
        box.x2 = net_clip(((double)candidate->x2 - place.left) * across, width);
        box.y2 = net_clip(((double)candidate->y2 - place.top) * down, height);
        box.score = candidate->score;
        box.label = candidate->index % NET_CLASSES;
        if (!(box.x2 > box.x1 && box.y2 > box.y1)) continue;
        for (j = 0; j < count; j++)
            if (kept[j].label == box.label && !(net_iou(&kept[j], &box) <= NET_IOU_THRESHOLD))
                break;
        if (j == count) kept[count++] = box;
    }
    if (count > capacity) count = capacity;
    for (i = 0; i < count; i++) out[i] = kept[i];
    return count;
}

int net_detect(const uint8_t *rgb, int width, int height, float score_threshold,
               net_detection *out, int capacity)
{
    if (rgb == NULL || width < 1 || height < 1 || width > NET_MAX_SIDE || height > NET_MAX_SIDE ||
        capacity < 0 || (out == NULL && capacity > 0) || isnan(score_threshold))
        return -1;
    net_prepare(rgb, width, height, NET_IMAGES);
    net_run(); /* which begins with a barrier */
    return net_read_map(NET_MAP, width, height, score_threshold, out, capacity);
}
