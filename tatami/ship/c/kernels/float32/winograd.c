/* Convolution of 3 x 3 at stride 1 by minimal filtering, F(2 x 2, 3 x 3): A. Lavin and S. Gray, "Fast
 * Algorithms for Convolutional Neural Networks", CVPR 2016, section 4. A tile of 2 x 2 outputs takes
 * 16 products a channel where it took 36: Y = A' [(G g G') * (B' d B)] A, g being the weights, which
 * are transformed when they are shipped, and d the 4 x 4 inputs.
 *
 * Of each block of tiles the inputs are transformed, v[16][tiles][channels]; then each of the 16
 * points is a matrix product of its own, tiles by outputs, which the tile of conv.c computes. With
 * A, B and G of 0, 1 and 1/2, next to nothing is lost in rounding: docs/winograd.md. */
typedef struct {
    net_conv_layer conv;  /* 3 x 3, stride 1; band_rows: rows of tiles in a block; weights and bias:
                           * [panels][16 points][channels][16] and [panels][16] */
    ptrdiff_t band, v;    /* bytes of a thread's band and of its v; its sums lie behind them */
    ptrdiff_t share;      /* bytes of scratch of a thread */
} net_winograd_layer;

typedef struct {
    const net_winograd_layer *layer;
    const net_conv_kernels *kernels;
    const uint8_t *in;
    uint8_t *scratch;
    float *out;
    int span, spans;         /* blocks of panels that are a unit; units of a block of rows */
    int filled[NET_THREADS]; /* the block whose transform a thread's scratch has; -1 is none */
} net_winograd_job;

/* Between the points of v: numbers that keep them off one another's cache lines. */
enum { NET_POINT_GAP = 16 };
enum { NET_POINT_SUMS = NET_TILE_PANELS * NET_PANEL_SUMS }; /* of one of the 16 points */

/* Sixteen channels or outputs at once, which GCC and clang cut up for the processor at hand. */
#if defined(__GNUC__)
typedef float net_wide __attribute__((vector_size(64)));
#else
typedef float net_wide;
#endif
enum { NET_WIDE = sizeof(net_wide) / sizeof(float) };

NET_ALWAYS_INLINE void net_wide_load(net_wide *to, const float *from)
{
    memcpy(to, from, sizeof *to);
}

/* d: the tile's first input, rows of `pitch`.  v: of the tile; points lie `point` apart. */
NET_ALWAYS_INLINE void net_winograd_input(const float *d, ptrdiff_t pitch, int channels, float *v,
                                          ptrdiff_t point)
{
    int c = 0, i, j;

    for (;;) {
        net_wide t[4][4], e[4], y;

        for (j = 0; j < 4; j++) { /* B' d */
            for (i = 0; i < 4; i++) net_wide_load(&e[i], d + i * pitch + j * channels + c);
            t[0][j] = e[0] - e[2];
            t[1][j] = e[1] + e[2];
            t[2][j] = e[2] - e[1];
            t[3][j] = e[1] - e[3];
        }
        for (j = 0; j < 4; j++) { /* (B' d) B */
            float *to = v + 4 * j * point + c;

            y = t[j][0] - t[j][2];
            memcpy(to, &y, sizeof y);
            y = t[j][1] + t[j][2];
            memcpy(to + point, &y, sizeof y);
            y = t[j][2] - t[j][1];
            memcpy(to + 2 * point, &y, sizeof y);
            y = t[j][1] - t[j][3];
            memcpy(to + 3 * point, &y, sizeof y);
        }
        if (c == channels - NET_WIDE) break;
        c = net_least(c + NET_WIDE, channels - NET_WIDE); /* the last ones may come twice */
    }
}

/* m: [16 points], NET_POINT_SUMS apart, of sixteen outputs.  y: [2][2][16], the bias added. */
NET_ALWAYS_INLINE void net_winograd_output(const float *m, const float *bias, float *y)
{
    int o, i, j;

    for (o = 0; o < 16; o += NET_WIDE) {
        net_wide t[2][4], e[4], b, r;

        net_wide_load(&b, bias + o);
        for (j = 0; j < 4; j++) { /* A' m */
            for (i = 0; i < 4; i++) net_wide_load(&e[i], m + (4 * i + j) * NET_POINT_SUMS + o);
            t[0][j] = e[0] + e[1] + e[2];
            t[1][j] = e[1] - e[2] - e[3];
        }
        for (j = 0; j < 2; j++) { /* (A' m) A */
            r = t[j][0] + t[j][1] + t[j][2] + b;
            memcpy(y + 32 * j + o, &r, sizeof r);
            r = t[j][1] - t[j][2] - t[j][3] + b;
            memcpy(y + 32 * j + 16 + o, &r, sizeof r);
        }
    }
}

