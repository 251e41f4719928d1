/* Samples back to the tap of the window that each came from; all other places are the zero point. The window
 * is that of the pool, which looked at [rows][columns] and made [out_rows][out_columns].
 * in, taps: [out_rows][out_columns][channels].  out: [rows][columns][channels]. */
static void net_max_unpool_u8(const net_window *s, int zero_point, const uint8_t *in, const uint8_t *taps,
                              uint8_t *out)
{
    const int channels = s->channels, samples = s->rows * s->columns * channels;
    int y, x, u, v, c, i;

    for (i = 0; i < samples; i++) out[i] = (uint8_t)zero_point;
    for (y = 0; y < s->out_rows; y++) {
        const int top = y * s->stride_rows - s->top;
        const net_inside rows = net_taps_inside(top, s->kernel_rows, s->dilation_rows, s->rows);

        for (x = 0; x < s->out_columns; x++, in += channels, taps += channels) {
            const int left = x * s->stride_columns - s->left;
            const net_inside columns =
                net_taps_inside(left, s->kernel_columns, s->dilation_columns, s->columns);

            for (u = rows.first; u < rows.end; u++) {
                for (v = columns.first; v < columns.end; v++) {
                    uint8_t *to = out + ((top + u * s->dilation_rows) * s->columns + left +
                                         v * s->dilation_columns) * channels;
                    const int tap = u * s->kernel_columns + v;
                    for (c = 0; c < channels; c++) to[c] = taps[c] == tap ? in[c] : to[c];
                }
            }
        }
    }
}
