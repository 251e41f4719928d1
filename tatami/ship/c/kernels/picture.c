/* The picture rule, in integers alone until the very last step: the same bytes on every machine. */

typedef struct {
    int left, top, width, height; /* where the resized picture lies on the network's input */
} net_placement;

static net_placement net_place(int width, int height)
{
    net_placement place = {0, 0, NET_WIDTH, NET_HEIGHT};

#if NET_LETTERBOX
    if ((int64_t)NET_WIDTH * height <= (int64_t)NET_HEIGHT * width)
        place.height = (int)(((int64_t)2 * height * NET_WIDTH + width) / (2 * width));
    else
        place.width = (int)(((int64_t)2 * width * NET_HEIGHT + height) / (2 * height));
    if (place.height < 1) place.height = 1;
    if (place.width < 1) place.width = 1;
    place.left = (NET_WIDTH - place.width) / 2;
    place.top = (NET_HEIGHT - place.height) / 2;
#else
    (void)width;
    (void)height;
#endif
    return place;
}

/* The triangle filter along one axis, from n samples to m: output i sees sources first ... last. */
typedef struct {
    int first, last;
    int64_t centre, reach; /* weight(j) = reach - |(2j + 1) m - centre|, where that is positive */
    uint64_t sum;          /* of the weights */
} net_taps;

static int64_t net_weight(const net_taps *taps, int m, int j)
{
    const int64_t distance = (int64_t)(2 * j + 1) * m - taps->centre;

    return taps->reach - (distance < 0 ? -distance : distance);
}

static net_taps net_taps_of(int n, int m, int i)
{
    net_taps taps;
    int j;

    taps.centre = (int64_t)(2 * i + 1) * n;
    taps.reach = 2 * (int64_t)(n > m ? n : m);
    taps.first = taps.centre > taps.reach ? (int)((taps.centre - taps.reach) / (2 * m)) : 0;
    while (net_weight(&taps, m, taps.first) <= 0) taps.first++;
    taps.sum = 0;
    for (j = taps.first; j < n && net_weight(&taps, m, j) > 0; j++)
        taps.sum += (uint64_t)net_weight(&taps, m, j);
    taps.last = j - 1;
    return taps;
}

/* One line of the resized picture, as three lines of the network's input. */
static void net_resize_line(const uint8_t *rgb, int width, int height, net_placement place, int y,
                            float *images)
{
    static const float mean[3] = NET_MEAN, scale[3] = NET_SCALE;
    static const int plane[3] = NET_PLANES; /* of red, green and blue */
    const int area = NET_WIDTH * NET_HEIGHT;
    const net_taps down = net_taps_of(height, place.height, y);
    float *line = images + (place.top + y) * NET_WIDTH + place.left;
    int x, c, i, j;

    for (x = 0; x < place.width; x++) {
        const net_taps across = net_taps_of(width, place.width, x);
        const uint64_t weight = down.sum * across.sum;
        uint64_t total[3] = {weight / 2, weight / 2, weight / 2}; /* to round to the nearest */

        for (i = down.first; i <= down.last; i++) {
            const uint64_t row_weight = (uint64_t)net_weight(&down, place.height, i);
            const uint8_t *pixel = rgb + 3 * ((size_t)i * (size_t)width + (size_t)across.first);
            uint64_t sum[3] = {0, 0, 0};

            for (j = across.first; j <= across.last; j++, pixel += 3) {
                const uint64_t w = (uint64_t)net_weight(&across, place.width, j);
                sum[0] += w * pixel[0];
                sum[1] += w * pixel[1];
                sum[2] += w * pixel[2];
            }
            for (c = 0; c < 3; c++) total[c] += row_weight * sum[c];
        }
        for (c = 0; c < 3; c++)
            line[plane[c] * area + x] =
                ((float)(total[c] / weight) - mean[plane[c]]) * scale[plane[c]];
    }
}

void net_prepare(const uint8_t *rgb, int width, int height, float *images)
{
    static const float mean[3] = NET_MEAN, scale[3] = NET_SCALE;
    const int area = NET_WIDTH * NET_HEIGHT;
    net_placement place;
    int c, i;

    if (rgb == NULL || images == NULL || width < 1 || height < 1 || width > NET_MAX_SIDE ||
        height > NET_MAX_SIDE)
        return;
    place = net_place(width, height);
    if (place.width < NET_WIDTH || place.height < NET_HEIGHT)
        for (c = 0; c < 3; c++)
            for (i = 0; i < area; i++)
                images[c * area + i] = ((float)NET_PAD - mean[c]) * scale[c];
    for (i = 0; i < place.height; i++)
        net_resize_line(rgb, width, height, place, i, images);
}
