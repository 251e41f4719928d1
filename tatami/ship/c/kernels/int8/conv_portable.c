/* The tile of conv.c for bytes, in plain C. */
static void net_tile_int8_portable(const net_taps *t, const uint8_t *in, int pixels,
                                   const void *weights, int panels, const void *bias, void *out)
{
    int32_t *sums = out;
    int p, row, run, k, o;

    (void)panels; /* one */
    for (p = 0; p < pixels; p++, in += t->pixel_step, sums += 16) {
        const int8_t *w = weights;

        memcpy(sums, bias, 16 * sizeof *sums);
        for (row = 0; row < t->rows; row++) {
            for (run = 0; run < t->runs; run++) {
                const uint8_t *x = in + row * t->row_step + run * t->run_step;

                for (k = 0; k < t->dwords; k++, x += 4, w += 64)
                    for (o = 0; o < 16; o++)
                        sums[o] += w[4 * o] * x[0] + w[4 * o + 1] * x[1] + w[4 * o + 2] * x[2] +
                                   w[4 * o + 3] * x[3];
            }
        }
    }
}
