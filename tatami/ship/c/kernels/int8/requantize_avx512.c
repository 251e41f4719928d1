/* requantize.c, sixteen channels at a time. With shift >= 33, floor(sum * m / 2^(shift - 1)) is the
 * high half of the product shifted right by shift - 33; (that + 1) >> 1 is the result, rounded half
 * up, and vpmulhrsw computes it after the sums have been packed to 16 bits, where saturation does
 * no harm: 255 and 0 are nearer than its bounds. */
#if NET_X86
#include <immintrin.h>

#define NET_FOR_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define NET_FOR_AVX512_INLINE NET_FOR_AVX512 __attribute__((always_inline)) static inline

/* Sixteen sums, and those with odd numbers in the places before. */
typedef struct {
    __m512i all, odd;
} net_sums_avx512;

/* `pool` is known where this is compiled in. To read odd sums once more takes nothing of the units
 * that multiply, which is why the compiler must not take them from those that it has read. */
NET_FOR_AVX512_INLINE net_sums_avx512 net_pooled_avx512(const int32_t *sums, const int pool)
{
    net_sums_avx512 s;

    s.all = _mm512_loadu_si512(sums);
    if (pool == 0) {
        __asm__("vmovshdup %1, %0" : "=v"(s.odd) : "m"(*(const int32_t(*)[16])(const void *)sums));
        return s;
    }
    s.all = _mm512_max_epi32(_mm512_max_epi32(s.all, _mm512_loadu_si512(sums + 16)),
                             _mm512_max_epi32(_mm512_loadu_si512(sums + 16 * pool),
                                              _mm512_loadu_si512(sums + 16 * pool + 16)));
    s.odd = _mm512_srli_epi64(s.all, 32);
    return s;
}

/* Twice the result, rounded down, before the zero point. */
NET_FOR_AVX512_INLINE __m512i net_twice_avx512(net_sums_avx512 sums, __m512i multiplier,
                                               __m512i negative, __m512i shift, int leaky)
{
    const __m512i m =
        leaky ? _mm512_mask_blend_epi32(_mm512_movepi32_mask(sums.all), multiplier, negative)
              : multiplier;
    const __m512i even = _mm512_mul_epi32(sums.all, m);
    const __m512i odd = _mm512_mul_epi32(sums.odd, _mm512_srli_epi64(m, 32));
    const __m512i high = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);

    return _mm512_srav_epi32(high, shift);
}

typedef struct {
    __m512i multiplier, negative, shift;
} net_factors_avx512;

NET_FOR_AVX512_INLINE net_factors_avx512 net_factors_of_avx512(const net_results *r, int channel)
{
    net_factors_avx512 f;

    f.multiplier = _mm512_loadu_si512(r->multiplier + channel);
    f.negative = _mm512_loadu_si512(r->negative_multiplier + channel);
    f.shift = _mm512_sub_epi32(_mm512_loadu_si512(r->shift + channel), _mm512_set1_epi32(33));
    return f;
}

/* above: nothing is below the zero point, as after ReLU, so that it can be added to bytes.
 * clamps: the bounds are not those that bytes have anyway. */
typedef struct {
    __m512i zero_point, low, high;
    int above, clamps;
} net_ends_avx512;

NET_FOR_AVX512_INLINE net_ends_avx512 net_ends_of_avx512(const net_results *r)
{
    net_ends_avx512 e;

    e.above = r->low >= r->zero_point;
    e.clamps = r->low > (e.above ? r->zero_point : 0) || r->high < 255;
    e.zero_point = e.above ? _mm512_set1_epi8((char)r->zero_point) : _mm512_set1_epi16(r->zero_point);
    e.low = _mm512_set1_epi8((char)r->low);
    e.high = _mm512_set1_epi8((char)r->high);
    return e;
}

/* a, b, c, d: twice the results. Their bytes are a's, b's, c's and d's of each 128 bits in turns. */
NET_FOR_AVX512_INLINE __m512i net_narrow_avx512(net_ends_avx512 e, __m512i a, __m512i b, __m512i c,
                                                __m512i d)
{
    const __m512i half = _mm512_set1_epi16(0x4000);

    a = _mm512_mulhrs_epi16(_mm512_packs_epi32(a, b), half);
    c = _mm512_mulhrs_epi16(_mm512_packs_epi32(c, d), half);
    if (e.above)
        a = _mm512_adds_epu8(_mm512_packus_epi16(a, c), e.zero_point);
    else
        a = _mm512_packus_epi16(_mm512_adds_epi16(a, e.zero_point),
                                _mm512_adds_epi16(c, e.zero_point));
    return e.clamps ? _mm512_min_epu8(_mm512_max_epu8(a, e.low), e.high) : a;
}

/* Bytes of four sums: 16 channels of a, then those of b, of c and of d, which are of one panel or of
 * two, x and y, in turns. */
