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
