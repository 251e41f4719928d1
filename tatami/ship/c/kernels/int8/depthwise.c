/* Depthwise convolution of bytes: every channel by itself, under a kernel of its own.
 *
 * A band of the input's rows is copied to scratch, padding written out as the zero point, so that
 * what a tap sees of all the channels of a pixel is one run of bytes, and the next pixel lies at a
 * constant step. Channels are worked off in blocks; how many there are in one, and how they are
 * summed, is all that differs from processor to processor. */
typedef struct {
    int channels, rows, columns;
    int out_rows, out_columns;
    int kernel_rows, kernel_columns;
    int stride_rows, stride_columns;
    int dilation_rows, dilation_columns;
    int top, left, right;  /* padding; below, there is as much as the window asks for */
    int band_rows;         /* output rows of one band */
    uint8_t zero_point;    /* of the input */
} net_depthwise_shape;

/* What is the same for all bands of a step. weights: [kernel_rows * kernel_columns][channels]. */
typedef struct {
    const net_depthwise_shape *shape;
    const int8_t *weights;
    const int32_t *bias; /* less the zero point's share */
    const net_results *results;
    const uint8_t *in;
    uint8_t *scratch;
    size_t share; /* bytes of scratch for one thread */
    uint8_t *out;
} net_depthwise_step;

enum { NET_DEPTHWISE_TAPS = 52 }; /* a kernel of 7 x 7, filled up to a multiple of four */

/* in: a band. out: the first of `rows` output rows. */
typedef void net_depthwise_rows(const net_depthwise_step *d, const uint8_t *in, int rows,
                                uint8_t *out);

static int net_depthwise_pitch(const net_depthwise_shape *s)
{
    return (s->left + s->columns + s->right) * s->channels;
}

/* Where the taps lie, in bytes from the first; the list is filled up with the first tap. */
static void net_depthwise_offsets(const net_depthwise_shape *s, int count, int *offsets)
{
    const int taps = s->kernel_rows * s->kernel_columns;
    int t;

    for (t = 0; t < count; t++) {
        const int u = t < taps ? t / s->kernel_columns : 0;
        const int v = t < taps ? t % s->kernel_columns : 0;
        offsets[t] = u * s->dilation_rows * net_depthwise_pitch(s) +
                     v * s->dilation_columns * s->channels;
    }
}

static void net_depthwise_portable(const net_depthwise_step *d, const uint8_t *in, int rows,
                                   uint8_t *out)
{
    enum { BLOCK = 32 };
    const net_depthwise_shape *s = d->shape;
    const int taps = s->kernel_rows * s->kernel_columns;
    const int pitch = net_depthwise_pitch(s) * s->stride_rows;
    int first, i, t, c;

    for (first = 0; first < s->channels; first += BLOCK) {
        const int count = s->channels - first < BLOCK ? s->channels - first : BLOCK;

        for (i = 0; i < rows * s->out_columns; i++) {
            const int y = i / s->out_columns, x = i % s->out_columns;
            const uint8_t *seen = in + y * pitch + x * s->stride_columns * s->channels + first;
            uint8_t *to = out + i * s->channels + first;
            int32_t sums[BLOCK];

            for (c = 0; c < count; c++) sums[c] = d->bias[first + c];
            for (t = 0; t < taps; t++) {
                const int u = t / s->kernel_columns, v = t % s->kernel_columns;
                const uint8_t *sample = seen + u * s->dilation_rows * net_depthwise_pitch(s) +
                                        v * s->dilation_columns * s->channels;
                const int8_t *weights = d->weights + t * s->channels + first;
                for (c = 0; c < count; c++) sums[c] += weights[c] * sample[c];
            }
            for (c = 0; c < count; c++) to[c] = net_requantize(d->results, first + c, sums[c]);
        }
    }
}

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

/* Every band whose number is `part` modulo `parts`. */
static void net_depthwise_part(const void *context, int part, int parts)
{
    const net_depthwise_step *d = context;
    const net_depthwise_shape *s = d->shape;
    const int bands = (s->out_rows + s->band_rows - 1) / s->band_rows;
    net_depthwise_rows *work = net_depthwise_portable;
    uint8_t *band = d->scratch + (size_t)part * d->share;
    int i;

#if NET_X86
    if (d->results->small && s->kernel_rows * s->kernel_columns <= NET_DEPTHWISE_TAPS) {
        if (net_variant == NET_AVX512VNNI) work = net_depthwise_avx512vnni;
        if (net_variant == NET_AVX512 || net_variant == NET_AVX2) work = net_depthwise_avx2;
    }
#endif
#if NET_ARM_NEON
    if (net_variant == NET_NEON || net_variant == NET_DOTPROD) work = net_depthwise_neon;
#endif
    for (i = part; i < bands; i += parts) {
        const int first = i * s->band_rows;
        const int rows = s->out_rows - first < s->band_rows ? s->out_rows - first : s->band_rows;
        const int seen = (rows - 1) * s->stride_rows + (s->kernel_rows - 1) * s->dilation_rows + 1;

        net_depthwise_band(s, d->in, first * s->stride_rows - s->top, seen, band);
        work(d, band, rows, d->out + (size_t)first * (size_t)(s->out_columns * s->channels));
    }
}

/* in: [rows][columns][channels].  out: [out_rows][out_columns][channels]. */
static void net_depthwise(const net_depthwise_shape *shape, const uint8_t *in,
                          const int8_t *weights, const int32_t *bias, const net_results *results,
                          uint8_t *scratch, size_t share, uint8_t *out)
{
    const net_depthwise_step step = {shape, weights, bias, results, in, scratch, share, out};

    net_parallel(net_depthwise_part, &step);
}
