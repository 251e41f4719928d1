/* The tile of conv.c for bytes in WebAssembly. Bytes become words; one instruction multiplies eight
 * of them and adds neighbors, so four taps of two outputs leave two sums each. Up to three pixels of
 * eight outputs at once, or six of four: twelve registers of sums, which is what processors under a
 * browser have. A layer of few outputs has no more of a panel computed than these. */
#if NET_WASM_SIMD
/* `pixels` and `pairs` of outputs, 12 registers at most, are known where this is compiled in.
 * sums: [pixels][16], of which 2 * pairs are written. */
__attribute__((always_inline)) static inline void
net_pixels_simd128(const net_taps *t, const uint8_t *in, const int8_t *weights, const int32_t *bias,
                   int32_t *sums, const int pixels, const int pairs)
{
    v128_t sum[6][4];
    int row, run, k, p, j;

    for (p = 0; p < pixels; p++)
        for (j = 0; j < pairs; j++) sum[p][j] = wasm_i32x4_splat(0);
    for (row = 0; row < t->rows; row++) {
        for (run = 0; run < t->runs; run++) {
            const uint8_t *x = in + row * t->row_step + run * t->run_step;

            for (k = 0; k < t->dwords; k++, x += 4, weights += 64) {
                v128_t seen[6];

                for (p = 0; p < pixels; p++)
                    seen[p] = wasm_u16x8_extend_low_u8x16(
                        wasm_v128_load32_splat(x + p * t->pixel_step));
                for (j = 0; j < pairs; j++) {
                    const v128_t w = wasm_i16x8_load8x8(weights + 8 * j);
                    for (p = 0; p < pixels; p++)
                        sum[p][j] = wasm_i32x4_add(sum[p][j], wasm_i32x4_dot_i16x8(w, seen[p]));
                }
            }
        }
    }
    for (p = 0; p < pixels; p++) {
        for (j = 0; j < pairs; j += 2) {
            const v128_t even = wasm_i32x4_shuffle(sum[p][j], sum[p][j + 1], 0, 2, 4, 6);
            const v128_t odd = wasm_i32x4_shuffle(sum[p][j], sum[p][j + 1], 1, 3, 5, 7);
            wasm_v128_store(sums + 16 * p + 2 * j,
                            wasm_i32x4_add(wasm_i32x4_add(even, odd), wasm_v128_load(bias + 2 * j)));
        }
    }
}

/* Up to six pixels of up to four outputs. */
static void net_few_simd128(const net_taps *t, const uint8_t *in, int pixels, const int8_t *weights,
                            const int32_t *bias, int32_t *sums)
{
    switch (pixels) {
    case 6: net_pixels_simd128(t, in, weights, bias, sums, 6, 2); break;
    case 5: net_pixels_simd128(t, in, weights, bias, sums, 5, 2); break;
    case 4: net_pixels_simd128(t, in, weights, bias, sums, 4, 2); break;
    case 3: net_pixels_simd128(t, in, weights, bias, sums, 3, 2); break;
    case 2: net_pixels_simd128(t, in, weights, bias, sums, 2, 2); break;
    default: net_pixels_simd128(t, in, weights, bias, sums, 1, 2); break;
    }
}

static void net_tile_int8_simd128(const net_taps *t, const uint8_t *in, int pixels,
                                  const void *weights, int panels, const void *bias, void *out)
{
    const int8_t *w = weights;
    const int32_t *b = bias;
    const int halves = t->outputs > 8 ? 2 : 1;
    int32_t *sums = out;
    int half;

    (void)panels; /* one */
    if (t->outputs <= 4) {
        net_few_simd128(t, in, pixels, w, b, sums);
        return;
    }
    for (; pixels > 0; pixels -= 3, in += 3 * t->pixel_step, sums += 48) {
        for (half = 0; half < halves; half++) {
            const int8_t *of_half = w + 32 * half;

            if (pixels >= 3)
                net_pixels_simd128(t, in, of_half, b + 8 * half, sums + 8 * half, 3, 4);
            else if (pixels == 2)
                net_pixels_simd128(t, in, of_half, b + 8 * half, sums + 8 * half, 2, 4);
            else
                net_pixels_simd128(t, in, of_half, b + 8 * half, sums + 8 * half, 1, 4);
        }
    }
}
#endif
