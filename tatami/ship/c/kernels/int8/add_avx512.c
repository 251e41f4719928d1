/* The sums of add_portable.c, 64 samples at a time. vpmaddwd multiplies pairs of 16 bits and adds them up: such
 * a pair is a sample of a beside that of b, and the multipliers, of 22 bits, are 128 h + l. Unpacking
 * works within 128 bits, and packing undoes it. */
#if NET_X86
#include <immintrin.h>

#define NET_FOR_ADD512 __attribute__((target("avx512f,avx512bw")))

/* words: eight pairs of each 256 bits.  parts: l and h of both multipliers, side by side. */
NET_FOR_ADD512 __attribute__((always_inline)) static inline __m512i net_add_pair_avx512(
    __m512i words, __m512i start, const __m512i parts[2], __m128i shift)
{
    const __m512i low = _mm512_madd_epi16(words, parts[0]);
    const __m512i high = _mm512_madd_epi16(_mm512_slli_epi16(words, 7), parts[1]);

    return _mm512_sra_epi32(_mm512_add_epi32(_mm512_add_epi32(low, start), high), shift);
}

NET_FOR_ADD512 static void net_add_vectors_avx512(const net_add_layer *layer, const uint8_t *a,
                                                  const uint8_t *b, int count, uint8_t *out)
{
    const int32_t ma = layer->a_multiplier, mb = layer->b_multiplier;
    const int32_t first = (int32_t)1 << (layer->shift - 1);
    const __m512i start =
        _mm512_set1_epi32(first - layer->a_zero_point * ma - layer->b_zero_point * mb);
    const __m512i parts[2] = {_mm512_set1_epi32((ma & 127) + (mb & 127) * 65536),
                              _mm512_set1_epi32((ma >> 7 & 65535) + (mb >> 7) * 65536)};
    const __m128i shift = _mm_cvtsi32_si128(layer->shift);
    const __m512i zero_point = _mm512_set1_epi16((short)layer->zero_point);
    const __m512i low = _mm512_set1_epi8((char)layer->low);
    const __m512i high = _mm512_set1_epi8((char)layer->high), none = _mm512_setzero_si512();

    for (; count > 0; count -= 64, a += 64, b += 64, out += 64) {
        const __mmask64 there = count < 64 ? ((__mmask64)1 << count) - 1 : ~(__mmask64)0;
        const __m512i p = _mm512_maskz_loadu_epi8(there, a), q = _mm512_maskz_loadu_epi8(there, b);
        const __m512i near = _mm512_unpacklo_epi8(p, q), far = _mm512_unpackhi_epi8(p, q);
        __m512i x = _mm512_packs_epi32(
            net_add_pair_avx512(_mm512_unpacklo_epi8(near, none), start, parts, shift),
            net_add_pair_avx512(_mm512_unpackhi_epi8(near, none), start, parts, shift));
        __m512i y = _mm512_packs_epi32(
            net_add_pair_avx512(_mm512_unpacklo_epi8(far, none), start, parts, shift),
            net_add_pair_avx512(_mm512_unpackhi_epi8(far, none), start, parts, shift));

        /* What saturates lies beyond the bounds, which are bytes. */
        x = _mm512_packus_epi16(_mm512_adds_epi16(x, zero_point), _mm512_adds_epi16(y, zero_point));
        x = _mm512_min_epu8(_mm512_max_epu8(x, low), high);
        if (count < 64)
            _mm512_mask_storeu_epi8(out, there, x);
        else
            _mm512_storeu_si512(out, x);
    }
}
#endif
