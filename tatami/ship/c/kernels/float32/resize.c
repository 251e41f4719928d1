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
typedef struct {
    const net_sampling *sampling;
    const float *in;
    float *out;
} net_resize_step;

/* Output rows from ... to - 1. */
NET_ALWAYS_INLINE void net_resize_part_body(void *context, int from, int to, int thread)
{
    const net_resize_step *step = context;
    const net_sampling *s = step->sampling;
    const int channels = s->channels, pitch = s->columns * s->channels;
    const float *in = step->in;
    float *out = step->out + from * s->out_columns * channels;
    int y, x, c;

    (void)thread;
    for (y = from; y < to; y++) {
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

NET_IN_VARIANTS(net_resize_part, (void *context, int from, int to, int thread),
                (context, from, to, thread))

static void net_resize(const net_sampling *sampling, const float *in, float *out)
{
    net_resize_step step = {sampling, in, out};

    net_parallel(net_resize_part, &step, sampling->out_rows,
                 (int64_t)sampling->out_columns * sampling->channels / 4);
}
