/* The rows of depthwise.c with AVX2 and FMA: eight channels of four neighboring outputs at a time, whose
 * sums stay in registers until they are results. */
#if NET_X86
#include <immintrin.h>

#define NET_FOR_DEEP __attribute__((target("avx2,fma")))
#define NET_FOR_DEEP_INLINE NET_FOR_DEEP __attribute__((always_inline)) static inline

/* Leaky, clamp and linear are all of it: x >= 0: x, below: x * slope; then between low and high. */
NET_FOR_DEEP_INLINE __m256 net_deep_result_avx2(net_bounds b, __m256 x)
{
    const __m256 below = _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_LT_OQ);

    x = _mm256_blendv_ps(x, _mm256_mul_ps(x, _mm256_set1_ps(b.slope)), below);
    /* max and min give their second operand where one is a NaN. */
    return _mm256_min_ps(_mm256_set1_ps(b.high), _mm256_max_ps(_mm256_set1_ps(b.low), x));
}

#define NET_LOAD(p) (whole ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, there))
#define NET_SEEN(i) NET_LOAD(at + (v * dilation + i * stride) * channels)
#define NET_STORE(i, sum) \
    if (whole) \
        _mm256_storeu_ps(to + i * channels, net_deep_result_avx2(d->bounds, sum)); \
    else \
        _mm256_maskstore_ps(to + i * channels, there, net_deep_result_avx2(d->bounds, sum));

/* The channels from `c` on, of `count` outputs, four or one. Where the window's numbers are known
 * when this is compiled in, a column that several taps see is read once. */
NET_FOR_DEEP_INLINE void net_deep_avx2(const net_depthwise_f32_step *d, int c, const int whole,
                                       __m256i there, const int rows, const int columns,
                                       const int stride, const int dilation, const int count,
                                       int line, const float *at, float *to)
{
    const int channels = d->shape->channels;
    const float *weights = d->weights + c;
    __m256 s0 = NET_LOAD(d->bias + c), s1 = s0, s2 = s0, s3 = s0;
    int u, v;

    for (u = 0; u < rows; u++, at += line) {
        for (v = 0; v < columns; v++, weights += channels) {
            const __m256 w = NET_LOAD(weights);

            s0 = _mm256_fmadd_ps(w, NET_SEEN(0), s0);
            if (count == 1) continue;
            s1 = _mm256_fmadd_ps(w, NET_SEEN(1), s1);
            s2 = _mm256_fmadd_ps(w, NET_SEEN(2), s2);
            s3 = _mm256_fmadd_ps(w, NET_SEEN(3), s3);
        }
    }
    NET_STORE(0, s0)
    if (count == 1) return;
    NET_STORE(1, s1)
    NET_STORE(2, s2)
    NET_STORE(3, s3)
}

#undef NET_LOAD
#undef NET_SEEN
#undef NET_STORE

NET_FOR_DEEP_INLINE void net_deep_rows_avx2(const net_depthwise_f32_step *d, const float *band,
                                            int lines, float *out, const int rows,
                                            const int columns, const int stride, const int dilation)
{
    const net_depthwise_f32_shape *s = d->shape;
    const int channels = s->channels, pitch = net_depthwise_f32_pitch(s);
    const int line = s->dilation_rows * pitch, whole = channels / 8 * 8;
    const __m256i some = _mm256_cmpgt_epi32(
        _mm256_set1_epi32(channels - whole), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    int y, x, c;

    for (y = 0; y < lines; y++, band += s->stride_rows * pitch) {
        for (x = 0; x < s->out_columns; x++, out += channels) {
            const float *seen = band + x * stride * channels;

            if (x + 4 <= s->out_columns) {
                for (c = 0; c < whole; c += 8)
                    net_deep_avx2(d, c, 1, some, rows, columns, stride, dilation, 4, line,
                                   seen + c, out + c);
                if (whole < channels)
                    net_deep_avx2(d, c, 0, some, rows, columns, stride, dilation, 4, line,
                                   seen + c, out + c);
                x += 3, out += 3 * channels;
                continue;
            }
            for (c = 0; c < whole; c += 8)
                net_deep_avx2(d, c, 1, some, rows, columns, stride, dilation, 1, line, seen + c,
                               out + c);
            if (whole < channels)
                net_deep_avx2(d, c, 0, some, rows, columns, stride, dilation, 1, line, seen + c,
                               out + c);
        }
    }
}

NET_FOR_DEEP static void net_depthwise_f32_avx2(const net_depthwise_f32_step *d, const float *band,
                                                int lines, float *out)
{
    const net_depthwise_f32_shape *s = d->shape;
    const int square = s->kernel_rows == s->kernel_columns && s->dilation_columns == 1;
    const int known = square && s->stride_columns <= 2 ? 10 * s->kernel_rows + s->stride_columns : 0;

    switch (known) {
    case 31: net_deep_rows_avx2(d, band, lines, out, 3, 3, 1, 1); break;
    case 32: net_deep_rows_avx2(d, band, lines, out, 3, 3, 2, 1); break;
    case 51: net_deep_rows_avx2(d, band, lines, out, 5, 5, 1, 1); break;
    case 52: net_deep_rows_avx2(d, band, lines, out, 5, 5, 2, 1); break;
    default:
        net_deep_rows_avx2(d, band, lines, out, s->kernel_rows, s->kernel_columns,
                            s->stride_columns, s->dilation_columns);
    }
}
#endif
