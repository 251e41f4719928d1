/* A detector in two stages: what lies between its two networks, as tatami/rules/regions.py says it. */

static NET_INPUT net_images[NET_HEIGHT * NET_WIDTH * 3];
static net_detection net_regions[NET_MAX_REGIONS];

/* A region cut to right x down pixels goes behind the others, unless it is too small. */
static int net_add_region(net_detection region, int right, int down, int count)
{
    float width, height;

    region.x1 = net_clip(region.x1, right);
    region.y1 = net_clip(region.y1, down);
    region.x2 = net_clip(region.x2, right);
    region.y2 = net_clip(region.y2, down);
    width = region.x2 - region.x1;
    height = region.y2 - region.y1;
    if (!(width >= NET_LEAST_SIDE && height >= NET_LEAST_SIDE && width > 0.0f && height > 0.0f))
        return count;
    net_regions[count] = region;
    return count + 1;
}

#if NET_PROPOSES
/* The regions that the maps propose, best first. */
static int net_propose(const float *const *maps)
{
    const int candidates = net_rpn_decode(maps, NET_RPN_SCORE_THRESHOLD);
    int count = 0, i, j;

    for (i = 0; i < candidates && count < NET_MAX_REGIONS; i++) {
        const net_rpn_candidate *candidate = &net_rpn_heap[i];
        net_detection region = {0};
        int added;

        region.x1 = candidate->x1;
        region.y1 = candidate->y1;
        region.x2 = candidate->x2;
        region.y2 = candidate->y2;
        added = net_add_region(region, NET_WIDTH, NET_HEIGHT, count);
        for (j = 0; j < count && added > count; j++)
            if (net_iou(&net_regions[j], &net_regions[count]) - NET_RPN_IOU_THRESHOLD > 0.0f)
                added = count;
        count = added;
    }
    return count;
}
#endif

#if NET_WARPS
/* Along one side, the pixels of the picture that a region and its surroundings show, first to below
 * last, and the samples of the input that they go to, low to below high. */
typedef struct {
    int first, last, low, high;
} net_span;

/* length: of the picture's side.  side: of the input's. */
static net_span net_span_of(float start, float end, int length, int side)
{
    const double grow = (double)side / (double)(side - 2 * NET_CONTEXT);
    const double center = ((double)start + (double)end) / 2.0;
    const double half = ((double)end - (double)start) / 2.0 * grow;
    int first = (int)floor(center - half + 0.5), last = (int)floor(center + half + 0.5);
    double ratio;
    net_span span;

    if (first > length - 1) first = length - 1;
    if (last < first + 1) last = first + 1;
    if (last < 1) last = 1;
    ratio = (double)side / (double)(last - first);
    span.first = first < 0 ? 0 : first;
    span.last = last > length ? length : last;
    span.low = (int)floor((double)(span.first - first) * ratio + 0.5);
    if (span.low > side - 1) span.low = side - 1;
    span.high = (int)floor((double)(span.last - first) * ratio + 0.5);
    if (span.high < span.low + 1) span.high = span.low + 1;
    return span;
}

/* A region and its surroundings become the network's input, whatever the region's shape. */
static void net_warp(const uint8_t *rgb, int width, int height, const net_detection *region)
{
    const net_span across = net_span_of(region->x1, region->x2, width, NET_WIDTH);
    const net_span down = net_span_of(region->y1, region->y2, height, NET_HEIGHT);
    const int columns = across.last - across.first, rows = down.last - down.first;
    net_placement place = {0, 0, 0, 0, 0.0, 0.0};
    int i, c;

    place.left = across.low;
    place.top = down.low;
    place.width = across.high - across.low;
    place.height = down.high - down.low;
    rgb += 3 * ((size_t)down.first * (size_t)width + (size_t)across.first);
    for (i = 0; i < NET_WIDTH * NET_HEIGHT; i++)
        for (c = 0; c < 3; c++) net_images[3 * i + c] = net_levels[c][NET_PAD];
    for (i = 0; i < place.width; i++) net_across[i] = net_filter_of(columns, place.width, i);
    for (i = 0; i < place.height; i++) net_resize_line(rgb, width, rows, place, i, net_images);
}
#else
static NET_FEATURE net_features[NET_FEATURE_ROWS * NET_FEATURE_COLUMNS * NET_FEATURE_CHANNELS];
static NET_FEATURE net_pooled[NET_BIN_ROWS * NET_BIN_COLUMNS * NET_FEATURE_CHANNELS];

/* Where bin i of n lies of a region's samples, and of the map's; first may be after last. */
static void net_bin(int start, int samples, int i, int n, int length, int *first, int *last)
{
    const int low = start + i * samples / n, high = start + ((i + 1) * samples + n - 1) / n;

    *first = low < 0 ? 0 : low > length ? length : low;
    *last = high < 0 ? 0 : high > length ? length : high;
}

static int net_edge(float x) { return (int)floor((double)x * (1.0 / NET_STRIDE) + 0.5); }

