/* The tile of conv.c with vpdpbusd: up to 14 pixels times 32 outputs, 28 sums of 16 lanes. */
#if NET_X86
#include <immintrin.h>

#define NET_FOR_VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define NET_FOR_VNNI_INLINE NET_FOR_VNNI __attribute__((always_inline)) static inline

/* Pixels 0 to 6 lie at p, 7 to 13 at q, `step` bytes apart: with multiples of it every address is
 * one that the processor adds up itself. `pixels` and `panels` are known where this is compiled in,
 * so that all sums are registers: a of the first panel, b of the second. */
#define NET_EACH(DO) \
    DO(0, p) DO(1, p + step) DO(2, p + 2 * step) DO(3, p + step3) DO(4, p + 4 * step) \
    DO(5, p + step5) DO(6, p + 2 * step3) DO(7, q) DO(8, q + step) DO(9, q + 2 * step) \
    DO(10, q + step3) DO(11, q + 4 * step) DO(12, q + step5) DO(13, q + 2 * step3)
#define NET_BEGIN(i, at) __m512i a##i = bias_a, b##i = bias_b;
#define NET_ADD(i, at) \
    if (pixels > i) { \
        int32_t four; \
        memcpy(&four, at, 4); \
        a##i = _mm512_dpbusd_epi32(a##i, _mm512_set1_epi32(four), wa); \
        if (panels > 1) b##i = _mm512_dpbusd_epi32(b##i, _mm512_set1_epi32(four), wb); \
    }
#define NET_END(i, at) \
    if (pixels > i) { \
        _mm512_storeu_si512(sums + 16 * i, a##i); \
        if (panels > 1) _mm512_storeu_si512(sums + NET_PANEL_SUMS + 16 * i, b##i); \
    }

NET_FOR_VNNI_INLINE void net_tile_vnni(
    const net_taps *t, const uint8_t *in, const int8_t *weights, const int32_t *bias,
    int32_t *sums, const int pixels, const int panels)
{
    const ptrdiff_t step = t->pixel_step, step3 = 3 * step, step5 = 5 * step;
    const ptrdiff_t panel_step = t->panel_step, half = t->half, later = t->next_step;
    const __m512i bias_a = _mm512_loadu_si512(bias);
    const __m512i bias_b = panels > 1 ? _mm512_loadu_si512(bias + 16) : bias_a;
    NET_EACH(NET_BEGIN)
    const char *next = (const char *)weights + t->next;
    int row, run, k;

    for (row = 0; row < t->rows; row++, in += t->row_step) {
        const uint8_t *first = in;

        for (run = 0; run < t->runs; run++, first += t->run_step) {
            const uint8_t *p = first, *q = first + half;

            for (k = t->dwords; k > 0; k--) {
                const __m512i wa = _mm512_loadu_si512(weights);
                const __m512i wb =
                    panels > 1 ? _mm512_loadu_si512(weights + panel_step) : wa;
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
