/* The rows of depthwise.c, 64 channels at a time. Four taps of one channel are brought side by side
 * by unpacking bytes and then words; vpdpbusd multiplies them and adds them up. Unpacking works
 * within 128 bits, so lane l of sum j holds the channels 16 l + 4 j ... + 3: packing undoes it. Of a
 * window of 3 x 3 the taps that are brought together are those of a column, which neighboring
 * outputs share. */
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

/* weights[taps], `apart` bytes from each other, of `period` channels; from `taps` on zeros. out: [4]. */
NET_FOR_VNNI static void net_depthwise_weights(const int8_t *weights, int taps, int apart,
                                               int period, __m512i *out)
{
    __m512i four[4];
    int t, i;

    for (t = 0; t < 4; t++) {
        int8_t all[64] = {0};
        for (i = 0; t < taps && i + period <= 64; i += period)
            memcpy(all + i, weights + t * apart, (size_t)period);
        four[t] = _mm512_loadu_si512(all);
    }
    net_depthwise_zip(four[0], four[1], four[2], four[3], out);
}

/* What 64 channels, or neighboring pixels of few, become. */
typedef struct {
    __m512i bias[4], multiplier[4], negative[4], shift[4];
    net_ends_avx512 ends;
    __mmask64 seen;
    int together; /* pixels */
    int whole;    /* all 64 lanes are of use */
} net_depthwise_block;

NET_FOR_VNNI static void net_depthwise_begin(const net_depthwise_step *d, int first, int together,
                                             int there, net_depthwise_block *b)
{
    const net_results *r = d->results;
    int j;

    net_depthwise_order(d->bias + first, there, b->bias);
    net_depthwise_order(r->multiplier + first, there, b->multiplier);
    net_depthwise_order(r->negative_multiplier + first, there, b->negative);
    net_depthwise_order(r->shift + first, there, b->shift);
    for (j = 0; j < 4; j++) b->shift[j] = _mm512_sub_epi32(b->shift[j], _mm512_set1_epi32(33));
    b->ends = net_ends_of_avx512(r);
    b->together = together;
    b->whole = there * together == 64;
    b->seen = b->whole ? ~(__mmask64)0 : ((__mmask64)1 << there) - 1;
}

/* left: bytes up to the end of the row. */
NET_FOR_VNNI_INLINE void net_depthwise_store(const net_depthwise_block *b, const int leaky,
                                             const __m512i *sums, int left, uint8_t *to)
{
    __m512i twice[4], bytes;
    int j;

    for (j = 0; j < 4; j++)
        twice[j] = net_twice_avx512((net_sums_avx512){sums[j], _mm512_srli_epi64(sums[j], 32)},
                                    b->multiplier[j], b->negative[j], b->shift[j], leaky);
    bytes = net_narrow_avx512(b->ends, twice[0], twice[1], twice[2], twice[3]);
    if (b->whole && left >= 64)
        _mm512_storeu_si512(to, bytes);
    else
        _mm512_mask_storeu_epi8(to, b->together > 1 ? ((__mmask64)1 << left) - 1 : b->seen, bytes);
}

/* Any window. */
NET_FOR_VNNI_INLINE void net_depthwise_window(const net_depthwise_step *d, const uint8_t *in,
                                              int rows, int first, int there, int together,
                                              const int leaky, uint8_t *out)
{
    const net_depthwise_shape *s = d->shape;
    const int taps = s->kernel_rows * s->kernel_columns, groups = (taps + 3) / 4;
    const int tiles = (s->out_columns + together - 1) / together;
    const int pitch = net_depthwise_pitch(s) * s->stride_rows;
    const int channels = s->channels, columns = s->out_columns, stride = s->stride_columns;
    __m512i weights[NET_DEPTHWISE_TAPS];
    int offsets[NET_DEPTHWISE_TAPS];
    net_depthwise_block block;
    int i, g, j;

    net_depthwise_offsets(s, 4 * groups, offsets);
    net_depthwise_begin(d, first, together, there, &block);
    for (g = 0; g < groups; g++)
        net_depthwise_weights(d->weights + 4 * g * channels + first, taps - 4 * g, channels, there,
                              weights + 4 * g);
    for (i = 0; i < rows * tiles; i++) {
        const int y = i / tiles, x = i % tiles * together;
        const uint8_t *at = in + y * pitch + x * stride * channels + first;
        __m512i sums[4];

        for (j = 0; j < 4; j++) sums[j] = block.bias[j];
        for (g = 0; g < groups; g++) {
            const int *o = offsets + 4 * g;
            __m512i zipped[4];

            net_depthwise_zip(_mm512_maskz_loadu_epi8(block.seen, at + o[0]),
                              _mm512_maskz_loadu_epi8(block.seen, at + o[1]),
                              _mm512_maskz_loadu_epi8(block.seen, at + o[2]),
                              _mm512_maskz_loadu_epi8(block.seen, at + o[3]), zipped);
            for (j = 0; j < 4; j++)
                sums[j] = _mm512_dpbusd_epi32(sums[j], zipped[j], weights[4 * g + j]);
        }
        net_depthwise_store(&block, leaky, sums, (columns - x) * channels - first,
                            out + (y * columns + x) * channels + first);
    }
}