/* The largest sample in each bin of a region. */
static void net_pool_region(const net_detection *region)
{
    const int left = net_edge(region->x1), top = net_edge(region->y1);
    const int right = net_edge(region->x2), bottom = net_edge(region->y2);
    const int columns = right > left ? right - left : 1, rows = bottom > top ? bottom - top : 1;
    NET_FEATURE *out = net_pooled;
    int i, j, y, x, c;

    for (i = 0; i < NET_BIN_ROWS; i++) {
        int y1, y2;

        net_bin(top, rows, i, NET_BIN_ROWS, NET_FEATURE_ROWS, &y1, &y2);
        for (j = 0; j < NET_BIN_COLUMNS; j++, out += NET_FEATURE_CHANNELS) {
            int x1, x2;

            net_bin(left, columns, j, NET_BIN_COLUMNS, NET_FEATURE_COLUMNS, &x1, &x2);
            for (c = 0; c < NET_FEATURE_CHANNELS; c++) out[c] = NET_NOTHING; /* of a bin beyond the map */
            for (y = y1; y < y2; y++) {
                for (x = x1; x < x2; x++) {
                    const NET_FEATURE *in =
                        net_features + (y * NET_FEATURE_COLUMNS + x) * NET_FEATURE_CHANNELS;

                    for (c = 0; c < NET_FEATURE_CHANNELS; c++)
                        if ((y == y1 && x == x1) || in[c] > out[c]) out[c] = in[c];
                }
            }
        }
    }
}

#endif

/* The candidates of `regions` regions of a picture of width x height, sorted. */
static int net_judge(const uint8_t *rgb, int picture_width, int picture_height,
                     int regions, float score_threshold)
{
    static float numbers[NET_NUMBERS], offsets[4 * NET_CLASSES], scores[NET_NUMBERS];
    int count = 0, i, k;

    for (i = 0; i < regions; i++) {
        const net_detection *region = &net_regions[i];
        const float width = region->x2 - region->x1, height = region->y2 - region->y1;
        const float x = region->x1 + width / 2.0f, y = region->y1 + height / 2.0f;

#if NET_WARPS
        net_warp(rgb, picture_width, picture_height, region);
        net_head_forward(net_images, numbers, offsets);
#else
        (void)rgb;
        (void)picture_width;
        (void)picture_height;
        net_pool_region(region);
        net_head_forward(net_pooled, numbers, offsets);
#endif
        net_score(numbers, NET_NUMBERS, scores);
        for (k = 0; k < NET_CLASSES; k++) {
            const float *t = offsets + 4 * k;
            const float tw = t[2] * NET_VARIANCE_OF_SIDE, th = t[3] * NET_VARIANCE_OF_SIDE;
            const float cx = x + t[0] * NET_VARIANCE_OF_CENTER * width;
            const float cy = y + t[1] * NET_VARIANCE_OF_CENTER * height;
            const float w = width * net_exp(tw > 8.0f ? 8.0f : tw);
            const float h = height * net_exp(th > 8.0f ? 8.0f : th);
            net_candidate candidate;

            candidate.score = scores[NET_NUMBERS - NET_CLASSES + k];
            if (!(candidate.score > score_threshold)) continue;
            if (isnan(cx) || isnan(cy) || isnan(w) || isnan(h)) continue;
            candidate.index = i * NET_CLASSES + k;
            candidate.x1 = cx - w / 2.0f;
            candidate.y1 = cy - h / 2.0f;
            candidate.x2 = cx + w / 2.0f;
            candidate.y2 = cy + h / 2.0f;
            count = net_offer(&candidate, count);
        }
    }
    net_sort(count);
    return count;
}

#if NET_PROPOSES
int net_detect(const uint8_t *rgb, int width, int height, float score_threshold,
               net_detection *out, int capacity)
{
    static float map0[NET_RPN_MAP0], map1[NET_RPN_MAP1];
    const float *const maps[2] = {map0, map1};
    int count;

    if (rgb == NULL || width < 1 || height < 1 || width > NET_MAX_SIDE || height > NET_MAX_SIDE ||
        capacity < 0 || (out == NULL && capacity > 0) || isnan(score_threshold))
        return -1;
    net_prepare(rgb, width, height, net_images);
    net_features_forward(net_images, net_features, map0, map1);
    count = net_judge(rgb, width, height, net_propose(maps), score_threshold);
    return net_suppress(count, net_place(width, height), width, height, out, capacity);
}
#else
int net_detect_in(const uint8_t *rgb, int width, int height, const double (*regions)[4], int count,
                  float score_threshold, net_detection *out, int capacity)
{
    net_placement place = {0, 0, 0, 0, 0.0, 0.0};
    double across, down;
    int i, kept = 0;

    if (rgb == NULL || width < 1 || height < 1 || width > NET_MAX_SIDE || height > NET_MAX_SIDE ||
        capacity < 0 || (out == NULL && capacity > 0) || isnan(score_threshold) || count < 0 ||
        (regions == NULL && count > 0))
        return -1;
#if NET_WARPS
    place.width = width; /* regions stay in the picture's pixels */
    place.height = height;
#else
    place = net_place(width, height);
#endif
    across = (double)width / (double)place.width;
    down = (double)height / (double)place.height;
    for (i = 0; i < count && kept < NET_MAX_REGIONS; i++) {
        net_detection region = {0};

        region.x1 = (float)(regions[i][0] / across + place.x);
        region.y1 = (float)(regions[i][1] / down + place.y);
        region.x2 = (float)(regions[i][2] / across + place.x);
        region.y2 = (float)(regions[i][3] / down + place.y);
        kept = net_add_region(region, NET_WARPS ? width : NET_WIDTH,
                              NET_WARPS ? height : NET_HEIGHT, kept);
    }
#if !NET_WARPS
    net_prepare(rgb, width, height, net_images);
    net_features_forward(net_images, net_features);
#endif
    kept = net_judge(rgb, width, height, kept, score_threshold);
    return net_suppress(kept, place, width, height, out, capacity);
}
#endif
