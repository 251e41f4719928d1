/* The tile of conv.c for bytes with AVX2. vpmaddubsw would saturate, so bytes become words: four
 * outputs times four taps fill a register, vpmaddwd leaves two sums an output, and these are added
 * up at the end. Up to three pixels, twelve registers of sums. */
#if NET_X86
/* `pixels` is known where this is compiled in, so that all sums are registers. */
NET_FOR_AVX2_INLINE void net_pixels_avx2(const net_taps *t, const uint8_t *in,
                                         const int8_t *weights, const int32_t *bias, int32_t *sums,
                                         const int pixels)
{
    __m256i sum[3][4];
    int row, run, k, p, j;

    for (p = 0; p < pixels; p++)
        for (j = 0; j < 4; j++) sum[p][j] = _mm256_setzero_si256();
    for (row = 0; row < t->rows; row++) {
        for (run = 0; run < t->runs; run++) {
            const uint8_t *x = in + row * t->row_step + run * t->run_step;

            for (k = 0; k < t->dwords; k++, x += 4, weights += 64) {
                __m256i seen[3];

                for (p = 0; p < pixels; p++) {
                    int32_t four;
                    memcpy(&four, x + p * t->pixel_step, 4);
                    seen[p] = _mm256_broadcastq_epi64(_mm_cvtepu8_epi16(_mm_cvtsi32_si128(four)));
                }
                for (j = 0; j < 4; j++) {
                    const __m256i w = _mm256_cvtepi8_epi16(
                        _mm_loadu_si128((const __m128i *)(const void *)(weights + 16 * j)));
                    for (p = 0; p < pixels; p++)
                        sum[p][j] = _mm256_add_epi32(sum[p][j], _mm256_madd_epi16(w, seen[p]));
                }
            }
        }
    }
    for (p = 0; p < pixels; p++) {
        for (j = 0; j < 4; j += 2) { /* hadd works within 128 bits: outputs 0 1 4 5, 2 3 6 7 */
            const __m256i pairs = _mm256_permute4x64_epi64(
                _mm256_hadd_epi32(sum[p][j], sum[p][j + 1]), _MM_SHUFFLE(3, 1, 2, 0));
            _mm256_storeu_si256((__m256i *)(void *)(sums + 16 * p + 4 * j),
                                _mm256_add_epi32(pairs, net_load_avx2(bias + 4 * j)));
        }
    }
}

NET_FOR_AVX2 static void net_tile_int8_avx2(const net_taps *t, const uint8_t *in, int pixels,
                                            const void *weights, int panels, const void *bias,
                                            void *out)
{
    int32_t *sums = out;

    (void)panels; /* one */
    for (; pixels >= 3; pixels -= 3, in += 3 * t->pixel_step, sums += 48)
        net_pixels_avx2(t, in, weights, bias, sums, 3);
    if (pixels == 2) net_pixels_avx2(t, in, weights, bias, sums, 2);
    if (pixels == 1) net_pixels_avx2(t, in, weights, bias, sums, 1);
}
#endif
