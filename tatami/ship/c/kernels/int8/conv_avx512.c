/* The tile of conv.c for bytes with AVX-512 that lacks VNNI. vpmaddubsw would saturate, so bytes
 * become words: eight outputs times four taps fill a register, vpmaddwd leaves two sums an output,
 * and these are added up at the end. Up to eight pixels, 16 registers of sums. */
#if NET_X86
#include <immintrin.h>

/* `pixels` is known where this is compiled in, so that all sums are registers. */
NET_FOR_AVX512_INLINE void net_pixels_avx512(const net_taps *t, const uint8_t *in,
                                             const int8_t *weights, const int32_t *bias,
                                             int32_t *sums, const int pixels)
{
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    __m512i a[8], b[8];
    int row, run, k, p;

    for (p = 0; p < pixels; p++) a[p] = b[p] = _mm512_setzero_si512();
    for (row = 0; row < t->rows; row++) {
        for (run = 0; run < t->runs; run++) {
            const uint8_t *x = in + row * t->row_step + run * t->run_step;

            for (k = 0; k < t->dwords; k++, x += 4, weights += 64) {
                const __m512i wa = _mm512_cvtepi8_epi16(
                    _mm256_loadu_si256((const __m256i *)(const void *)weights));
                const __m512i wb = _mm512_cvtepi8_epi16(
                    _mm256_loadu_si256((const __m256i *)(const void *)(weights + 32)));
                for (p = 0; p < pixels; p++) {
                    int32_t four;
                    __m512i seen;
                    memcpy(&four, x + p * t->pixel_step, 4);
                    seen = _mm512_broadcastq_epi64(_mm_cvtepu8_epi16(_mm_cvtsi32_si128(four)));
                    a[p] = _mm512_add_epi32(a[p], _mm512_madd_epi16(wa, seen));
                    b[p] = _mm512_add_epi32(b[p], _mm512_madd_epi16(wb, seen));
                }
            }
        }
    }
    for (p = 0; p < pixels; p++)
        _mm512_storeu_si512(
            sums + 16 * p,
            _mm512_add_epi32(_mm512_loadu_si512(bias),
                             _mm512_add_epi32(_mm512_permutex2var_epi32(a[p], even, b[p]),
                                              _mm512_permutex2var_epi32(a[p], odd, b[p]))));
}

#define NET_TILE(P) \
    case P: net_pixels_avx512(t, in, weights, bias, sums, P); break;

NET_FOR_AVX512 static void net_tile_int8_avx512(const net_taps *t, const uint8_t *in, int pixels,
                                                const void *weights, int panels,
                                                const void *bias, void *sums)
{
    (void)panels; /* one */
    switch (pixels) {
        NET_TILE(1) NET_TILE(2) NET_TILE(3) NET_TILE(4)
        NET_TILE(5) NET_TILE(6) NET_TILE(7) NET_TILE(8)
    }
}

#undef NET_TILE
#endif
