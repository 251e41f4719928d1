/* Padding in front of and behind every axis: with one value, with the nearest sample (edge), or
 * with the mirror image, in which the sample at the edge comes once (reflect). */
typedef enum { NET_PAD_CONSTANT, NET_PAD_EDGE, NET_PAD_REFLECT } net_pad_mode;

typedef struct {
    net_pad_mode mode;
    int size; /* bytes of a sample */
    int channels, rows, columns;
    int out_channels, out_rows, out_columns;
    int before, top, left; /* in front of channels, rows and columns */
} net_pad_shape;

/* Which of `length` samples stands at place i, or -1 for the value. */
static int net_pad_source(net_pad_mode mode, int i, int length)
{
    if (i >= 0 && i < length) return i;
    if (mode == NET_PAD_CONSTANT) return -1;
    if (mode == NET_PAD_EDGE || length == 1) return i < 0 ? 0 : length - 1;
    while (i < 0 || i >= length) i = i < 0 ? -i : 2 * (length - 1) - i;
    return i;
}

/* in: [rows][columns][channels].  out: [out_rows][out_columns][out_channels].  value: a sample. */
static void net_pad(const net_pad_shape *s, const void *value, const void *in, void *out)
{
    const size_t size = (size_t)s->size;
    uint8_t *to = out;
    int y, x, c;

    for (y = 0; y < s->out_rows; y++) {
        const int row = net_pad_source(s->mode, y - s->top, s->rows);

        for (x = 0; x < s->out_columns; x++) {
            const int column = net_pad_source(s->mode, x - s->left, s->columns);
            const int outside = row < 0 || column < 0;
            const uint8_t *pixel =
                outside ? NULL
                        : (const uint8_t *)in +
                              (size_t)((row * s->columns + column) * s->channels) * size;

            if (!outside && s->before == 0 && s->out_channels == s->channels) {
                memcpy(to, pixel, (size_t)s->channels * size);
                to += (size_t)s->channels * size;
                continue;
            }
            for (c = 0; c < s->out_channels; c++, to += size) {
                const int channel = net_pad_source(s->mode, c - s->before, s->channels);
                memcpy(to, outside || channel < 0 ? value : pixel + (size_t)channel * size, size);
            }
        }
    }
}
