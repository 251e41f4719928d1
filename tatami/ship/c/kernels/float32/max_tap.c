/* Which tap of the window sees the largest sample, counted in the order of reading; of equal ones the
 * first. Padding is left out. */
typedef struct {
    const net_window *window;
    const float *in;
    uint8_t *out;
} net_max_tap_step;

/* Output rows from ... to - 1. */
static void net_max_tap_part(void *context, int from, int to, int thread)
{
    const net_max_tap_step *step = context;
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
            uint8_t *out = step->out + (y * s->out_columns + x) * channels;

            for (c = 0; c < channels; c++) {
                float largest = -INFINITY;
                int tap = rows.first * s->kernel_columns + columns.first;

                for (u = rows.first; u < rows.end; u++) {
                    for (v = columns.first; v < columns.end; v++) {
                        const float sample =
                            step->in[((top + u * s->dilation_rows) * s->columns + left +
                                      v * s->dilation_columns) * channels + c];
                        if (sample > largest) {
                            largest = sample;
                            tap = u * s->kernel_columns + v;
                        }
                    }
                }
                out[c] = (uint8_t)tap;
            }
        }
    }
}

/* in: [rows][columns][channels].  out: [out_rows][out_columns][channels]. */
static void net_max_tap(const net_window *window, const float *in, uint8_t *out)
{
    net_max_tap_step step = {window, in, out};

    net_parallel(net_max_tap_part, &step, window->out_rows, net_window_cost(window));
}
