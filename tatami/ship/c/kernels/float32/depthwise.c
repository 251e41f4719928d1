/* The steps of depthwise_portable.c: bands, and who works them off. Neighboring bands share rows, which
 * the second takes from the first: so results may lie where the input lay, one thread at work. */
typedef void net_depthwise_f32_rows(const net_depthwise_f32_step *d, const float *band, int rows,
                                    float *out);

/* Rows `first` ... of the input, padded, into the band. */
static void net_depthwise_f32_band(const net_depthwise_f32_shape *s, const float *in, int first,
                                   int rows, float *band)
{
    const int left = s->left * s->channels, line = s->columns * s->channels;
    const int right = s->right * s->channels;
    int i, k;

    for (i = first; i < first + rows; i++, band += left + line + right) {
        const int inside = i >= 0 && i < s->rows;
        for (k = 0; k < left; k++) band[k] = 0.0f;
        if (inside) memcpy(band + left, in + i * line, (size_t)line * sizeof *band);
        for (k = inside ? left + line : left; k < left + line + right; k++) band[k] = 0.0f;
    }
}

/* Bands from ... to - 1. */
static void net_depthwise_f32_part(void *context, int from, int to, int thread)
{
    const net_depthwise_f32_step *d = context;
    const net_depthwise_f32_shape *s = d->shape;
    const int line = s->out_columns * s->channels;
    net_depthwise_f32_rows *work = net_depthwise_f32_portable;
    float *band = d->scratch + (size_t)thread * d->share;
    const int pitch = net_depthwise_f32_pitch(s), apart = s->band_rows * s->stride_rows;
    int there = 0, i; /* rows that the band before had */

#if NET_X86
    if (net_variant == NET_AVX2) work = net_depthwise_f32_avx2;
    if (net_variant == NET_AVX512 || net_variant == NET_AVX512VNNI)
        work = net_depthwise_f32_avx512;
#endif
    for (i = from; i < to; i++) {
        const int first = i * s->band_rows;
        const int rows = s->out_rows - first < s->band_rows ? s->out_rows - first : s->band_rows;
        const int seen = (rows - 1) * s->stride_rows + (s->kernel_rows - 1) * s->dilation_rows + 1;
        const int kept = there > apart ? there - apart : 0;

        if (kept > 0)
            memmove(band, band + apart * pitch, (size_t)(kept * pitch) * sizeof *band);
        net_depthwise_f32_band(s, d->in, first * s->stride_rows - s->top + kept, seen - kept,
                               band + kept * pitch);
        there = seen;
        work(d, band, rows, d->out + first * line);
        if (d->activation.kind != NET_LEAKY && d->activation.kind != NET_CLAMP)
            net_activate(d->activation, d->out + first * line, rows * line, d->out + first * line);
    }
}

/* in: [rows][columns][channels].  out: [out_rows][out_columns][channels]. */
static void net_depthwise_f32(const net_depthwise_f32_shape *shape, const float *in,
                              const float *weights, const float *bias, net_activation activation,
                              float *scratch, size_t share, float *out)
{
    const int clamps = activation.kind == NET_CLAMP;
    const net_bounds bounds = {activation.kind == NET_LEAKY ? activation.alpha : 1.0f,
                               clamps ? activation.low : -INFINITY,
                               clamps ? activation.high : INFINITY};
    net_depthwise_f32_step step = {shape,      in,      weights, bias, bounds,
                                         activation, scratch, share,   out};

    const int bands = (shape->out_rows + shape->band_rows - 1) / shape->band_rows;

    net_parallel(net_depthwise_f32_part, &step, bands,
                 (int64_t)shape->band_rows * shape->out_columns * ((shape->channels + 15) / 16) *
                     shape->kernel_rows * shape->kernel_columns);
}
