/* Depthwise convolution of float32: every channel by itself, under a kernel of its own.
 *
 * A band of the input's rows is copied to scratch with zeros as padding, so that there is no
 * condition in the sums. The loops over channels are plain, and compiled once more for every
 * instruction set: compilers vectorise them well. */
typedef struct {
    int channels, rows, columns;
    int out_rows, out_columns;
    int kernel_rows, kernel_columns;
    int stride_rows, stride_columns;
    int dilation_rows, dilation_columns;
    int top, left, right; /* padding; below, there is as much as the window asks for */
    int band_rows;        /* output rows of one band */
} net_depthwise_f32_shape;

/* weights: [kernel_rows * kernel_columns][channels].  share: floats of scratch for one thread. */
typedef struct {
    const net_depthwise_f32_shape *shape;
    const float *in, *weights, *bias;
    net_activation activation;
    float *scratch;
    size_t share;
    float *out;
} net_depthwise_f32_step;

/* `rows` output rows from their band. */
NET_ALWAYS_INLINE void net_depthwise_f32_rows(const net_depthwise_f32_step *d, const float *band,
                                              int rows, float *out)
{
    enum { BLOCK = 64 };
    const net_depthwise_f32_shape *s = d->shape;
    const int pitch = (s->left + s->columns + s->right) * s->channels;
    int first, i, u, v, c;

    for (first = 0; first < s->channels; first += BLOCK) {
        const int count = s->channels - first < BLOCK ? s->channels - first : BLOCK;

        for (i = 0; i < rows * s->out_columns; i++) {
            const int y = i / s->out_columns, x = i % s->out_columns;
            const float *seen = band + y * s->stride_rows * pitch +
                                x * s->stride_columns * s->channels + first;
            float *to = out + i * s->channels + first;
            float sums[BLOCK];

            for (c = 0; c < count; c++) sums[c] = d->bias[first + c];
            for (u = 0; u < s->kernel_rows; u++) {
                for (v = 0; v < s->kernel_columns; v++) {
                    const float *sample = seen + u * s->dilation_rows * pitch +
                                          v * s->dilation_columns * s->channels;
                    const float *weights =
                        d->weights + (u * s->kernel_columns + v) * s->channels + first;
                    for (c = 0; c < count; c++) sums[c] += weights[c] * sample[c];
                }
            }
            for (c = 0; c < count; c++) to[c] = sums[c];
        }
    }
}

typedef void net_depthwise_f32_kernel(const net_depthwise_f32_step *d, const float *band, int rows,
                                      float *out);

static void net_depthwise_f32_portable(const net_depthwise_f32_step *d, const float *band,
                                       int rows, float *out)
{
    net_depthwise_f32_rows(d, band, rows, out);
}

#if NET_X86
__attribute__((target("avx2"))) static void net_depthwise_f32_avx2(
    const net_depthwise_f32_step *d, const float *band, int rows, float *out)
{
    net_depthwise_f32_rows(d, band, rows, out);
}

__attribute__((target("avx512f"))) static void net_depthwise_f32_avx512(
    const net_depthwise_f32_step *d, const float *band, int rows, float *out)
{
    net_depthwise_f32_rows(d, band, rows, out);
}
#endif

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

/* Every band whose number is `part` modulo `parts`. */
static void net_depthwise_f32_part(const void *context, int part, int parts)
{
    const net_depthwise_f32_step *d = context;
    const net_depthwise_f32_shape *s = d->shape;
    const int bands = (s->out_rows + s->band_rows - 1) / s->band_rows;
    const int line = s->out_columns * s->channels;
    net_depthwise_f32_kernel *kernel = net_depthwise_f32_portable;
    float *band = d->scratch + (size_t)part * d->share;
    int i;

#if NET_X86
    if (net_variant == NET_AVX2) kernel = net_depthwise_f32_avx2;
    if (net_variant == NET_AVX512 || net_variant == NET_AVX512VNNI)
        kernel = net_depthwise_f32_avx512;
#endif
    for (i = part; i < bands; i += parts) {
        const int first = i * s->band_rows;
        const int rows = s->out_rows - first < s->band_rows ? s->out_rows - first : s->band_rows;
        const int seen = (rows - 1) * s->stride_rows + (s->kernel_rows - 1) * s->dilation_rows + 1;

        net_depthwise_f32_band(s, d->in, first * s->stride_rows - s->top, seen, band);
        kernel(d, band, rows, d->out + first * line);
        net_activate(d->activation, d->out + first * line, rows * line, d->out + first * line);
    }
}

/* in: [rows][columns][channels].  out: [out_rows][out_columns][channels]. */
static void net_depthwise_f32(const net_depthwise_f32_shape *shape, const float *in,
                              const float *weights, const float *bias, net_activation activation,
                              float *scratch, size_t share, float *out)
{
    const net_depthwise_f32_step step = {shape, in, weights, bias, activation, scratch, share, out};

    net_parallel(net_depthwise_f32_part, &step);
}
