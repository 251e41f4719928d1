/* The tile of conv.c for float32 with AVX-512: up to 14 pixels times 32 outputs, 28 sums of 16. */
#if NET_X86
#include <immintrin.h>

#define NET_FOR_FMA512 __attribute__((target("avx512f,avx512vl,avx512dq")))
#define NET_FOR_FMA512_INLINE NET_FOR_FMA512 __attribute__((always_inline)) static inline

/* Pixel i lies at q[i / 3] + i % 3 * step: with five pointers every address is one that the
 * processor adds up itself. `pixels` and `panels` are known where this is compiled in, so that all
 * sums are registers: a of the first panel, b of the second. */
#define NET_EACH(DO) \
    DO(0, 0, 0) DO(1, 0, 1) DO(2, 0, 2) DO(3, 1, 0) DO(4, 1, 1) DO(5, 1, 2) DO(6, 2, 0) \
    DO(7, 2, 1) DO(8, 2, 2) DO(9, 3, 0) DO(10, 3, 1) DO(11, 3, 2) DO(12, 4, 0) DO(13, 4, 1)
#define NET_BEGIN(i, j, k) __m512 a##i = bias_a, b##i = bias_b;
#define NET_ADD(i, j, k) \
    if (pixels > i) { \
        float one; \
        memcpy(&one, q##j + k * step, 4); \
        a##i = _mm512_fmadd_ps(_mm512_set1_ps(one), wa, a##i); \
        if (panels > 1) b##i = _mm512_fmadd_ps(_mm512_set1_ps(one), wb, b##i); \
    }
#define NET_END(i, j, k) \
    if (pixels > i) { \
        _mm512_storeu_ps(sums + 16 * i, a##i); \
        if (panels > 1) _mm512_storeu_ps(sums + NET_PANEL_SUMS + 16 * i, b##i); \
    }

NET_FOR_FMA512_INLINE void net_tile_fma512(const net_taps *t, const uint8_t *in,
                                           const uint8_t *weights, const float *bias, float *sums,
                                           const int pixels, const int panels)
{
    const ptrdiff_t step = t->pixel_step, panel_step = t->panel_step;
    const __m512 bias_a = _mm512_loadu_ps(bias);
    const __m512 bias_b = panels > 1 ? _mm512_loadu_ps(bias + 16) : bias_a;
    NET_EACH(NET_BEGIN)
    int row, run, k;

    for (row = 0; row < t->rows; row++, in += t->row_step) {
        const uint8_t *first = in;

        for (run = 0; run < t->runs; run++, first += t->run_step) {
            const uint8_t *q0 = first, *q1 = q0 + 3 * step, *q2 = q1 + 3 * step;
            const uint8_t *q3 = q2 + 3 * step, *q4 = q3 + 3 * step;

            for (k = t->dwords; k > 0; k--) {
                const __m512 wa = _mm512_loadu_ps(weights);
                const __m512 wb = panels > 1 ? _mm512_loadu_ps(weights + panel_step) : wa;
                NET_EACH(NET_ADD)
                q0 += 4, q1 += 4, q2 += 4, q3 += 4, q4 += 4, weights += 64;
            }
        }
    }
    NET_EACH(NET_END)
}

#define NET_TILE(P) \
    case 2 * P: net_tile_fma512(t, in, weights, bias, sums, P, 1); break; \
    case 2 * P + 1: net_tile_fma512(t, in, weights, bias, sums, P, 2); break;

NET_FOR_FMA512 static void net_tile_float_avx512(const net_taps *t, const uint8_t *in, int pixels,
                                                 const void *weights, int panels,
                                                 const void *bias, void *sums)
{
    switch (2 * pixels + panels - 1) {
        NET_TILE(1) NET_TILE(2) NET_TILE(3) NET_TILE(4) NET_TILE(5) NET_TILE(6) NET_TILE(7)
        NET_TILE(8) NET_TILE(9) NET_TILE(10) NET_TILE(11) NET_TILE(12) NET_TILE(13) NET_TILE(14)
    }
}

#undef NET_EACH
#undef NET_BEGIN
#undef NET_ADD
#undef NET_END
#undef NET_TILE

/* x >= 0: x, below: x * slope; then between low and high. Leaky, clamp and linear are all of it. */
NET_FOR_FMA512_INLINE __m512 net_result_avx512(const float *sums, __m512 slope, __m512 low,
                                               __m512 high)
{
    const __m512 x = _mm512_loadu_ps(sums);
    const __mmask16 below = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ);

    /* max and min give their second operand where one is a NaN. */
    return _mm512_min_ps(high, _mm512_max_ps(low, _mm512_mask_mul_ps(x, below, x, slope)));
}

NET_FOR_FMA512 static void net_store_float_avx512(const net_results *r, int channel, int count,
                                                  const void *from, int pixels, int pool,
                                                  void *out, ptrdiff_t step)
{
    const net_activation a = r->activation;
    const int clamps = a.kind == NET_CLAMP;
    const __m512 slope = _mm512_set1_ps(a.kind == NET_LEAKY ? a.alpha : 1.0f);
    const __m512 low = _mm512_set1_ps(clamps ? a.low : -INFINITY);
    const __m512 high = _mm512_set1_ps(clamps ? a.high : INFINITY);
    const __mmask16 there = (__mmask16)((1u << count) - 1);
    const float *sums = from;
    float *to = out;

    (void)channel;
    for (; pixels > 0; pixels--, to += step, sums += pool ? 32 : 16) {
        __m512 y = net_result_avx512(sums, slope, low, high);

        if (pool) {
            const float *below = sums + 16 * pool;
            y = _mm512_max_ps(y, net_result_avx512(sums + 16, slope, low, high));
            y = _mm512_max_ps(y, _mm512_max_ps(net_result_avx512(below, slope, low, high),
                                               net_result_avx512(below + 16, slope, low, high)));
        }
        if (count == 16)
            _mm512_storeu_ps(to, y);
        else
            _mm512_mask_storeu_ps(to, there, y);
    }
}
#endif
