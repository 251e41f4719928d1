/* requantize.c, eight channels at a time. With shift >= 33, floor(sum * m / 2^(shift - 1)) is the
 * high half of the product shifted right by shift - 33; (that + 1) >> 1 is the result, rounded half
 * up, and vpmulhrsw computes it after the sums have been packed to 16 bits, where saturation does
 * no harm: 255 and 0 are nearer than its bounds. */
#if NET_X86
#include <immintrin.h>

#define NET_FOR_AVX2 __attribute__((target("avx2")))
#define NET_FOR_AVX2_INLINE NET_FOR_AVX2 __attribute__((always_inline)) static inline

NET_FOR_AVX2_INLINE __m256i net_load_avx2(const void *from)
{
    return _mm256_loadu_si256((const __m256i *)from);
}

/* Twice the result, rounded down, before the zero point. shift: less 33. */
NET_FOR_AVX2_INLINE __m256i net_twice_avx2(__m256i sum, __m256i multiplier, __m256i negative,
                                           __m256i shift)
{
    const __m256i m = _mm256_blendv_epi8(multiplier, negative, _mm256_srai_epi32(sum, 31));
    const __m256i even = _mm256_mul_epi32(sum, m);
    const __m256i odd = _mm256_mul_epi32(_mm256_srli_epi64(sum, 32), _mm256_srli_epi64(m, 32));
    const __m256i high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);

    return _mm256_srav_epi32(high, shift);
}

NET_FOR_AVX2_INLINE __m256i net_pooled_avx2(const int32_t *sums, int pool)
{
    if (pool == 0) return net_load_avx2(sums);
    return _mm256_max_epi32(
        _mm256_max_epi32(net_load_avx2(sums), net_load_avx2(sums + 16)),
        _mm256_max_epi32(net_load_avx2(sums + 16 * pool), net_load_avx2(sums + 16 * pool + 16)));
}

NET_FOR_AVX2 static void net_store_int8_avx2(const net_results *r, int channel, int count,
                                             const void *from, int pixels, int pool, void *out,
                                             ptrdiff_t step)
{
    const int32_t *sums = from;
    __m256i multiplier[2], negative[2], shift[2];
    uint8_t *to = out;
    int j;

    if (r->scale != NULL || !r->small) {
        net_store_int8_portable(r, channel, count, from, pixels, pool, out, step);
        return;
    }
    for (j = 0; j < 2; j++) {
        multiplier[j] = net_load_avx2(r->multiplier + channel + 8 * j);
        negative[j] = net_load_avx2(r->negative_multiplier + channel + 8 * j);
        shift[j] = _mm256_sub_epi32(net_load_avx2(r->shift + channel + 8 * j),
                                    _mm256_set1_epi32(33));
    }
    for (; pixels > 0; pixels--, sums += pool ? 32 : 16, to += step) {
        __m256i y = _mm256_packs_epi32(
            net_twice_avx2(net_pooled_avx2(sums, pool), multiplier[0], negative[0], shift[0]),
            net_twice_avx2(net_pooled_avx2(sums + 8, pool), multiplier[1], negative[1], shift[1]));
        __m128i bytes;

        y = _mm256_adds_epi16(_mm256_mulhrs_epi16(y, _mm256_set1_epi16(0x4000)),
                              _mm256_set1_epi16(r->zero_point));
        y = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(y, y),
                                        _mm256_setr_epi32(0, 4, 1, 5, 0, 4, 1, 5));
        bytes = _mm_max_epu8(_mm256_castsi256_si128(y), _mm_set1_epi8((char)r->low));
        bytes = _mm_min_epu8(bytes, _mm_set1_epi8((char)r->high));
        if (count == 16) {
            _mm_storeu_si128((__m128i *)(void *)to, bytes);
        } else {
            uint8_t some[16];
            _mm_storeu_si128((__m128i *)(void *)some, bytes);
            memcpy(to, some, (size_t)count);
        }
    }
}
#endif
