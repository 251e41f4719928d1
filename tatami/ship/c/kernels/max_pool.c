/* The largest sample under each place of the window. Padding is left out, so it never wins. */
typedef struct {
    int channels, rows, columns;
    int out_rows, out_columns;
    int kernel_rows, kernel_columns;
    int stride_rows, stride_columns;
    int dilation_rows, dilation_columns;
    int top, left; /* padding */
} net_max_pool_shape;

/* in: [channels][rows][columns].  out: [channels][out_rows][out_columns]. */
static void net_max_pool(const net_max_pool_shape *s, const float *in, float *out)
{
    int c, y, x, u, v;

    for (c = 0; c < s->channels; c++, in += s->rows * s->columns) {
        for (y = 0; y < s->out_rows; y++, out += s->out_columns) {
            for (x = 0; x < s->out_columns; x++) out[x] = -INFINITY;
            for (u = 0; u < s->kernel_rows; u++) {
                const int in_y = y * s->stride_rows + u * s->dilation_rows - s->top;
                const float *line = in + in_y * s->columns;

                if (in_y < 0 || in_y >= s->rows) continue;
                for (v = 0; v < s->kernel_columns; v++) {
                    const int shift = v * s->dilation_columns - s->left;
                    const int stride = s->stride_columns;
                    int from = 0, to = s->out_columns; /* where this tap is inside the line */

                    while (from < to && from * stride + shift < 0) from++;
                    while (to > from && (to - 1) * stride + shift >= s->columns) to--;
                    for (x = from; x < to; x++) {
                        const float sample = line[x * stride + shift];
                        out[x] = sample > out[x] ? sample : out[x];
                    }
                }
            }
        }
    }
}
