/* The tile of conv.c for bytes in WebAssembly. Bytes become words; one instruction multiplies eight
 * of them and adds neighbors, so four taps of two outputs leave two sums each. Up to three pixels of
 * eight outputs at once: twelve registers of sums, which is what processors under a browser have. */
#if NET_WASM_SIMD
/* `pixels` is known where this is compiled in. sums: [pixels][16], of which eight are written. */
__attribute__((always_inline)) static inline void
net_pixels_simd128(const net_taps *t, const uint8_t *in, const int8_t *weights, const int32_t *bias,
                   int32_t *sums, const int pixels)
{
    v128_t sum[3][4];
    int row, run, k, p, j;

    for (p = 0; p < pixels; p++)
        for (j = 0; j < 4; j++) sum[p][j] = wasm_i32x4_splat(0);
    for (row = 0; row < t->rows; row++) {
        for (run = 0; run < t->runs; run++) {
            const uint8_t *x = in + row * t->row_step + run * t->run_step;

            for (k = 0; k < t->dwords; k++, x += 4, weights += 64) {
                v128_t seen[3];

                for (p = 0; p < pixels; p++)
                    seen[p] = wasm_u16x8_extend_low_u8x16(
                        wasm_v128_load32_splat(x + p * t->pixel_step));
                for (j = 0; j < 4; j++) {
                    const v128_t w = wasm_i16x8_load8x8(weights + 8 * j);
                    for (p = 0; p < pixels; p++)
                        sum[p][j] = wasm_i32x4_add(sum[p][j], wasm_i32x4_dot_i16x8(w, seen[p]));
                }
            }
        }
    }
    for (p = 0; p < pixels; p++) {
        for (j = 0; j < 4; j += 2) {
            const v128_t even = wasm_i32x4_shuffle(sum[p][j], sum[p][j + 1], 0, 2, 4, 6);
            const v128_t odd = wasm_i32x4_shuffle(sum[p][j], sum[p][j + 1], 1, 3, 5, 7);
            wasm_v128_store(sums + 16 * p + 2 * j,
                            wasm_i32x4_add(wasm_i32x4_add(even, odd), wasm_v128_load(bias + 2 * j)));
        }
    }
}

static void net_tile_int8_simd128(const net_taps *t, const uint8_t *in, int pixels,
                                  const void *weights, int panels, const void *bias, void *out)
{
    const int8_t *w = weights;
    const int32_t *b = bias;
    int32_t *sums = out;
    int half;

    (void)panels; /* one */
    for (; pixels > 0; pixels -= 3, in += 3 * t->pixel_step, sums += 48) {
        for (half = 0; half < 2; half++) {
            const int8_t *of_half = w + 32 * half;

            if (pixels >= 3)
                net_pixels_simd128(t, in, of_half, b + 8 * half, sums + 8 * half, 3);
            else if (pixels == 2)
                net_pixels_simd128(t, in, of_half, b + 8 * half, sums + 8 * half, 2);
            else
                net_pixels_simd128(t, in, of_half, b + 8 * half, sums + 8 * half, 1);
        }
    }
}
#endif
