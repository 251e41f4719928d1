/* The tile of conv.c for float32, in plain C: two pixels of sixteen outputs at a time. GCC and clang
 * are told of four floats side by side, which they make the best of on every processor; other
 * compilers see the same loops over single numbers. */
#if defined(__GNUC__)
typedef float net_floats __attribute__((vector_size(16)));
#else
typedef float net_floats;
#endif

/* The same number in all places. */
static net_floats net_all(const uint8_t *at)
{
    float one;

    memcpy(&one, at, sizeof one);
#if defined(__GNUC__)
    return (net_floats){one, one, one, one};
#else
    return one;
#endif
}

/* Two pixels, `apart` bytes from one another; with 0 there is one. sums: [2][16]. */
static void net_pixels_float(const net_taps *t, const uint8_t *in, ptrdiff_t apart,
                             const uint8_t *weights, const void *bias, float *sums)
{
    enum { COUNT = 64 / sizeof(net_floats) };
    net_floats a[COUNT], b[COUNT], w[COUNT];
    int row, run, k, i;

    memcpy(a, bias, sizeof a);
    memcpy(b, bias, sizeof b);
    for (row = 0; row < t->rows; row++) {
        for (run = 0; run < t->runs; run++) {
            const uint8_t *x = in + row * t->row_step + run * t->run_step;

            for (k = 0; k < t->dwords; k++, x += 4, weights += 64) {
                const net_floats xa = net_all(x), xb = net_all(x + apart);

                memcpy(w, weights, sizeof w);
                for (i = 0; i < COUNT; i++) {
                    a[i] += w[i] * xa;
                    b[i] += w[i] * xb;
                }
            }
        }
    }
    memcpy(sums, a, sizeof a);
    if (apart != 0) memcpy(sums + 16, b, sizeof b);
}

static void net_tile_float_portable(const net_taps *t, const uint8_t *in, int pixels,
                                    const void *weights, int panels, const void *bias, void *out)
{
    float *sums = out;
    int p;

    (void)panels; /* one */
    for (p = 0; p < pixels; p += 2, in += 2 * t->pixel_step, sums += 32)
        net_pixels_float(t, in, p + 1 < pixels ? t->pixel_step : 0, weights, bias, sums);
}
