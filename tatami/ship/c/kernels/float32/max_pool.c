/* The largest sample under each place of the window. Padding is left out, so it never wins. */
typedef struct {
    const net_window *window;
    const float *in;
    float *out;
} net_max_pool_step;

/* Output rows from ... to - 1. */
NET_ALWAYS_INLINE void net_max_pool_part_body(void *context, int from, int to, int thread)
{
    const net_max_pool_step *step = context;
    const net_window *s = step->window;
    const int channels = s->channels;
    int y, x, u, v, c;

    (void)thread;
    for (y = from; y < to; y++) {
        const int top = y * s->stride_rows - s->top;
        const net_inside rows = net_taps_inside(top, s->kernel_rows, s->dilation_rows, s->rows);

        for (x = 0; x < s->out_columns; x++) {
            const int left = x * s->stride_columns - s->left;
            const net_inside columns =
                net_taps_inside(left, s->kernel_columns, s->dilation_columns, s->columns);
            float *out = step->out + (y * s->out_columns + x) * channels;

            for (c = 0; c < channels; c++) out[c] = -INFINITY;
            for (u = rows.first; u < rows.end; u++) {
                for (v = columns.first; v < columns.end; v++) {
                    const float *in = step->in + ((top + u * s->dilation_rows) * s->columns + left +
                                                  v * s->dilation_columns) * channels;
                    for (c = 0; c < channels; c++) out[c] = in[c] > out[c] ? in[c] : out[c];
                }
            }
        }
    }
}

NET_IN_VARIANTS(net_max_pool_part,
                (void *context, int from, int to, int thread), (context, from, to, thread))

/* in: [rows][columns][channels].  out: [out_rows][out_columns][channels]. */
static void net_max_pool(const net_window *window, const float *in, float *out)
{
    net_max_pool_step step = {window, in, out};

    net_parallel(net_max_pool_part, &step, window->out_rows, net_window_cost(window));
}
