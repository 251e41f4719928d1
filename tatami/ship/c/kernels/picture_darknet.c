/* darknet's picture rule, in float32, one rounding an operation: docs/picture-rule.md, section 5. */

/* What a byte becomes in each plane, and what is around the picture. */
static const float net_levels[3][256] = NET_LEVELS;
static const float net_around[3] = NET_AROUND;
static const int net_plane[3] = NET_PLANES;

/* One value of the network's input. */
static void net_set_input(NET_INPUT *input, float value)
{
#if NET_INPUT_IS_BYTES
    net_quantize(NET_INPUT_SCALE, NET_INPUT_ZERO_POINT, &value, 1, input);
#else
    *input = value;
#endif
}

/* Output i of m, from n samples: the sample before it, and the part of the one after. */
static int net_tap(int n, int m, int i, float *part)
{
    const float step = (float)(n - 1) / (float)(m > 1 ? m - 1 : 1);
    const float place = (float)i * step;
    const int first = (int)place < n - 1 ? (int)place : n - 1;

    *part = place - (float)first;
    return first;
}

static void net_resize_line(const uint8_t *rgb, int width, int height, net_placement place, int y,
                            NET_INPUT *images)
{
    float down, across;
    const int upper = net_tap(height, place.height, y, &down);
    const int lines = y < place.height - 1 && height > 1 ? 2 : 1;
    NET_INPUT *pixels = images + ((place.top + y) * NET_WIDTH + place.left) * 3;
    int x, c, i;

    for (x = 0; x < place.width; x++, pixels += 3) {
        const int left = net_tap(width, place.width, x, &across);
        const int last = x == place.width - 1;
        const int right = left + 1 < width ? left + 1 : width - 1;

        for (c = 0; c < 3; c++) {
            const float *levels = net_levels[net_plane[c]];
            float sample[2], value;

            for (i = 0; i < lines; i++) {
                const int below = upper + i < height ? upper + i : height - 1;
                const uint8_t *line = rgb + 3 * (size_t)below * (size_t)width + c;
                sample[i] = last ? levels[line[3 * (width - 1)]]
                                 : (1.0f - across) * levels[line[3 * left]] +
                                       across * levels[line[3 * right]];
            }
            value = (1.0f - down) * sample[0];
            if (lines == 2) value += down * sample[1];
            net_set_input(&pixels[net_plane[c]], value);
        }
    }
}

void net_prepare(const uint8_t *rgb, int width, int height, NET_INPUT *images)
{
    net_placement place;
    int c, i;

    if (rgb == NULL || images == NULL || width < 1 || height < 1 || width > NET_MAX_SIDE ||
        height > NET_MAX_SIDE)
        return;
    place = net_place(width, height);
    if (place.width < NET_WIDTH || place.height < NET_HEIGHT)
        for (i = 0; i < NET_WIDTH * NET_HEIGHT; i++)
            for (c = 0; c < 3; c++) net_set_input(&images[3 * i + c], net_around[c]);
    for (i = 0; i < place.height; i++)
        net_resize_line(rgb, width, height, place, i, images);
}
