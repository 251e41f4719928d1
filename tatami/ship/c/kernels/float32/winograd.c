/* Convolution of 3 x 3 at stride 1 by minimal filtering: A. Lavin and S. Gray, "Fast Algorithms for
 * Convolutional Neural Networks", CVPR 2016, section 4. A tile of 2 x 2 outputs takes 16 products a
 * channel where it took 36, one of 4 x 4 takes 36 where it took 144: Y = A' [(G g G') * (B' d B)] A,
 * g being the weights, which are transformed when they are shipped, and d the inputs that a tile
 * sees, 4 x 4 or 6 x 6.
 *
 * Of each block of tiles the inputs are transformed, v[points][tiles][channels]; then each of the 16
 * or 36 points is a matrix product of its own, tiles by outputs, which the tile of conv.c computes.
 * What is lost in rounding, and where A, B and G come from: docs/winograd.md. */
typedef struct {
    net_conv_layer conv;  /* 3 x 3, stride 1; band_rows: rows of tiles in a block; weights and bias:
                           * [panels][points][channels][16] and [panels][16] */
    int tile;             /* outputs a side, 2 or 4; it has (tile + 2)^2 points */
    ptrdiff_t band, v;    /* bytes of a thread's band, of what a row of tiles sees, and of its v;
                           * its sums lie behind them */
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
enum { NET_POINT_SUMS = NET_TILE_PANELS * NET_PANEL_SUMS }; /* of one point */

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

/* B' e, a number a point: of four inputs, or of six at the points 0, 3/4, -3/4, 3/2, -3/2. */
NET_ALWAYS_INLINE void net_winograd_before(const net_wide *e, const int tile, net_wide *y)
{
    if (tile == 2) {
        y[0] = e[0] - e[2];
        y[1] = e[1] + e[2];
        y[2] = e[2] - e[1];
        y[3] = e[1] - e[3];
    } else {
        const net_wide even = e[4] - e[2] * 2.25f, odd = (e[3] - e[1] * 2.25f) * 0.75f;
        const net_wide far = e[4] - e[2] * 0.5625f, wide = (e[3] - e[1] * 0.5625f) * 1.5f;

        y[0] = e[0] * 1.265625f - e[2] * 2.8125f + e[4];
        y[1] = even + odd;
        y[2] = even - odd;
        y[3] = far + wide;
        y[4] = far - wide;
        y[5] = e[1] * 1.265625f - e[3] * 2.8125f + e[5];
    }
}

/* A' m: two or four outputs of the points. */
NET_ALWAYS_INLINE void net_winograd_after(const net_wide *m, const int tile, net_wide *y)
{
    if (tile == 2) {
        y[0] = m[0] + m[1] + m[2];
        y[1] = m[1] - m[2] - m[3];
    } else {
        const net_wide sum = m[1] + m[2], difference = m[1] - m[2];
        const net_wide far = m[3] + m[4], wide = m[3] - m[4];

        y[0] = m[0] + sum + far;
        y[1] = difference * 0.75f + wide * 1.5f;
        y[2] = sum * 0.5625f + far * 2.25f;
        y[3] = difference * 0.421875f + wide * 3.375f + m[5];
    }
}

/* d: the tile's first input, rows of `pitch`.  v: of the tile; points lie `point` apart. */
NET_ALWAYS_INLINE void net_winograd_input(const float *d, ptrdiff_t pitch, int channels,
                                          const int tile, float *v, ptrdiff_t point)
{
    const int side = tile + 2;
    int c = 0, i, j;

    for (;;) {
        net_wide t[6][6], e[6], y[6];

        for (j = 0; j < side; j++) { /* (B' d)', a column of d a turn */
            for (i = 0; i < side; i++) net_wide_load(&e[i], d + i * pitch + j * channels + c);
            net_winograd_before(e, tile, t[j]);
        }
        for (i = 0; i < side; i++) { /* (B' d) B, a row of it a turn */
            for (j = 0; j < side; j++) e[j] = t[j][i];
            net_winograd_before(e, tile, y);
            for (j = 0; j < side; j++)
                memcpy(v + (side * i + j) * point + c, &y[j], sizeof y[j]);
        }
        if (c == channels - NET_WIDE) break;
        c = net_least(c + NET_WIDE, channels - NET_WIDE); /* the last ones may come twice */
    }
}

/* m: the points, NET_POINT_SUMS apart, of sixteen outputs.  y: [tile][tile][16], the bias added. */
NET_ALWAYS_INLINE void net_winograd_output(const float *m, const float *bias, const int tile,
                                           float *y)
{
    const int side = tile + 2;
    int o, i, j;

    for (o = 0; o < 16; o += NET_WIDE) {
        net_wide t[6][4], e[6], r[4], b;

        net_wide_load(&b, bias + o);
        for (j = 0; j < side; j++) { /* (A' m)' */
            for (i = 0; i < side; i++)
                net_wide_load(&e[i], m + (side * i + j) * NET_POINT_SUMS + o);
            net_winograd_after(e, tile, t[j]);
        }
        for (i = 0; i < tile; i++) { /* (A' m) A */
            for (j = 0; j < side; j++) e[j] = t[j][i];
            net_winograd_after(e, tile, r);
            for (j = 0; j < tile; j++) {
                r[j] = r[j] + b;
                memcpy(y + 16 * (tile * i + j) + o, &r[j], sizeof r[j]);
            }
        }
    }
}

/* A row of tiles into v, from the band that they see; in v lie `tiles` tiles. */
NET_ALWAYS_INLINE void net_winograd_row(const net_winograd_layer *l, const float *band, int columns,
                                        int tiles, const int tile, float *v)
{
    const int channels = l->conv.bytes / 4;
    const ptrdiff_t pitch = (ptrdiff_t)(tile * columns + 2) * channels;
    const ptrdiff_t point = (ptrdiff_t)tiles * channels + NET_POINT_GAP;
    int x;

    for (x = 0; x < columns; x++, v += channels)
        net_winograd_input(band + tile * x * channels, pitch, channels, tile, v, point);
}

NET_ALWAYS_INLINE void net_winograd_inputs_body(const net_winograd_layer *l, const float *band,
                                                int columns, int tiles, float *v)
{
    if (l->tile == 2)
        net_winograd_row(l, band, columns, tiles, 2, v);
    else
        net_winograd_row(l, band, columns, tiles, 4, v);
}

NET_ALWAYS_INLINE void net_winograd_outputs_body(const float *m, const float *bias, int tile,
                                                 float *y)
{
    if (tile == 2)
        net_winograd_output(m, bias, 2, y);
    else
        net_winograd_output(m, bias, 4, y);
}

NET_IN_VARIANTS(net_winograd_inputs,
                (const net_winograd_layer *l, const float *band, int columns, int tiles, float *v),
                (l, band, columns, tiles, v))

NET_IN_VARIANTS(net_winograd_outputs, (const float *m, const float *bias, int tile, float *y),
                (m, bias, tile, y))

/* The outputs of a tile, y[side][side][16], to where they belong, as far as they are there. */
static void net_winograd_store(const net_conv_layer *s, const net_conv_kernels *kernels, int side,
                               int row, int column, int channel, const float *y, float *out)
{
    const int pool = s->pool, rows = s->out_rows / pool, columns = s->out_columns / pool;
    const int count = net_least(s->outputs - channel, 16);
    const int there = net_least(side, s->out_columns - column) / pool;
    int k;

    row /= pool;
    column /= pool;
    for (k = 0; k < side / pool && row + k < rows; k++) {
        float *to = out + ((ptrdiff_t)(row + k) * columns + column) * s->outputs + channel;

        kernels->store(&s->results, channel, count, y + 16 * pool * k * side, there,
                       pool == 2 ? side : 0, to, s->outputs);
    }
}

/* Tiles `tile` ... `tile` + tiles - 1 of a block, which begins with output row `first`, of panels
 * `panel` ... : the products, and back. sums: [points][NET_POINT_SUMS]. */
static void net_winograd_tiles(const net_winograd_layer *l, const net_conv_kernels *kernels,
                               const float *v, int all_tiles, int tile, int tiles, int first,
                               int panel, int panels, float *sums, float *out)
{
    static const float none[16 * NET_TILE_PANELS] = {0.0f};
    const net_conv_layer *s = &l->conv;
    const int side = l->tile, points = (side + 2) * (side + 2);
    const int channels = s->bytes / 4, tile_columns = (s->out_columns + side - 1) / side;
    const ptrdiff_t one = (ptrdiff_t)channels * 64; /* bytes of weights of a point of a panel */
    const net_taps t = {1, 1, channels, 0, 0, s->bytes, 7 * s->bytes, points * one, one, 64, 16};
    const ptrdiff_t point = (ptrdiff_t)all_tiles * channels + NET_POINT_GAP;
    int p, i, q;

    for (p = 0; p < points; p++)
        kernels->tile(&t, (const uint8_t *)(v + p * point + (ptrdiff_t)tile * channels), tiles,
                      s->weights + (panel * points + p) * one, panels, none,
                      sums + p * NET_POINT_SUMS);
    for (q = 0; q < panels; q++) {
        const int channel = 16 * (panel + q);

        for (i = 0; i < tiles; i++) {
            const int row = first + (tile + i) / tile_columns * side;
            const int column = (tile + i) % tile_columns * side;
            float y[16 * 16];

            net_winograd_outputs(sums + q * NET_PANEL_SUMS + 16 * i,
                                 (const float *)s->bias + channel, side, y);
            net_conv_function(s, 16 * side * side, y);
            net_winograd_store(s, kernels, side, row, column, channel, y, out);
        }
    }
}

/* Units are numbered: blocks of rows of tiles, in them blocks of panels, `span` together. */
static void net_winograd_part(void *context, int from, int to, int thread)
{
    net_winograd_job *job = context;
    const net_winograd_layer *l = job->layer;
    const net_conv_layer *s = &l->conv;
    const int side = l->tile, tile_rows = (s->out_rows + side - 1) / side;
    const int tile_columns = (s->out_columns + side - 1) / side;
    const int panels = (s->outputs + 15) / 16, most = job->kernels->panels;
    uint8_t *band = job->scratch + thread * l->share;
    float *v = (float *)(void *)(band + l->band);
    float *sums = (float *)(void *)(band + l->band + l->v);
    int unit, panel, tile, row;

    for (unit = from; unit < to; unit++) {
        const int begin = unit / job->spans * s->band_rows;
        const int rows = net_least(s->band_rows, tile_rows - begin);
        const int first = unit % job->spans * job->span * most;
        const int beyond = net_least(first + job->span * most, panels);
        const int tiles = rows * tile_columns, pixels = job->kernels->pixels;
        const int groups = (tiles + pixels - 1) / pixels; /* as even as can be */

        if (job->filled[thread] != begin) {
            const float *padded = (const float *)(const void *)band;

            for (row = 0; row < rows; row++) {
                net_fill_band(s, job->in, side * (begin + row), side * (begin + row + 1),
                              side * tile_columns + 2, band);
                net_winograd_inputs(l, padded, tile_columns, tiles,
                                    v + (ptrdiff_t)row * tile_columns * (s->bytes / 4));
            }
            job->filled[thread] = begin;
        }
        for (panel = first; panel < beyond; panel += most) {
            for (tile = 0; tile < groups; tile++) {
                const int at = tile * tiles / groups;
                net_winograd_tiles(l, job->kernels, v, tiles, at, (tile + 1) * tiles / groups - at,
                                   side * begin, panel, net_least(most, beyond - panel), sums,
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
    const int side = layer->tile, tile_rows = (s->out_rows + side - 1) / side;
    const int panels = (s->outputs + 15) / 16;
    const int blocks = (tile_rows + s->band_rows - 1) / s->band_rows;
    const int each = (panels + kernels->panels - 1) / kernels->panels;
    net_winograd_job job = {.layer = layer, .kernels = kernels, .in = (const uint8_t *)in,
                            .scratch = scratch, .out = out};
    int64_t cost;
    int thread;

    for (thread = 0; thread < NET_THREADS; thread++) job.filled[thread] = -1;
    job.span = net_span(blocks, each);
    job.spans = (each + job.span - 1) / job.span;
    cost = (int64_t)s->band_rows * ((s->out_columns + side - 1) / side) * (side + 2) * (side + 2) *
           (s->bytes / 4);
    net_parallel(net_winograd_part, &job, blocks * job.spans,
                 cost * net_least(job.span * kernels->panels, panels));
}
