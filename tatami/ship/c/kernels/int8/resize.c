/* Bilinear on bytes, with weights of 11 bits and one rounding: docs/integer-arithmetic.md, section
 * 7. Output row y is (2^11 - down[y]) times input row row[y] and down[y] times row2[y]. */
typedef struct {
    int channels, columns;
    int out_rows, out_columns;
    const int32_t *row, *row2, *down;
    const int32_t *column, *column2, *across;
} net_sampling_u8;

/* in: [rows][columns][channels].  out: [out_rows][out_columns][channels]. */
typedef struct {
    const net_sampling_u8 *sampling;
    const uint8_t *in;
    uint8_t *out;
} net_resize_u8_step;

/* Output rows from ... to - 1. */
NET_ALWAYS_INLINE void net_resize_u8_part_body(void *context, int from, int to, int thread)
{
    const net_resize_u8_step *step = context;
    const net_sampling_u8 *s = step->sampling;
    const int channels = s->channels, pitch = s->columns * s->channels;
    const uint8_t *in = step->in;
    uint8_t *out = step->out + from * s->out_columns * channels;
    int y, x, c;

    (void)thread;
    for (y = from; y < to; y++) {
        const uint8_t *upper = in + s->row[y] * pitch, *lower = in + s->row2[y] * pitch;
        const int32_t down = s->down[y], up = 2048 - down;

        for (x = 0; x < s->out_columns; x++, out += channels) {
            const int left = s->column[x] * channels, right = s->column2[x] * channels;
            const int32_t across = s->across[x], back = 2048 - across;

            for (c = 0; c < channels; c++) {
                const int32_t first = upper[left + c] * up + lower[left + c] * down;
                const int32_t second = upper[right + c] * up + lower[right + c] * down;
                out[c] = (uint8_t)((first * back + second * across + (1 << 21)) >> 22);
            }
        }
    }
}

NET_IN_VARIANTS(net_resize_u8_part, (void *context, int from, int to, int thread),
                (context, from, to, thread))

static void net_resize_u8(const net_sampling_u8 *sampling, const uint8_t *in, uint8_t *out)
{
    net_resize_u8_step step = {sampling, in, out};

    net_parallel(net_resize_u8_part, &step, sampling->out_rows,
                 (int64_t)sampling->out_columns * sampling->channels / 4);
}
