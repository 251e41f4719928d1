/* The tile of conv.c for float32 with AVX2 and FMA: six pixels times 16 outputs, twelve sums of 8. */
#if NET_X86
#include <immintrin.h>

#define NET_FOR_FMA __attribute__((target("avx2,fma")))
#define NET_FOR_FMA_INLINE NET_FOR_FMA __attribute__((always_inline)) static inline

#define NET_EACH(DO) DO(0, 0, 0) DO(1, 0, 1) DO(2, 0, 2) DO(3, 1, 0) DO(4, 1, 1) DO(5, 1, 2)
#define NET_BEGIN(i, j, k) __m256 a##i = bias_a, b##i = bias_b;
#define NET_ADD(i, j, k) \
    if (pixels > i) { \
        float one; \
        memcpy(&one, q##j + k * step, 4); \
        a##i = _mm256_fmadd_ps(_mm256_set1_ps(one), wa, a##i); \
        b##i = _mm256_fmadd_ps(_mm256_set1_ps(one), wb, b##i); \
    }
#define NET_END(i, j, k) \
    if (pixels > i) { \
        _mm256_storeu_ps(sums + 16 * i, a##i); \
        _mm256_storeu_ps(sums + 16 * i + 8, b##i); \
    }

/* `pixels` is known where this is compiled in, so that all sums are registers. */
NET_FOR_FMA_INLINE void net_pixels_fma(const net_taps *t, const uint8_t *in, const float *weights,
                                       const float *bias, float *sums, const int pixels)
{
    const ptrdiff_t step = t->pixel_step;
    const __m256 bias_a = _mm256_loadu_ps(bias), bias_b = _mm256_loadu_ps(bias + 8);
    NET_EACH(NET_BEGIN)
    int row, run, k;

    for (row = 0; row < t->rows; row++, in += t->row_step) {
        const uint8_t *first = in;

        for (run = 0; run < t->runs; run++, first += t->run_step) {
            const uint8_t *q0 = first, *q1 = q0 + 3 * step;

            for (k = t->dwords; k > 0; k--, q0 += 4, q1 += 4, weights += 16) {
                const __m256 wa = _mm256_loadu_ps(weights), wb = _mm256_loadu_ps(weights + 8);
                NET_EACH(NET_ADD)
            }
        }
    }
    NET_EACH(NET_END)
}

#define NET_TILE(P) \
    case P: net_pixels_fma(t, in, weights, bias, sums, P); break;

NET_FOR_FMA static void net_tile_float_avx2(const net_taps *t, const uint8_t *in, int pixels,
                                            const void *weights, int panels, const void *bias,
                                            void *out)
{
    float *sums = out;

    (void)panels; /* one */
    for (; pixels > 0; pixels -= 6, in += 6 * t->pixel_step, sums += 96) {
        switch (pixels < 6 ? pixels : 6) {
            NET_TILE(1) NET_TILE(2) NET_TILE(3) NET_TILE(4) NET_TILE(5) NET_TILE(6)
        }
    }
}

#undef NET_EACH
#undef NET_BEGIN
#undef NET_ADD
#undef NET_END
#undef NET_TILE

/* x >= 0: x, below: x * slope; then between low and high. Leaky, clamp and linear are all of it. */
NET_FOR_FMA_INLINE __m256 net_result_avx2(const float *sums, __m256 slope, __m256 low, __m256 high)
{
    const __m256 x = _mm256_loadu_ps(sums);
    const __m256 leaned = _mm256_blendv_ps(
        x, _mm256_mul_ps(x, slope), _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_LT_OQ));

    /* max and min give their second operand where one is a NaN. */
    return _mm256_min_ps(high, _mm256_max_ps(low, leaned));
}

NET_FOR_FMA static void net_store_float_avx2(const net_results *r, int channel, int count,
                                             const void *from, int pixels, int pool, void *out,
                                             ptrdiff_t step)
{
    const net_activation a = r->activation;
    const int clamps = a.kind == NET_CLAMP;
    const __m256 slope = _mm256_set1_ps(a.kind == NET_LEAKY ? a.alpha : 1.0f);
    const __m256 low = _mm256_set1_ps(clamps ? a.low : -INFINITY);
    const __m256 high = _mm256_set1_ps(clamps ? a.high : INFINITY);
    const float *sums = from;
    float *to = out;

    (void)channel;
    for (; pixels > 0; pixels--, to += step, sums += pool ? 32 : 16) {
        float row[16];
        int j;

        for (j = 0; j < 16; j += 8) {
            const float *at = sums + j, *below = sums + 16 * pool + j;
            __m256 y = net_result_avx2(at, slope, low, high);

            if (pool) {
                y = _mm256_max_ps(y, net_result_avx2(at + 16, slope, low, high));
                y = _mm256_max_ps(y, _mm256_max_ps(net_result_avx2(below, slope, low, high),
                                                   net_result_avx2(below + 16, slope, low, high)));
            }
            _mm256_storeu_ps(row + j, y);
        }
        if (count == 16)
            memcpy(to, row, sizeof row);
        else
            memcpy(to, row, (size_t)count * sizeof *to);
    }
}
#endif
