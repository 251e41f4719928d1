/* The steps of depthwise_portable.c: bands, and who works them off. Neighboring bands share rows, which
 * the second takes from the first: so results may lie where the input lay, one thread at work. */

/* Rows `first` ... of the input, padded, into the band. */
static void net_depthwise_band(const net_depthwise_shape *s, const uint8_t *in, int first,
                               int rows, uint8_t *band)
{
    const size_t left = (size_t)(s->left * s->channels), right = (size_t)(s->right * s->channels);
    const size_t line = (size_t)(s->columns * s->channels);
    int i;

    for (i = first; i < first + rows; i++, band += left + line + right) {
        if (i < 0 || i >= s->rows) {
            memset(band, s->zero_point, left + line + right);
            continue;
        }
        memset(band, s->zero_point, left);
        memcpy(band + left, in + (size_t)i * line, line);
        memset(band + left + line, s->zero_point, right);
    }
}

/* Bands from ... to - 1. */
static void net_depthwise_part(void *context, int from, int to, int thread)
{
    const net_depthwise_step *d = context;
    const net_depthwise_shape *s = d->shape;
    net_depthwise_rows *work = net_depthwise_portable;
    uint8_t *band = d->scratch + (size_t)thread * d->share;
    const int pitch = net_depthwise_pitch(s), apart = s->band_rows * s->stride_rows;
    int there = 0, i; /* rows that the band before had */

#if NET_X86
    if (d->results->small && s->kernel_rows * s->kernel_columns <= NET_DEPTHWISE_TAPS) {
        if (net_variant == NET_AVX512VNNI) work = net_depthwise_avx512vnni;
        if (net_variant == NET_AVX512 || net_variant == NET_AVX2) work = net_depthwise_avx2;
    }
#endif
#if NET_ARM_NEON
    if (d->results->small && s->kernel_rows * s->kernel_columns <= NET_DEPTHWISE_TAPS &&
        s->channels >= 16 && (net_variant == NET_NEON || net_variant == NET_DOTPROD))
        work = net_depthwise_neon;
#endif
#if NET_WASM_SIMD
    if (d->results->small && s->kernel_rows * s->kernel_columns <= NET_DEPTHWISE_TAPS &&
        net_variant == NET_SIMD128 && net_shifts_simd128(d->results->shift, s->channels))
        work = net_depthwise_simd128;
#endif
    for (i = from; i < to; i++) {
        const int first = i * s->band_rows;
        const int rows = s->out_rows - first < s->band_rows ? s->out_rows - first : s->band_rows;
        const int seen = (rows - 1) * s->stride_rows + (s->kernel_rows - 1) * s->dilation_rows + 1;
        const int kept = there > apart ? there - apart : 0;

        if (kept > 0) memmove(band, band + apart * pitch, (size_t)(kept * pitch));
        net_depthwise_band(s, d->in, first * s->stride_rows - s->top + kept, seen - kept,
                           band + kept * pitch);
        there = seen;
        work(d, band, rows, d->out + (size_t)first * (size_t)(s->out_columns * s->channels));
    }
}

/* in: [rows][columns][channels].  out: [out_rows][out_columns][channels]. */
static void net_depthwise(const net_depthwise_shape *shape, const uint8_t *in,
                          const int8_t *weights, const int32_t *bias, const net_results *results,
                          uint8_t *scratch, size_t share, uint8_t *out)
{
    net_depthwise_step step = {shape, weights, bias, results, in, scratch, share, out};

    const int bands = (shape->out_rows + shape->band_rows - 1) / shape->band_rows;

    net_parallel(net_depthwise_part, &step, bands,
                 (int64_t)shape->band_rows * shape->out_columns * ((shape->channels + 15) / 16) *
                     shape->kernel_rows * shape->kernel_columns);
}
