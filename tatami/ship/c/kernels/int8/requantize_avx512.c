/* requantize.c, sixteen channels at a time. With shift >= 33, floor(sum * m / 2^(shift - 1)) is the
 * high half of the product shifted right by shift - 33; (that + 1) >> 1 is the result, rounded half
 * up, and vpmulhrsw computes it after the sums have been packed to 16 bits, where saturation does
 * no harm: 255 and 0 are nearer than its bounds. */
#if NET_X86
#include <immintrin.h>

#define NET_FOR_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define NET_FOR_AVX512_INLINE NET_FOR_AVX512 __attribute__((always_inline)) static inline

NET_FOR_AVX512_INLINE __m512i net_pooled_avx512(const int32_t *sums, int pool)
{
    if (pool == 0) return _mm512_loadu_si512(sums);
    return _mm512_max_epi32(
        _mm512_max_epi32(_mm512_loadu_si512(sums), _mm512_loadu_si512(sums + 16)),
        _mm512_max_epi32(_mm512_loadu_si512(sums + 16 * pool),
                         _mm512_loadu_si512(sums + 16 * pool + 16)));
}

/* Twice the result, rounded down, before the zero point. */
NET_FOR_AVX512_INLINE __m512i net_twice_avx512(__m512i sum, __m512i multiplier, __m512i negative,
                                           __m512i shift, int leaky)
{
    const __m512i m =
        leaky ? _mm512_mask_blend_epi32(_mm512_movepi32_mask(sum), multiplier, negative)
              : multiplier;
    const __m512i even = _mm512_mul_epi32(sum, m);
    const __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(sum, 32), _mm512_srli_epi64(m, 32));
    const __m512i high = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);

    return _mm512_srav_epi32(high, shift);
}

/* Four pixels at a time; `leaky` and `pool` are known where this is compiled in. */
NET_FOR_AVX512_INLINE void net_store_bytes_avx512(const net_results *r, int channel, int count,
                                              const int32_t *sums, int pixels, int pool, int leaky,
                                              uint8_t *out, ptrdiff_t step)
{
    const __m512i multiplier = _mm512_loadu_si512(r->multiplier + channel);
    const __m512i negative = _mm512_loadu_si512(r->negative_multiplier + channel);
    const __m512i shift =
        _mm512_sub_epi32(_mm512_loadu_si512(r->shift + channel), _mm512_set1_epi32(33));
    const __m512i zero_point = _mm512_set1_epi16(r->zero_point);
    const __m512i low = _mm512_set1_epi8((char)r->low), high = _mm512_set1_epi8((char)r->high);
    const __m512i half = _mm512_set1_epi16(0x4000);
    const __m512i by_pixel =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const int width = pool ? 32 : 16;
    const __mmask16 channels = (__mmask16)((1u << count) - 1);

    for (; pixels > 0; pixels -= 4, sums += 4 * width, out += 4 * step) {
        __m512i a, b, c, d;

        a = net_twice_avx512(net_pooled_avx512(sums, pool), multiplier, negative, shift, leaky);
        b = net_twice_avx512(net_pooled_avx512(sums + width, pool), multiplier, negative, shift,
                             leaky);
        c = net_twice_avx512(net_pooled_avx512(sums + 2 * width, pool), multiplier, negative,
                             shift, leaky);
        d = net_twice_avx512(net_pooled_avx512(sums + 3 * width, pool), multiplier, negative,
                             shift, leaky);
        a = _mm512_adds_epi16(_mm512_mulhrs_epi16(_mm512_packs_epi32(a, b), half), zero_point);
        c = _mm512_adds_epi16(_mm512_mulhrs_epi16(_mm512_packs_epi32(c, d), half), zero_point);
        a = _mm512_permutexvar_epi32(by_pixel, _mm512_packus_epi16(a, c));
        a = _mm512_min_epu8(_mm512_max_epu8(a, low), high);
        _mm_mask_storeu_epi8(out, channels, _mm512_castsi512_si128(a));
        if (pixels > 1)
            _mm_mask_storeu_epi8(out + step, channels, _mm512_extracti32x4_epi32(a, 1));
        if (pixels > 2)
            _mm_mask_storeu_epi8(out + 2 * step, channels, _mm512_extracti32x4_epi32(a, 2));
        if (pixels > 3)
            _mm_mask_storeu_epi8(out + 3 * step, channels, _mm512_extracti32x4_epi32(a, 3));
    }
}

NET_FOR_AVX512 static void net_store_int8_avx512(const net_results *r, int channel, int count,
                                             const void *from, int pixels, int pool, void *out,
                                             ptrdiff_t step)
{
    const int32_t *sums = from;

    if (r->scale != NULL) {
        const __m512 scale = _mm512_loadu_ps(r->scale + channel);
        const __mmask16 channels = (__mmask16)((1u << count) - 1);
        float *to = out;

        for (; pixels > 0; pixels--, sums += pool ? 32 : 16, to += step) {
            const __m512 sum = _mm512_cvtepi32_ps(net_pooled_avx512(sums, pool));
            _mm512_mask_storeu_ps(to, channels, _mm512_mul_ps(sum, scale));
        }
    } else if (!r->small) {
        net_store_int8_portable(r, channel, count, from, pixels, pool, out, step);
    } else if (pool) {
        if (r->leaky)
            net_store_bytes_avx512(r, channel, count, sums, pixels, pool, 1, out, step);
        else
            net_store_bytes_avx512(r, channel, count, sums, pixels, pool, 0, out, step);
    } else if (r->leaky) {
        net_store_bytes_avx512(r, channel, count, sums, pixels, 0, 1, out, step);
    } else {
        net_store_bytes_avx512(r, channel, count, sums, pixels, 0, 0, out, step);
    }
}
#endif
