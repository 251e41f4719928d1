/* Part of a value: along each axis every so many samples, from a first one on; backwards where the
 * step is negative. */
typedef struct {
    int size; /* bytes of a sample */
    int channels, columns; /* of the input */
    int out_channels, out_rows, out_columns;
    int first, top, left; /* the first channel, row and column */
    int step, down, across; /* from one to the next */
} net_slice_shape;

/* in: [rows][columns][channels].  out: [out_rows][out_columns][out_channels]. */
static void net_slice(const net_slice_shape *s, const void *in, void *out)
{
    const size_t size = (size_t)s->size, pixel = (size_t)s->out_channels * size;
    const int whole = s->out_channels == s->channels && s->step == 1;
    uint8_t *to = out;
    int y, x, c;

    for (y = 0; y < s->out_rows; y++) {
        const int row = s->top + y * s->down;

        for (x = 0; x < s->out_columns; x++, to += pixel) {
            const int column = s->left + x * s->across;
            const uint8_t *from =
                (const uint8_t *)in + (size_t)((row * s->columns + column) * s->channels) * size;

            if (whole)
                memcpy(to, from, pixel);
            else
                for (c = 0; c < s->out_channels; c++)
                    memcpy(to + (size_t)c * size, from + (size_t)(s->first + c * s->step) * size,
                           size);
        }
    }
}