/* All tiles of output rows `first` ... `end` - 1 into v. */
NET_ALWAYS_INLINE void net_winograd_inputs(const net_winograd_layer *l, const float *band,
                                           int tile_rows, int tile_columns, float *v)
{
    const int channels = l->conv.bytes / 4;
    const ptrdiff_t pitch = (ptrdiff_t)(2 * tile_columns + 2) * channels;
    const ptrdiff_t point = (ptrdiff_t)tile_rows * tile_columns * channels + NET_POINT_GAP;
    int y, x;

    for (y = 0; y < tile_rows; y++)
        for (x = 0; x < tile_columns; x++, v += channels)
            net_winograd_input(band + 2 * y * pitch + 2 * x * channels, pitch, channels, v, point);
}

static void net_winograd_inputs_portable(const net_winograd_layer *l, const float *band,
                                         int tile_rows, int tile_columns, float *v)
{
    net_winograd_inputs(l, band, tile_rows, tile_columns, v);
}

static void net_winograd_output_portable(const float *m, const float *bias, float *y)
{
    net_winograd_output(m, bias, y);
}

#if NET_X86
__attribute__((target("avx2"))) static void net_winograd_inputs_avx2(
    const net_winograd_layer *l, const float *band, int tile_rows, int tile_columns, float *v)
{
    net_winograd_inputs(l, band, tile_rows, tile_columns, v);
}

__attribute__((target("avx2"))) static void net_winograd_output_avx2(const float *m,
                                                                     const float *bias, float *y)
{
    net_winograd_output(m, bias, y);
}

__attribute__((target("avx512f,avx512vl"))) static void net_winograd_inputs_avx512(
    const net_winograd_layer *l, const float *band, int tile_rows, int tile_columns, float *v)
{
    net_winograd_inputs(l, band, tile_rows, tile_columns, v);
}

__attribute__((target("avx512f,avx512vl"))) static void net_winograd_output_avx512(
    const float *m, const float *bias, float *y)
{
    net_winograd_output(m, bias, y);
}
#endif

/* Tiles `tile` ... `tile` + tiles - 1 of a block, which begins with output row `first`, of panels
 * `panel` ... : the products, and back. sums: [16][NET_POINT_SUMS]. */
static void net_winograd_tiles(const net_winograd_layer *l, const net_conv_kernels *kernels,
                               const float *v, int all_tiles, int tile, int tiles, int first,
                               int panel, int panels, float *sums, float *out)
{
    static const float none[16 * NET_TILE_PANELS] = {0.0f};
    const net_conv_layer *s = &l->conv;
    const int channels = s->bytes / 4, tile_columns = (s->out_columns + 1) / 2;
    const ptrdiff_t one = (ptrdiff_t)channels * 64; /* bytes of weights of a point of a panel */
    const net_taps t = {1, 1, channels, 0, 0, s->bytes, 16 * one, 16};
    const ptrdiff_t point = (ptrdiff_t)all_tiles * channels + NET_POINT_GAP;
    const int pooled = s->pool == 2;
    net_results results = s->results;
    int p, i, q, k;

    for (p = 0; p < 16; p++)
        kernels->tile(&t, (const uint8_t *)(v + p * point + (ptrdiff_t)tile * channels), tiles, s->weights + panel * 16 * one + p * one, panels, none,
                      sums + p * NET_POINT_SUMS);
    for (q = 0; q < panels; q++) {
        const int channel = 16 * (panel + q);
        const int count = s->outputs - channel < 16 ? s->outputs - channel : 16;

        for (i = 0; i < tiles; i++) {
            const int row = first + (tile + i) / tile_columns * 2;
            const int column = (tile + i) % tile_columns * 2;
            const float *m = sums + q * NET_PANEL_SUMS + 16 * i;
            const float *bias = (const float *)s->bias + channel;
            float y[64];

            switch (net_variant) {
#if NET_X86
            case NET_AVX512VNNI:
            case NET_AVX512: net_winograd_output_avx512(m, bias, y); break;
            case NET_AVX2: net_winograd_output_avx2(m, bias, y); break;
#endif
            default: net_winograd_output_portable(m, bias, y); break;
            }
            net_conv_function(s, 64, y);
            if (pooled) { /* rows 2 i and 2 i + 1: y[2][2][16] is as the store wants it */
                float *to = out + ((ptrdiff_t)(row / 2) * (s->out_columns / 2) + column / 2) *
                                      s->outputs + channel;
                kernels->store(&results, channel, count, y, 1, 2, to, s->outputs);
                continue;
            }
            for (k = 0; k < 2 && row + k < s->out_rows; k++) {
                const int there = s->out_columns - column < 2 ? 1 : 2;
                float *to = out + ((ptrdiff_t)(row + k) * s->out_columns + column) * s->outputs +
                            channel;
                kernels->store(&results, channel, count, y + 32 * k, there, 0, to, s->outputs);
            }
        }
    }
}

