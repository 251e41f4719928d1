/* Bilinear: output row y is (1 - down[y]) times input row row[y] and down[y] times row2[y], and so
 * are columns. */
typedef struct {
    int channels, columns;
    int out_rows, out_columns;
    const int32_t *row, *row2;
    const float *down;
    const int32_t *column, *column2;
    const float *across;
} net_sampling;

/* in: [rows][columns][channels].  out: [out_rows][out_columns][channels]. */
NET_ALWAYS_INLINE void net_resize_body(const net_sampling *s, const float *in, float *out)
{
    const int channels = s->channels, pitch = s->columns * s->channels;
    int y, x, c;

    for (y = 0; y < s->out_rows; y++) {
        const float *upper = in + s->row[y] * pitch, *lower = in + s->row2[y] * pitch;
        const float down = s->down[y], up = 1.0f - down;

        for (x = 0; x < s->out_columns; x++, out += channels) {
            const int left = s->column[x] * channels, right = s->column2[x] * channels;
            const float across = s->across[x], back = 1.0f - across;

            for (c = 0; c < channels; c++) {
                const float first = upper[left + c] * up + lower[left + c] * down;
                const float second = upper[right + c] * up + lower[right + c] * down;
                out[c] = first * back + second * across;
            }
        }
    }
}

NET_IN_VARIANTS(net_resize, (const net_sampling *s, const float *in, float *out), (s, in, out))
