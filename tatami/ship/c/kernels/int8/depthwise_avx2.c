/* The rows of depthwise_portable.c, 32 channels at a time. vpmaddubsw would saturate, so bytes become
 * words; vpmaddwd multiplies two taps of one channel and adds them up. Unpacking works within 128
 * bits, so lane l of sum j holds the channels 16 l + 4 j ... + 3: packing undoes it. */
#if NET_X86
/* a, b: what two taps see of 32 channels. out: [4], two neighboring words a channel. */
NET_FOR_AVX2_INLINE void net_depthwise_zip_avx2(__m256i a, __m256i b, __m256i *out)
{
    const __m256i none = _mm256_setzero_si256();
    const __m256i a_low = _mm256_unpacklo_epi8(a, none), a_high = _mm256_unpackhi_epi8(a, none);
    const __m256i b_low = _mm256_unpacklo_epi8(b, none), b_high = _mm256_unpackhi_epi8(b, none);

    out[0] = _mm256_unpacklo_epi16(a_low, b_low);
    out[1] = _mm256_unpackhi_epi16(a_low, b_low);
    out[2] = _mm256_unpacklo_epi16(a_high, b_high);
    out[3] = _mm256_unpackhi_epi16(a_high, b_high);
}

/* numbers[count], then zeros, in the order of the sums. */
NET_FOR_AVX2 static void net_depthwise_order_avx2(const int32_t *numbers, int count, __m256i *out)
{
    int32_t all[32] = {0}, ordered[32];
    int j, l;

    memcpy(all, numbers, (size_t)count * sizeof *numbers);
    for (j = 0; j < 4; j++)
        for (l = 0; l < 2; l++) memcpy(ordered + 8 * j + 4 * l, all + 16 * l + 4 * j, 16);
    for (j = 0; j < 4; j++) out[j] = net_load_avx2(ordered + 8 * j);
}

/* weights: of two taps, the second `second` bytes on, or none (0), of `count` channels. out: [4]. */
NET_FOR_AVX2 static void net_depthwise_weights_avx2(const int8_t *weights, int second, int count,
                                                    __m256i *out)
{
    int16_t pairs[64] = {0};
    int c, j;

    for (c = 0; c < count; c++) {
        const int at = 2 * (c / 4 % 4 * 8 + c / 16 * 4 + c % 4);
        pairs[at] = weights[c];
        if (second != 0) pairs[at + 1] = weights[second + c];
    }
    for (j = 0; j < 4; j++) out[j] = net_load_avx2(pairs + 16 * j);
}

NET_FOR_AVX2 static void net_depthwise_avx2(const net_depthwise_step *d, const uint8_t *in,
                                            int rows, uint8_t *out)
{
    const net_depthwise_shape *s = d->shape;
    const net_results *r = d->results;
    const int taps = s->kernel_rows * s->kernel_columns, groups = (taps + 1) / 2;
    const int pitch = net_depthwise_pitch(s) * s->stride_rows;
    const __m256i zero_point = _mm256_set1_epi16(r->zero_point);
    const __m256i low = _mm256_set1_epi8((char)r->low), high = _mm256_set1_epi8((char)r->high);
    const __m256i half = _mm256_set1_epi16(0x4000);
    int offsets[NET_DEPTHWISE_TAPS];
    int first, i, g, j;

    net_depthwise_offsets(s, 2 * groups, offsets);
    for (first = 0; first < s->channels; first += 32) {
        const int count = s->channels - first < 32 ? s->channels - first : 32;
        __m256i weights[2 * NET_DEPTHWISE_TAPS], bias[4], multiplier[4], negative[4], shift[4];

        for (g = 0; g < groups; g++)
            net_depthwise_weights_avx2(d->weights + 2 * g * s->channels + first,
                                       2 * g + 1 < taps ? s->channels : 0, count,
                                       weights + 4 * g);
        net_depthwise_order_avx2(d->bias + first, count, bias);
        net_depthwise_order_avx2(r->multiplier + first, count, multiplier);
        net_depthwise_order_avx2(r->negative_multiplier + first, count, negative);
        net_depthwise_order_avx2(r->shift + first, count, shift);
        for (j = 0; j < 4; j++) shift[j] = _mm256_sub_epi32(shift[j], _mm256_set1_epi32(33));

        for (i = 0; i < rows * s->out_columns; i++) {
            const int y = i / s->out_columns, x = i % s->out_columns;
            const uint8_t *at = in + y * pitch + x * s->stride_columns * s->channels + first;
            uint8_t *to = out + i * s->channels + first;
            __m256i sums[4], a, b;

            for (j = 0; j < 4; j++) sums[j] = bias[j];
            for (g = 0; g < groups; g++) {
                __m256i zipped[4];

                net_depthwise_zip_avx2(net_load_avx2(at + offsets[2 * g]),
                                       net_load_avx2(at + offsets[2 * g + 1]), zipped);
                for (j = 0; j < 4; j++)
                    sums[j] = _mm256_add_epi32(sums[j],
                                               _mm256_madd_epi16(zipped[j], weights[4 * g + j]));
            }
            for (j = 0; j < 4; j++)
                sums[j] = net_twice_avx2(sums[j], multiplier[j], negative[j], shift[j]);
            a = _mm256_mulhrs_epi16(_mm256_packs_epi32(sums[0], sums[1]), half);
            b = _mm256_mulhrs_epi16(_mm256_packs_epi32(sums[2], sums[3]), half);
            a = _mm256_packus_epi16(_mm256_adds_epi16(a, zero_point),
                                    _mm256_adds_epi16(b, zero_point));
            a = _mm256_min_epu8(_mm256_max_epu8(a, low), high);
            if (count == 32) {
                _mm256_storeu_si256((__m256i *)(void *)to, a);
            } else {
                uint8_t some[32];
                _mm256_storeu_si256((__m256i *)(void *)some, a);
                memcpy(to, some, (size_t)count);
            }
        }
    }
}
#endif
