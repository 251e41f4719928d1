/* The mean of bytes less 128 as LiteRT computes it, without the padding, halves away from zero:
 * docs/integer-arithmetic.md, section 13.
 * in: [rows][columns][channels].  out: [out_rows][out_columns][channels].  sums: [channels]. */
static void net_average_pool_whole(const net_window *s, int32_t *sums, const uint8_t *in,
                                   uint8_t *out)
{
    const int channels = s->channels;
    int y, x, u, v, c;

    for (y = 0; y < s->out_rows; y++) {
        const int top = y * s->stride_rows - s->top;
        const net_inside rows = net_taps_inside(top, s->kernel_rows, s->dilation_rows, s->rows);

        for (x = 0; x < s->out_columns; x++, out += channels) {
            const int left = x * s->stride_columns - s->left;
            const net_inside columns =
                net_taps_inside(left, s->kernel_columns, s->dilation_columns, s->columns);
            const int32_t seen = (rows.end - rows.first) * (columns.end - columns.first);

            for (c = 0; c < channels; c++) sums[c] = -128 * seen;
            for (u = rows.first; u < rows.end; u++) {
                for (v = columns.first; v < columns.end; v++) {
                    const uint8_t *pixel = in + ((top + u * s->dilation_rows) * s->columns + left +
                                                 v * s->dilation_columns) * channels;
                    for (c = 0; c < channels; c++) sums[c] += pixel[c];
                }
            }
            for (c = 0; c < channels; c++) {
                const int32_t half = sums[c] > 0 ? seen / 2 : -(seen / 2);

                out[c] = (uint8_t)((sums[c] + half) / seen + 128);
            }
        }
    }
}
