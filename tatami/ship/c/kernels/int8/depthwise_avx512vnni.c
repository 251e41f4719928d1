/* The rows of depthwise.c, 64 channels at a time. Four taps of one channel are brought side by side
 * by unpacking bytes and then words; vpdpbusd multiplies them and adds them up. Unpacking works
 * within 128 bits, so lane l of sum j holds the channels 16 l + 4 j ... + 3: packing undoes it. */
#if NET_X86
#include <immintrin.h>

/* a, b, c, d: what four taps see of 64 channels. out: [4], four neighboring bytes a channel. */
NET_FOR_VNNI_INLINE void net_depthwise_zip(__m512i a, __m512i b, __m512i c, __m512i d, __m512i *out)
{
    const __m512i ab_low = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
    const __m512i cd_low = _mm512_unpacklo_epi8(c, d), cd_high = _mm512_unpackhi_epi8(c, d);

    out[0] = _mm512_unpacklo_epi16(ab_low, cd_low);
    out[1] = _mm512_unpackhi_epi16(ab_low, cd_low);
    out[2] = _mm512_unpacklo_epi16(ab_high, cd_high);
    out[3] = _mm512_unpackhi_epi16(ab_high, cd_high);
}

/* numbers[period], again and again until 64 lanes are full, in the order of the sums. */
NET_FOR_VNNI static void net_depthwise_order(const int32_t *numbers, int period, __m512i *out)
{
    int32_t all[64] = {0}, ordered[64];
    int i, j, l;

    for (i = 0; i + period <= 64; i += period)
        memcpy(all + i, numbers, (size_t)period * sizeof *numbers);
    for (j = 0; j < 4; j++)
        for (l = 0; l < 4; l++) memcpy(ordered + 16 * j + 4 * l, all + 16 * l + 4 * j, 16);
    for (j = 0; j < 4; j++) out[j] = _mm512_loadu_si512(ordered + 16 * j);
}

/* weights[count of taps][channels], from `taps` on none: zeros. out: [4]. */
NET_FOR_VNNI static void net_depthwise_weights(const int8_t *weights, int taps, int channels,
                                           int period, __m512i *out)
{
    __m512i four[4];
    int t, i;

    for (t = 0; t < 4; t++, weights += channels) {
        int8_t all[64] = {0};
        for (i = 0; t < taps && i + period <= 64; i += period)
            memcpy(all + i, weights, (size_t)period);
        four[t] = _mm512_loadu_si512(all);
    }
    net_depthwise_zip(four[0], four[1], four[2], four[3], out);
}

NET_FOR_VNNI static void net_depthwise_avx512vnni(const net_depthwise_step *d, const uint8_t *in,
                                              int rows, uint8_t *out)
{
    const net_depthwise_shape *s = d->shape;
    const net_results *r = d->results;
    const int taps = s->kernel_rows * s->kernel_columns, groups = (taps + 3) / 4;
    /* At stride 1, neighboring pixels of few channels are as good as one pixel of many. */
    const int together = s->stride_columns == 1 && 64 % s->channels == 0 ? 64 / s->channels : 1;
    const int tiles = (s->out_columns + together - 1) / together;
    const int pitch = net_depthwise_pitch(s) * s->stride_rows;
    const __m512i zero_point = _mm512_set1_epi16(r->zero_point);
    const __m512i low = _mm512_set1_epi8((char)r->low), high = _mm512_set1_epi8((char)r->high);
    const __m512i half = _mm512_set1_epi16(0x4000);
    int offsets[NET_DEPTHWISE_TAPS];
    int first, i, g, j;

    net_depthwise_offsets(s, 4 * groups, offsets);
    for (first = 0; first < s->channels; first += 64) {
        const int there = s->channels - first < 64 ? s->channels - first : 64;
        const __mmask64 seen = there * together == 64 ? ~(__mmask64)0
                                                      : ((__mmask64)1 << there) - 1;
        __m512i weights[NET_DEPTHWISE_TAPS], bias[4], multiplier[4], negative[4], shift[4];

        for (g = 0; g < groups; g++)
            net_depthwise_weights(d->weights + 4 * g * s->channels + first, taps - 4 * g,
                                  s->channels, there, weights + 4 * g);
        net_depthwise_order(d->bias + first, there, bias);
        net_depthwise_order(r->multiplier + first, there, multiplier);
        net_depthwise_order(r->negative_multiplier + first, there, negative);
        net_depthwise_order(r->shift + first, there, shift);
        for (j = 0; j < 4; j++) shift[j] = _mm512_sub_epi32(shift[j], _mm512_set1_epi32(33));

        for (i = 0; i < rows * tiles; i++) {
            const int y = i / tiles, x = i % tiles * together;
            const uint8_t *at = in + y * pitch + x * s->stride_columns * s->channels + first;
            uint8_t *to = out + (y * s->out_columns + x) * s->channels + first;
            const int left = (s->out_columns - x) * s->channels - first; /* bytes of the row */
            __m512i sums[4], a, b;

            for (j = 0; j < 4; j++) sums[j] = bias[j];
            for (g = 0; g < groups; g++) {
                const int *o = offsets + 4 * g;
                __m512i zipped[4];

                net_depthwise_zip(_mm512_maskz_loadu_epi8(seen, at + o[0]),
                                  _mm512_maskz_loadu_epi8(seen, at + o[1]),
                                  _mm512_maskz_loadu_epi8(seen, at + o[2]),
                                  _mm512_maskz_loadu_epi8(seen, at + o[3]), zipped);
                for (j = 0; j < 4; j++)
                    sums[j] = _mm512_dpbusd_epi32(sums[j], zipped[j], weights[4 * g + j]);
            }
            for (j = 0; j < 4; j++)
                sums[j] = net_twice_avx512(sums[j], multiplier[j], negative[j], shift[j], r->leaky);
            a = _mm512_mulhrs_epi16(_mm512_packs_epi32(sums[0], sums[1]), half);
            b = _mm512_mulhrs_epi16(_mm512_packs_epi32(sums[2], sums[3]), half);
            a = _mm512_packus_epi16(_mm512_adds_epi16(a, zero_point),
                                    _mm512_adds_epi16(b, zero_point));
            a = _mm512_min_epu8(_mm512_max_epu8(a, low), high);
            if (there * together == 64 && left >= 64)
                _mm512_storeu_si512(to, a);
            else if (together > 1) /* the end of a row */
                _mm512_mask_storeu_epi8(to, ((__mmask64)1 << left) - 1, a);
            else
                _mm512_mask_storeu_epi8(to, seen, a);
        }
    }
}
#endif
