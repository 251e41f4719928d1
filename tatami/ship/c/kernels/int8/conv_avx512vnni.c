/* The tile of conv.c with vpdpbusd: up to 14 pixels times 32 outputs, 28 sums of 16 lanes. */
#if NET_X86
#include <immintrin.h>

#define NET_FOR_VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define NET_FOR_VNNI_INLINE NET_FOR_VNNI __attribute__((always_inline)) static inline

/* Pixel i lies at q[i / 3] + i % 3 * step: with five pointers every address is one that the
 * processor adds up itself. `pixels` and `panels` are known where this is compiled in, so that all
 * sums are registers: a of the first panel, b of the second. */
#define NET_EACH(DO) \
    DO(0, 0, 0) DO(1, 0, 1) DO(2, 0, 2) DO(3, 1, 0) DO(4, 1, 1) DO(5, 1, 2) DO(6, 2, 0) \
    DO(7, 2, 1) DO(8, 2, 2) DO(9, 3, 0) DO(10, 3, 1) DO(11, 3, 2) DO(12, 4, 0) DO(13, 4, 1)
#define NET_BEGIN(i, j, k) __m512i a##i = bias_a, b##i = bias_b;
#define NET_ADD(i, j, k) \
    if (pixels > i) { \
        int32_t four; \
        memcpy(&four, q##j + k * step, 4); \
        a##i = _mm512_dpbusd_epi32(a##i, _mm512_set1_epi32(four), wa); \
        if (panels > 1) b##i = _mm512_dpbusd_epi32(b##i, _mm512_set1_epi32(four), wb); \
    }
#define NET_END(i, j, k) \
    if (pixels > i) { \
        _mm512_storeu_si512(sums + 16 * i, a##i); \
        if (panels > 1) _mm512_storeu_si512(sums + NET_PANEL_SUMS + 16 * i, b##i); \
    }

NET_FOR_VNNI_INLINE void net_tile_vnni(
    const net_taps *t, const uint8_t *in, const int8_t *weights, const int32_t *bias,
    int32_t *sums, const int pixels, const int panels)
{
    const ptrdiff_t step = t->pixel_step, panel_step = t->panel_step;
    const __m512i bias_a = _mm512_loadu_si512(bias);
    const __m512i bias_b = panels > 1 ? _mm512_loadu_si512(bias + 16) : bias_a;
    NET_EACH(NET_BEGIN)
    int row, run, k;

    for (row = 0; row < t->rows; row++, in += t->row_step) {
        const uint8_t *first = in;

        for (run = 0; run < t->runs; run++, first += t->run_step) {
            const uint8_t *q0 = first, *q1 = q0 + 3 * step, *q2 = q1 + 3 * step;
            const uint8_t *q3 = q2 + 3 * step, *q4 = q3 + 3 * step;

            for (k = t->dwords; k > 0; k--) {
                const __m512i wa = _mm512_loadu_si512(weights);
                const __m512i wb =
                    panels > 1 ? _mm512_loadu_si512(weights + panel_step) : wa;
                NET_EACH(NET_ADD)
                q0 += 4, q1 += 4, q2 += 4, q3 += 4, q4 += 4, weights += 64;
            }
        }
    }
    NET_EACH(NET_END)
}

#define NET_TILE(P) \
    case 2 * P: net_tile_vnni(t, in, weights, bias, sums, P, 1); break; \
    case 2 * P + 1: net_tile_vnni(t, in, weights, bias, sums, P, 2); break;

NET_FOR_VNNI static void net_tile_int8_avx512vnni(const net_taps *t, const uint8_t *in, int pixels,
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
#endif
