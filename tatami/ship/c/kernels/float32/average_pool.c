/* The mean under each place of the window; with `count_padding` the zeros around the map count, too.
 * in: [rows][columns][channels].  out: [out_rows][out_columns][channels]. */
NET_ALWAYS_INLINE void net_average_pool_body(const net_window *s, int count_padding,
                                             const float *in, float *out)
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

NET_IN_VARIANTS(net_average_pool,
                (const net_window *s, int count_padding, const float *in, float *out),
                (s, count_padding, in, out))
