/* The mean of bytes: clamp(zero_point + ((sum of (x - in_zero_point) * multiplier[n] + 2^(shift - 1))
 * >> shift)), n being how many samples count. docs/integer-arithmetic.md, section 5.
 * in: [rows][columns][channels].  out: [out_rows][out_columns][channels].  sums: [channels], a
 * thread each. */
typedef struct {
    const net_window *window;
    int count_padding;
    const int32_t *multiplier;
    int shift, in_zero_point, zero_point;
    int32_t *sums;
    const uint8_t *in;
    uint8_t *out;
} net_average_pool_u8_step;

/* Output rows from ... to - 1. */
NET_ALWAYS_INLINE void net_average_pool_u8_part_body(void *context, int from, int to, int thread)
{
    const net_average_pool_u8_step *step = context;
    const net_window *s = step->window;
    const int count_padding = step->count_padding, channels = s->channels, shift = step->shift;
    const int in_zero_point = step->in_zero_point, zero_point = step->zero_point;
    const int64_t half = (int64_t)1 << (shift - 1);
    const int32_t *multiplier = step->multiplier;
    const uint8_t *in = step->in;
    uint8_t *out = step->out + from * s->out_columns * channels;
    int32_t *sums = step->sums + thread * channels;
    int y, x, u, v, c;

    for (y = from; y < to; y++) {
        const int top = y * s->stride_rows - s->top;
        const net_inside rows = net_taps_inside(top, s->kernel_rows, s->dilation_rows, s->rows);

        for (x = 0; x < s->out_columns; x++, out += channels) {
            const int left = x * s->stride_columns - s->left;
            const net_inside columns =
                net_taps_inside(left, s->kernel_columns, s->dilation_columns, s->columns);
            const int seen = (rows.end - rows.first) * (columns.end - columns.first);
            const int64_t m = multiplier[count_padding ? s->kernel_rows * s->kernel_columns : seen];

            for (c = 0; c < channels; c++) sums[c] = -seen * in_zero_point;
            for (u = rows.first; u < rows.end; u++) {
                for (v = columns.first; v < columns.end; v++) {
                    const uint8_t *pixel = in + ((top + u * s->dilation_rows) * s->columns + left +
                                                 v * s->dilation_columns) * channels;
                    for (c = 0; c < channels; c++) sums[c] += pixel[c];
                }
            }
            for (c = 0; c < channels; c++) {
                const int64_t mean = zero_point + ((sums[c] * m + half) >> shift);
                out[c] = (uint8_t)(mean < 0 ? 0 : mean > 255 ? 255 : mean);
            }
        }
    }
}

NET_IN_VARIANTS(net_average_pool_u8_part, (void *context, int from, int to, int thread),
                (context, from, to, thread))

static void net_average_pool_u8(const net_window *window, int count_padding,
                                const int32_t *multiplier, int shift, int in_zero_point,
                                int zero_point, int32_t *sums, const uint8_t *in, uint8_t *out)
{
    net_average_pool_u8_step step = {window,     count_padding, multiplier, shift, in_zero_point,
                                     zero_point, sums,          in,         out};

    net_parallel(net_average_pool_u8_part, &step, window->out_rows, net_window_cost(window));
}
