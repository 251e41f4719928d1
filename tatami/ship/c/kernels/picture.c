/* The picture rule, in integers alone until the very last step, which is a table: the same on every
 * machine. */

/* The triangle filter along one axis, from n samples to m: output i sees sources first ... last. */
typedef struct {
    int first, last;
    int64_t center, reach; /* weight(j) = reach - |(2j + 1) m - center|, where that is positive */
    uint64_t sum;          /* of the weights */
} net_filter;

static int64_t net_filter_weight(const net_filter *taps, int m, int j)
{
    const int64_t distance = (int64_t)(2 * j + 1) * m - taps->center;

    return taps->reach - (distance < 0 ? -distance : distance);
}

static net_filter net_filter_of(int n, int m, int i)
{
    net_filter taps;
    int j;

    taps.center = (int64_t)(2 * i + 1) * n;
    taps.reach = 2 * (int64_t)(n > m ? n : m);
    taps.first = taps.center > taps.reach ? (int)((taps.center - taps.reach) / (2 * m)) : 0;
    while (net_filter_weight(&taps, m, taps.first) <= 0) taps.first++;
    taps.sum = 0;
    for (j = taps.first; j < n && net_filter_weight(&taps, m, j) > 0; j++)
        taps.sum += (uint64_t)net_filter_weight(&taps, m, j);
    taps.last = j - 1;
    return taps;
}

/* What a byte of the canvas becomes in the network's input, plane by plane; and the plane of red,
 * green and blue. */
static const NET_INPUT net_levels[3][256] = NET_LEVELS;
static const int net_plane[3] = NET_PLANES;

/* Of every column of the resized picture: the same for all its lines. */
static net_filter net_across[NET_WIDTH];

/* One line of the resized picture, in the network's input: [NET_WIDTH][3]. */
static void net_resize_from(const net_lines *source, int height, net_placement place, int y,
                            NET_INPUT *images)
{
    const net_filter down = net_filter_of(height, place.height, y);
    NET_INPUT *pixels = images + ((place.top + y) * NET_WIDTH + place.left) * 3;
    int x, c, i, j;

    for (x = 0; x < place.width; x++, pixels += 3) {
        const net_filter across = net_across[x];
        const uint64_t weight = down.sum * across.sum;
        uint64_t total[3] = {weight / 2, weight / 2, weight / 2}; /* to round to the nearest */

        for (i = down.first; i <= down.last; i++) {
            const uint64_t row_weight = (uint64_t)net_filter_weight(&down, place.height, i);
            uint64_t sum[3] = {0, 0, 0};
            uint8_t rgb[3];

            for (j = across.first; j <= across.last; j++) {
                const uint8_t *pixel = net_pixel(source, i, j, rgb);
                const uint64_t w = (uint64_t)net_filter_weight(&across, place.width, j);
                sum[0] += w * pixel[0];
                sum[1] += w * pixel[1];
                sum[2] += w * pixel[2];
            }
            for (c = 0; c < 3; c++) total[c] += row_weight * sum[c];
        }
        for (c = 0; c < 3; c++)
            pixels[net_plane[c]] = net_levels[net_plane[c]][total[c] / weight];
    }
}

/* stride: the pixels from one line of rgb to the next. */
static void net_resize_line(const uint8_t *rgb, int stride, int height, net_placement place, int y,
                            NET_INPUT *images)
{
    const net_lines source = {rgb, NULL, 3 * (size_t)stride, 0, 0};

    net_resize_from(&source, height, place, y, images);
}

static void net_prepare_from(const net_lines *source, int width, int height, NET_INPUT *images)
{
    const net_placement place = net_place(width, height);
    int c, i;

    if (place.width < NET_WIDTH || place.height < NET_HEIGHT)
        for (i = 0; i < NET_WIDTH * NET_HEIGHT; i++)
            for (c = 0; c < 3; c++) images[3 * i + c] = net_levels[c][NET_PAD];
    for (i = 0; i < place.width; i++) net_across[i] = net_filter_of(width, place.width, i);
    for (i = 0; i < place.height; i++) net_resize_from(source, height, place, i, images);
}

void net_prepare(const uint8_t *rgb, int width, int height, NET_INPUT *images)
{
    const net_lines source = {rgb, NULL, 3 * (size_t)(width < 0 ? 0 : width), 0, 0};

    if (rgb == NULL || images == NULL || width < 1 || height < 1 || width > NET_MAX_SIDE ||
        height > NET_MAX_SIDE)
        return;
    net_prepare_from(&source, width, height, images);
}

#ifdef NET_FRAMES
int net_prepare_frame(const net_frame *frame, NET_INPUT *images)
{
    net_lines source;

    if (!net_is_frame(frame) || images == NULL) return -1;
    source.data = frame->data;
    source.chroma = frame->chroma;
    source.stride = frame->stride;
    source.chroma_stride = frame->chroma_stride;
    source.format = frame->format;
    net_prepare_from(&source, frame->width, frame->height, images);
    return 0;
}
#endif
