/* The tile of conv.c for float32 with AVX-512: up to 14 pixels times 32 outputs, 28 sums of 16. */
#if NET_X86
#include <immintrin.h>

#define NET_FOR_FMA512 __attribute__((target("avx512f,avx512vl,avx512dq")))
#define NET_FOR_FMA512_INLINE NET_FOR_FMA512 __attribute__((always_inline)) static inline

/* Pixels 0 to 6 lie at p, 7 to 13 at q, `step` bytes apart: with multiples of it every address is
 * one that the processor adds up itself. `pixels` and `panels` are known where this is compiled in,
 * so that all sums are registers: a of the first panel, b of the second. */
#define NET_EACH(DO) \
    DO(0, p) DO(1, p + step) DO(2, p + 2 * step) DO(3, p + step3) DO(4, p + 4 * step) \
    DO(5, p + step5) DO(6, p + 2 * step3) DO(7, q) DO(8, q + step) DO(9, q + 2 * step) \
    DO(10, q + step3) DO(11, q + 4 * step) DO(12, q + step5) DO(13, q + 2 * step3)
#define NET_BEGIN(i, at) __m512 a##i = bias_a, b##i = bias_b;
#define NET_ADD(i, at) \
    if (pixels > i) { \
        float one; \
        memcpy(&one, at, 4); \
        a##i = _mm512_fmadd_ps(_mm512_set1_ps(one), wa, a##i); \
        if (panels > 1) b##i = _mm512_fmadd_ps(_mm512_set1_ps(one), wb, b##i); \
    }
#define NET_END(i, at) \
    if (pixels > i) { \
        _mm512_storeu_ps(sums + 16 * i, a##i); \
        if (panels > 1) _mm512_storeu_ps(sums + NET_PANEL_SUMS + 16 * i, b##i); \
    }

NET_FOR_FMA512_INLINE void net_tile_fma512(const net_taps *t, const uint8_t *in,
                                           const uint8_t *weights, const float *bias, float *sums,
                                           const int pixels, const int panels)
{
    const ptrdiff_t step = t->pixel_step, step3 = 3 * step, step5 = 5 * step;
    const ptrdiff_t panel_step = t->panel_step, half = t->half, later = t->next_step;
    const __m512 bias_a = _mm512_loadu_ps(bias);
    const __m512 bias_b = panels > 1 ? _mm512_loadu_ps(bias + 16) : bias_a;
    NET_EACH(NET_BEGIN)
    const char *next = (const char *)weights + t->next;
    int row, run, k;

    for (row = 0; row < t->rows; row++, in += t->row_step) {
        const uint8_t *first = in;

        for (run = 0; run < t->runs; run++, first += t->run_step) {
            const uint8_t *p = first, *q = first + half;

            for (k = t->dwords; k > 0; k--) {
                const __m512 wa = _mm512_loadu_ps(weights);
                const __m512 wb = panels > 1 ? _mm512_loadu_ps(weights + panel_step) : wa;
                NET_EACH(NET_ADD)
                _mm_prefetch(next, _MM_HINT_T1);
                if (panels > 1) _mm_prefetch(next + panel_step, _MM_HINT_T1);
                p += 4, q += 4, weights += 64, next += later;
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

/* Of one panel. */
NET_FOR_FMA512_INLINE void net_store_sums_avx512(const net_results *r, int count, const float *sums,
                                                 int pixels, int pool, float *to, ptrdiff_t step)
{
    const net_activation a = r->activation;
    const int clamps = a.kind == NET_CLAMP;
    const __m512 slope = _mm512_set1_ps(a.kind == NET_LEAKY ? a.alpha : 1.0f);
    const __m512 low = _mm512_set1_ps(clamps ? a.low : -INFINITY);
    const __m512 high = _mm512_set1_ps(clamps ? a.high : INFINITY);
    const __mmask16 there = (__mmask16)((1u << count) - 1);

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

NET_FOR_FMA512 static void net_store_float_avx512(const net_results *r, int channel, int count,
                                                  const void *from, int pixels, int pool,
                                                  void *out, ptrdiff_t step)
{
    (void)channel;
    net_store_sums_avx512(r, count < 16 ? count : 16, from, pixels, pool, out, step);
    if (count > 16)
        net_store_sums_avx512(r, count - 16, (const float *)from + NET_PANEL_SUMS, pixels, pool,
                              (float *)out + 16, step);
}
#endif
