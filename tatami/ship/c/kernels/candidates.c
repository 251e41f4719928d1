/* The decoding rule: maps to boxes, best first (ties by index), then suppression. */

typedef struct {
    float score;
    int index; /* ((anchor * rows + row) * columns + column) * classes + class, grid after grid */
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

/* Cells, cut to what no box needs more of; a NaN stays. */
static float net_cells(float x)
{
    if (x < -65536.0f) return -65536.0f;
    return x > 65536.0f ? 65536.0f : x;
}

static float net_cut(float x)
{
    if (x < 0.0f) return 0.0f;
    return x > 1.0f ? 1.0f : x;
}

/* The scores of `count` classes: softmax of their numbers, the sigmoid of each, or as they are. */
static void net_score(const float *numbers, int count, float *scores)
{
    int k;
#if NET_SCORES_SOFTMAX
    float largest = numbers[0], sum = 0.0f;

    for (k = 1; k < count; k++)
        if (numbers[k] > largest) largest = numbers[k];
    for (k = 0; k < count; k++) {
        scores[k] = net_exp(numbers[k] - largest);
        sum += scores[k];
    }
    for (k = 0; k < count; k++) scores[k] /= sum;
#elif NET_SCORES_SIGMOID
    for (k = 0; k < count; k++) scores[k] = net_sigmoid(numbers[k]);
#else
    for (k = 0; k < count; k++) scores[k] = net_cut(numbers[k]);
#endif
}

/* Offer a box for each class whose score exceeds the threshold: index is the first class's. */
static int net_offer_box(float cx, float cy, float width, float height, const float *scores,
                         float score_threshold, int index, int count)
{
    int k;

    if (isnan(cx) || isnan(cy) || isnan(width) || isnan(height)) return count;
    for (k = 0; k < NET_CLASSES; k++) {
        net_candidate candidate;

        candidate.score = scores[k];
        if (!(candidate.score > score_threshold)) continue;
        candidate.index = index + k;
        candidate.x1 = cx - width / 2.0f;
        candidate.y1 = cy - height / 2.0f;
        candidate.x2 = cx + width / 2.0f;
        candidate.y2 = cy + height / 2.0f;
        count = net_offer(&candidate, count);
    }
    return count;
}
