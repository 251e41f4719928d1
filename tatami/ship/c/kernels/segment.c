/* The segmentation rule: the class of every pixel of the canvas, and of them those of the picture. */
static uint8_t net_labels[NET_HEIGHT * NET_WIDTH];

/* What the network says of its input is labels y1 ... y2 - 1, x1 ... x2 - 1, from its first on. */
static void net_label(int y1, int y2, int x1, int x2)
{
    int y, x, k;

    for (y = y1; y < y2; y++) {
        const float *logits = NET_LOGITS + (y - y1) * NET_COLUMNS * NET_CLASSES;

        for (x = x1; x < x2; x++, logits += NET_CLASSES) {
            int best = 0;

            for (k = 1; k < NET_CLASSES; k++)
                if (logits[k] > logits[best]) best = k;
            net_labels[y * NET_WIDTH + x] = (uint8_t)best;
        }
    }
}

#if NET_ROWS < NET_HEIGHT || NET_COLUMNS < NET_WIDTH
/* The network answers for the middle of its input: tile by tile, mirrored at the canvas's borders. */
static NET_INPUT net_canvas[NET_HEIGHT * NET_WIDTH * 3];

/* Place i of an axis, in mirrors on the middles of its end samples. */
static int net_mirrored(int i, int length)
{
    const int period = 2 * (length - 1);
    const int within = ((i % period) + period) % period;

    return within < period - within ? within : period - within;
}

static void net_cut(int top, int left)
{
    NET_INPUT *to = NET_IMAGES;
    int y, x;

    for (y = 0; y < NET_HEIGHT; y++) {
        const NET_INPUT *line = net_canvas + net_mirrored(top + y, NET_HEIGHT) * NET_WIDTH * 3;

        for (x = 0; x < NET_WIDTH; x++, to += 3)
            memcpy(to, line + net_mirrored(left + x, NET_WIDTH) * 3, 3 * sizeof *to);
    }
}

/* Where the next tile's answer begins: after this one's, the last where it ends with the axis; the
 * length behind the last. */
static int net_next(int begin, int answer, int length)
{
    if (begin + answer >= length) return length;
    return begin + 2 * answer < length ? begin + answer : length - answer;
}

static int net_label_canvas(const uint8_t *rgb, int width, int height)
{
    int y, x, below, right;

    net_prepare(rgb, width, height, net_canvas);
    for (y = 0; y < NET_HEIGHT; y = below) {
        below = net_next(y, NET_ROWS, NET_HEIGHT);
        for (x = 0; x < NET_WIDTH; x = right) {
            right = net_next(x, NET_COLUMNS, NET_WIDTH);
            net_cut(y - (NET_HEIGHT - NET_ROWS) / 2, x - (NET_WIDTH - NET_COLUMNS) / 2);
            if (net_run() != 0) return -2; /* it begins with a barrier */
            net_label(y, below, x, right);
        }
    }
    return 0;
}
#else
static int net_label_canvas(const uint8_t *rgb, int width, int height)
{
    net_prepare(rgb, width, height, NET_IMAGES);
    if (net_run() != 0) return -2; /* it begins with a barrier */
    net_label(0, NET_HEIGHT, 0, NET_WIDTH);
    return 0;
}
#endif

int net_segment(const uint8_t *rgb, int width, int height, uint8_t *labels)
{
    net_placement place;
    int y, x;

    if (rgb == NULL || labels == NULL || width < 1 || height < 1 || width > NET_MAX_SIDE ||
        height > NET_MAX_SIDE)
        return -1;
    if (net_label_canvas(rgb, width, height) != 0) return -2;
    place = net_place(width, height);
    for (y = 0; y < height; y++) {
        const int row = place.top + (2 * y + 1) * place.height / (2 * height);

        for (x = 0; x < width; x++) {
            const int column = place.left + (2 * x + 1) * place.width / (2 * width);
            *labels++ = net_labels[row * NET_WIDTH + column];
        }
    }
    return 0;
}