NET_FOR_AVX512_INLINE __m512i net_bytes_avx512(net_ends_avx512 e, net_factors_avx512 x,
                                               net_factors_avx512 y, const int leaky,
                                               net_sums_avx512 a, net_sums_avx512 b,
                                               net_sums_avx512 c, net_sums_avx512 d)
{
    const __m512i by_pixel =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);

    return _mm512_permutexvar_epi32(
        by_pixel, net_narrow_avx512(e, net_twice_avx512(a, x.multiplier, x.negative, x.shift, leaky),
                                    net_twice_avx512(b, y.multiplier, y.negative, y.shift, leaky),
                                    net_twice_avx512(c, x.multiplier, x.negative, x.shift, leaky),
                                    net_twice_avx512(d, y.multiplier, y.negative, y.shift, leaky)));
}

/* One panel, four pixels at a time; `leaky` and `pool` are known where this is compiled in. */
NET_FOR_AVX512_INLINE void net_store_panel_avx512(const net_results *r, int channel, int count,
                                                  const int32_t *sums, int pixels, const int pool,
                                                  const int leaky, uint8_t *out, ptrdiff_t step)
{
    const net_factors_avx512 f = net_factors_of_avx512(r, channel);
    const net_ends_avx512 ends = net_ends_of_avx512(r);
    const int width = pool ? 32 : 16;
    const __mmask16 channels = (__mmask16)((1u << count) - 1);

    for (; pixels > 0; pixels -= 4, sums += 4 * width, out += 4 * step) {
        const __m512i a = net_bytes_avx512(
            ends, f, f, leaky, net_pooled_avx512(sums, pool), net_pooled_avx512(sums + width, pool),
            net_pooled_avx512(sums + 2 * width, pool), net_pooled_avx512(sums + 3 * width, pool));

        _mm_mask_storeu_epi8(out, channels, _mm512_castsi512_si128(a));
        if (pixels > 1)
            _mm_mask_storeu_epi8(out + step, channels, _mm512_extracti32x4_epi32(a, 1));
        if (pixels > 2)
            _mm_mask_storeu_epi8(out + 2 * step, channels, _mm512_extracti32x4_epi32(a, 2));
        if (pixels > 3)
            _mm_mask_storeu_epi8(out + 3 * step, channels, _mm512_extracti32x4_epi32(a, 3));
    }
}

/* Two whole panels, two pixels at a time. */
NET_FOR_AVX512_INLINE void net_store_panels_avx512(const net_results *r, int channel,
                                                   const int32_t *sums, int pixels, const int pool,
                                                   const int leaky, uint8_t *out, ptrdiff_t step)
{
    const net_factors_avx512 x = net_factors_of_avx512(r, channel);
    const net_factors_avx512 y = net_factors_of_avx512(r, channel + 16);
    const net_ends_avx512 ends = net_ends_of_avx512(r);
    const int width = pool ? 32 : 16;

    for (; pixels > 0; pixels -= 2, sums += 2 * width, out += 2 * step) {
        const int32_t *beside = sums + NET_PANEL_SUMS;
        const __m512i a = net_bytes_avx512(
            ends, x, y, leaky, net_pooled_avx512(sums, pool), net_pooled_avx512(beside, pool),
            net_pooled_avx512(sums + width, pool), net_pooled_avx512(beside + width, pool));

        _mm256_storeu_si256((__m256i *)(void *)out, _mm512_castsi512_si256(a));
        if (pixels > 1)
            _mm256_storeu_si256((__m256i *)(void *)(out + step), _mm512_extracti64x4_epi64(a, 1));
    }
}

NET_FOR_AVX512_INLINE void net_store_bytes_avx512(const net_results *r, int channel, int count,
                                                  const int32_t *sums, int pixels, const int pool,
                                                  const int leaky, uint8_t *out, ptrdiff_t step)
{
    if (count == 32) {
        net_store_panels_avx512(r, channel, sums, pixels, pool, leaky, out, step);
        return;
    }
    net_store_panel_avx512(r, channel, count < 16 ? count : 16, sums, pixels, pool, leaky, out, step);
    if (count > 16)
        net_store_panel_avx512(r, channel + 16, count - 16, sums + NET_PANEL_SUMS, pixels, pool,
                               leaky, out + 16, step);
}

NET_FOR_AVX512_INLINE void net_store_floats_avx512(const net_results *r, int channel, int count,
                                                   const int32_t *sums, int pixels, int pool,
                                                   float *out, ptrdiff_t step)
{
    const __m512 scale = _mm512_loadu_ps(r->scale + channel);
    const __mmask16 channels = (__mmask16)((1u << count) - 1);

    for (; pixels > 0; pixels--, sums += pool ? 32 : 16, out += step) {
        const __m512 sum = _mm512_cvtepi32_ps(net_pooled_avx512(sums, pool).all);
        _mm512_mask_storeu_ps(out, channels, _mm512_mul_ps(sum, scale));
    }
}

NET_FOR_AVX512 static void net_store_int8_avx512(const net_results *r, int channel, int count,
                                             const void *from, int pixels, int pool, void *out,
                                             ptrdiff_t step)
{
    const int32_t *sums = from;

    if (r->scale != NULL || !r->small) {
        for (; count > 0; count -= 16, channel += 16, sums += NET_PANEL_SUMS) {
            const int here = count < 16 ? count : 16;

            if (r->scale != NULL)
                net_store_floats_avx512(r, channel, here, sums, pixels, pool, out, step);
            else
                net_store_int8_portable(r, channel, here, sums, pixels, pool, out, step);
            out = (char *)out + 16 * r->size;
        }
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
