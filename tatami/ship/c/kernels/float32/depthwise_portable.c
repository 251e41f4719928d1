/* Depthwise convolution of float32: every channel by itself, under a kernel of its own.
 *
 * A band of the input's rows is copied to scratch with zeros as padding, so that there is no
 * condition in the sums. These are the rows in plain C; a file each has them for AVX2 and AVX-512. */
typedef struct {
    int channels, rows, columns;
    int out_rows, out_columns;
    int kernel_rows, kernel_columns;
    int stride_rows, stride_columns;
    int dilation_rows, dilation_columns;
    int top, left, right; /* padding; below, there is as much as the window asks for */
    int band_rows;        /* output rows of one band */
} net_depthwise_f32_shape;

/* An activation that the sums meet before they are stored; of others it is none. */
typedef struct {
    float slope, low, high;
} net_bounds;

/* weights: [kernel_rows * kernel_columns][channels].  share: floats of scratch for one thread. */
typedef struct {
    const net_depthwise_f32_shape *shape;
    const float *in, *weights, *bias;
    net_bounds bounds;
    net_activation activation;
    float *scratch;
    size_t share;
    float *out;
} net_depthwise_f32_step;

/* Floats of a padded row. */
static int net_depthwise_f32_pitch(const net_depthwise_f32_shape *s)
{
    return (s->left + s->columns + s->right) * s->channels;
}

/* `rows` output rows from their band. */
static void net_depthwise_f32_portable(const net_depthwise_f32_step *d, const float *band,
                                       int rows, float *out)
{
    enum { BLOCK = 64 };
    const net_depthwise_f32_shape *s = d->shape;
    const net_bounds bounds = d->bounds;
    const int pitch = net_depthwise_f32_pitch(s);
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
            for (c = 0; c < count; c++) {
                const float sum = sums[c] < 0.0f ? sums[c] * bounds.slope : sums[c];
                const float raised = sum < bounds.low ? bounds.low : sum;
                to[c] = raised > bounds.high ? bounds.high : raised;
            }
        }
    }
}