/* Three taps of a column, side by side. out: [4]. */
NET_FOR_VNNI_INLINE void net_depthwise_column(const uint8_t *at, ptrdiff_t pitch, __mmask64 seen,
                                              __m512i *out)
{
    net_depthwise_zip(_mm512_maskz_loadu_epi8(seen, at),
                      _mm512_maskz_loadu_epi8(seen, at + pitch),
                      _mm512_maskz_loadu_epi8(seen, at + 2 * pitch), _mm512_setzero_si512(), out);
}

/* A window of 3 x 3 without gaps, whose next outputs lie `apart` columns on, 1 or 2. */
NET_FOR_VNNI_INLINE void net_depthwise_3x3(const net_depthwise_step *d, const uint8_t *in, int rows,
                                           int first, int there, int together, const int apart,
                                           const int leaky, uint8_t *out)
{
    const net_depthwise_shape *s = d->shape;
    const int channels = s->channels, columns = s->out_columns;
    const ptrdiff_t pitch = net_depthwise_pitch(s);
    __m512i weights[3][4];
    net_depthwise_block block;
    int x, y, v, j;

    net_depthwise_begin(d, first, together, there, &block);
    for (v = 0; v < 3; v++)
        net_depthwise_weights(d->weights + v * channels + first, 3, 3 * channels, there, weights[v]);
    for (y = 0; y < rows; y++) {
        const uint8_t *at = in + y * s->stride_rows * pitch + first;
        uint8_t *to = out + y * columns * channels + first;
        __m512i seen[3][4], sums[4];

        for (v = apart; v < 3; v++)
            net_depthwise_column(at + (v - apart) * channels, pitch, block.seen, seen[v]);
        at += (3 - apart) * channels;
        for (x = 0; x < columns; x += together) {
            for (v = 0; v < 3 - apart; v++)
                for (j = 0; j < 4; j++) seen[v][j] = seen[v + apart][j];
            for (; v < 3; v++, at += channels)
                net_depthwise_column(at, pitch, block.seen, seen[v]);
            for (j = 0; j < 4; j++)
                sums[j] = _mm512_dpbusd_epi32(
                    _mm512_dpbusd_epi32(
                        _mm512_dpbusd_epi32(block.bias[j], seen[0][j], weights[0][j]), seen[1][j],
                        weights[1][j]),
                    seen[2][j], weights[2][j]);
            net_depthwise_store(&block, leaky, sums, (columns - x) * channels - first, to);
            to += together * channels;
        }
    }
}

NET_FOR_VNNI_INLINE void net_depthwise_blocks(const net_depthwise_step *d, const uint8_t *in,
                                              int rows, const int leaky, uint8_t *out)
{
    const net_depthwise_shape *s = d->shape;
    const int near = s->kernel_rows == 3 && s->kernel_columns == 3 && s->dilation_rows == 1 &&
                     s->dilation_columns == 1;
    /* At stride 1, neighboring pixels of few channels are as good as one pixel of many. */
    const int together = s->stride_columns == 1 && 64 % s->channels == 0 ? 64 / s->channels : 1;
    const int apart = near ? s->stride_columns * together : 0;
    int first;

    for (first = 0; first < s->channels; first += 64) {
        const int there = s->channels - first < 64 ? s->channels - first : 64;

        if (apart == 1)
            net_depthwise_3x3(d, in, rows, first, there, together, 1, leaky, out);
        else if (apart == 2)
            net_depthwise_3x3(d, in, rows, first, there, together, 2, leaky, out);
        else
            net_depthwise_window(d, in, rows, first, there, together, leaky, out);
    }
}

NET_FOR_VNNI static void net_depthwise_avx512vnni(const net_depthwise_step *d, const uint8_t *in,
                                                  int rows, uint8_t *out)
{
    if (d->results->leaky)
        net_depthwise_blocks(d, in, rows, 1, out);
    else
        net_depthwise_blocks(d, in, rows, 0, out);
}
#endif