/* Units are numbered: blocks of rows of tiles, in them blocks of panels, `span` together. */
static void net_winograd_part(void *context, int from, int to, int thread)
{
    net_winograd_job *job = context;
    const net_winograd_layer *l = job->layer;
    const net_conv_layer *s = &l->conv;
    const int tile_rows = (s->out_rows + 1) / 2, tile_columns = (s->out_columns + 1) / 2;
    const int panels = (s->outputs + 15) / 16, most = job->kernels->panels;
    uint8_t *band = job->scratch + thread * l->share;
    float *v = (float *)(void *)(band + l->band);
    float *sums = (float *)(void *)(band + l->band + l->v);
    int unit, panel, tile;

    for (unit = from; unit < to; unit++) {
        const int begin = unit / job->spans * s->band_rows;
        const int rows = net_least(s->band_rows, tile_rows - begin);
        const int first = unit % job->spans * job->span * most;
        const int beyond = net_least(first + job->span * most, panels);
        const int tiles = rows * tile_columns, pixels = job->kernels->pixels;
        const int groups = (tiles + pixels - 1) / pixels; /* as even as can be */

        if (job->filled[thread] != begin) {
            const float *padded = (const float *)(const void *)band;
            net_fill_band(s, job->in, 2 * begin, 2 * (begin + rows), 2 * tile_columns + 2, band);
            switch (net_variant) {
#if NET_X86
            case NET_AVX512VNNI:
            case NET_AVX512:
                net_winograd_inputs_avx512(l, padded, rows, tile_columns, v);
                break;
            case NET_AVX2: net_winograd_inputs_avx2(l, padded, rows, tile_columns, v); break;
#endif
            default: net_winograd_inputs_portable(l, padded, rows, tile_columns, v); break;
            }
            job->filled[thread] = begin;
        }
        for (panel = first; panel < beyond; panel += most) {
            for (tile = 0; tile < groups; tile++) {
                const int at = tile * tiles / groups;
                net_winograd_tiles(l, job->kernels, v, tiles, at, (tile + 1) * tiles / groups - at,
                                   2 * begin, panel, net_least(most, beyond - panel), sums,
                                   job->out);
            }
        }
    }
}

/* in: [rows][columns][channels].  out: [out_rows][out_columns][outputs], or pooled. */
static void net_winograd(const net_winograd_layer *layer, const net_conv_kernels *kernels,
                         const float *in, uint8_t *scratch, float *out)
{
    const net_conv_layer *s = &layer->conv;
    const int tile_rows = (s->out_rows + 1) / 2, panels = (s->outputs + 15) / 16;
    const int blocks = (tile_rows + s->band_rows - 1) / s->band_rows;
    const int each = (panels + kernels->panels - 1) / kernels->panels;
    net_winograd_job job = {.layer = layer, .kernels = kernels, .in = (const uint8_t *)in,
                            .scratch = scratch, .out = out};
    int64_t cost;
    int thread;

    for (thread = 0; thread < NET_THREADS; thread++) job.filled[thread] = -1;
    job.span = net_span(blocks, each);
    job.spans = (each + job.span - 1) / job.span;
    cost = (int64_t)s->band_rows * ((s->out_columns + 1) / 2) * 16 * (s->bytes / 4);
    net_parallel(net_winograd_part, &job, blocks * job.spans,
                 cost * net_least(job.span * kernels->panels, panels));
}
