/* The mean under each place of the window; with `count_padding` the zeros around the map count, too.
 * in: [rows][columns][channels].  out: [out_rows][out_columns][channels]. */
typedef struct {
    const net_window *window;
    int count_padding;
    const float *in;
    float *out;
} net_average_pool_step;

/* Output rows from ... to - 1. */
NET_ALWAYS_INLINE void net_average_pool_part_body(void *context, int from, int to, int thread)
{
    const net_average_pool_step *step = context;
    const net_window *s = step->window;
    const int count_padding = step->count_padding, channels = s->channels;
    const float *in = step->in;
    float *out = step->out + from * s->out_columns * channels;
    int y, x, u, v, c;

    (void)thread;
    for (y = from; y < to; y++) {
        const int top = y * s->stride_rows - s->top;
        const net_inside rows = net_taps_inside(top, s->kernel_rows, s->dilation_rows, s->rows);

        for (x = 0; x < s->out_columns; x++, out += channels) {
            const int left = x * s->stride_columns - s->left;
            const net_inside columns =
                net_taps_inside(left, s->kernel_columns, s->dilation_columns, s->columns);
            const int count = count_padding ? s->kernel_rows * s->kernel_columns
                                            : (rows.end - rows.first) *
                                                  (columns.end - columns.first);

            for (c = 0; c < channels; c++) out[c] = 0.0f;
            for (u = rows.first; u < rows.end; u++) {
                for (v = columns.first; v < columns.end; v++) {
                    const float *pixel = in + ((top + u * s->dilation_rows) * s->columns + left +
                                               v * s->dilation_columns) * channels;
                    for (c = 0; c < channels; c++) out[c] += pixel[c];
                }
            }
            for (c = 0; c < channels; c++) out[c] /= (float)count;
        }
    }
}

NET_IN_VARIANTS(net_average_pool_part, (void *context, int from, int to, int thread),
                (context, from, to, thread))

static void net_average_pool(const net_window *window, int count_padding, const float *in,
                             float *out)
{
    net_average_pool_step step = {window, count_padding, in, out};

    net_parallel(net_average_pool_part, &step, window->out_rows, net_window_cost(window));
}
