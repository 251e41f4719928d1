/* Convolution, in either kind: float32, or int8 weights times uint8 samples summed in int32.
 *
 * The work is cut into tiles of neighboring output pixels of one row times one or two panels of
 * sixteen outputs, whose sums stay in registers. To a tile the input is runs of contiguous bytes:
 * a kernel row of neighboring columns is one run (columns, channels), else every tap is one; runs
 * lie at constant steps, and so do pixels. The band makes that so: the padded input rows of some
 * output rows, copied to scratch with the padding written out. Where nothing is padded the input is
 * its own band. A float32 sample has four bytes, and so have the four uint8 samples that processors
 * multiply at once: one dword, times 64 bytes of weights, adds to sixteen sums in either kind. So
 * this page knows bytes alone; only the tile differs from kind to kind and from processor to
 * processor, and the store that makes results of sums.
 *
 * Weights: [group][panel][kernel row][run][dword of the run][16 outputs], an entry being one float32
 * or four int8, 0 where a run ends inside a dword and where a panel has fewer outputs. The bias of
 * bytes has the zero point in it, bias - zero_point * sum of the weights, so that samples count as
 * they lie. */
typedef struct {
    int rows, runs, dwords;       /* kernel rows; runs a row; dwords a run */
    ptrdiff_t row_step, run_step; /* bytes from a kernel row, a run, to the next */
    ptrdiff_t pixel_step;         /* bytes from an output pixel's input to the next one's */
    ptrdiff_t half;               /* those from pixel 0 to pixel 7: another row's, in a folded tile */
    ptrdiff_t panel_step;         /* bytes of the weights of a panel */
    ptrdiff_t next, next_step;    /* to weights that are wanted soon; from dword to dword there */
    int outputs;                  /* of a panel where there is one alone, else 16 */
} net_taps;

/* The most that a tile has. */
#if NET_X86
enum { NET_TILE_PIXELS = 14, NET_TILE_PANELS = 2 };
#else
enum { NET_TILE_PIXELS = 8, NET_TILE_PANELS = 1 };
#endif
enum { NET_FEW_PANELS = 2 }; /* of a dense layer that is too small for threads */
enum { NET_NEAR = 16384 };   /* bytes of weights that stay in the first cache */
enum { NET_SOON = 4096 };    /* bytes from weights to those that are wanted a microsecond later */
/* Sums of a panel: two rows of pixels for the pool, and what net_store may read beyond. */
enum { NET_PANEL_SUMS = 16 * (2 * NET_TILE_PIXELS + 8) };

/* sums[panels][NET_PANEL_SUMS], of which [pixels][16] are written (those of `outputs` at least),
 *     = bias[panels][16]
 *     + sum over rows, runs and dwords k of weights[row][run][k][16] * in[row][run][pixel][k].
 * in: the first tap of the first pixel.  weights, bias: of the first panel. */
typedef void net_tile(const net_taps *t, const uint8_t *in, int pixels, const void *weights,
                      int panels, const void *bias, void *sums);

/* sums: [panels][NET_PANEL_SUMS], of which [pixels][16], or pooled: [2 pixels][16] and another such
 * row `pool` pixels on.  out: `pixels` pixels, `step` samples apart, of `count` channels, which are
 * those from `channel` on: at most 16, but of the variants whose tiles have two panels. */
typedef void net_store(const net_results *r, int channel, int count, const void *sums, int pixels,
                       int pool, void *out, ptrdiff_t step);

/* The tile and the store of a variant, how many pixels and panels such a tile has at most, and
 * whether it wants samples as x - 128, the bias being made for that. */
typedef struct {
    net_tile *tile;
    net_store *store;
    int pixels, panels;
    int is_signed;
    int folds; /* pixels from 7 on may lie in another row: net_taps.half */
} net_conv_kernels;

typedef struct {
    int groups;
    int bytes, rows, columns;             /* input of one group: bytes of a pixel */
    int outputs, out_rows, out_columns;   /* output of one group, before the pool */
    ptrdiff_t step, line;                 /* samples from a result to the next one's, down a row */
    int kernel_rows, kernel_columns;
    int stride_rows, stride_columns;
    int dilation_rows, dilation_columns;
    int top, left;                        /* padding */
    int band_rows;                        /* output rows that a band serves; 0: no band needed */
    ptrdiff_t band_bytes;                 /* scratch of one thread */
    int pool;                             /* 2: the largest of 2 x 2 results is stored, else 1 */
    uint8_t padding;                      /* every byte of it */
    const uint8_t *weights;
    const void *bias, *bias_signed;       /* [groups][panels][16]; the second for x - 128 */
    net_results results;                  /* its arrays likewise */
} net_conv_layer;

typedef struct {
    const net_conv_layer *layer;
    const net_conv_kernels *kernels;
    const uint8_t *in;
    uint8_t *scratch;
    void *out;
    int bands;               /* in all groups; or pieces of the only row */
    int span, spans;         /* blocks of panels that are a unit; units of a band */
    int filled[NET_THREADS]; /* the band that a thread's scratch has; -1 is none */
} net_conv_job;

/* The input rows of output rows `first` ... `end` - 1, padded: [rows][columns][channels]. */
static void net_fill_band(const net_conv_layer *l, const uint8_t *in, int first, int end,
                          int columns, uint8_t *band)
{
    const int above = first * l->stride_rows - l->top;
    const int below =
        (end - 1) * l->stride_rows + (l->kernel_rows - 1) * l->dilation_rows - l->top;
    const int step = l->groups * l->bytes;
    const int left = l->left < columns ? l->left : columns;
    const int inside = columns - left < l->columns ? columns - left : l->columns;
    const size_t row_bytes = (size_t)(columns * l->bytes);
    int y, x;

    for (y = above; y <= below; y++, band += row_bytes) {
        uint8_t *to = band + left * l->bytes;
        const uint8_t *line;

        if (y < 0 || y >= l->rows) {
            memset(band, l->padding, row_bytes);
            continue;
        }
        line = in + (ptrdiff_t)y * l->columns * step;
        memset(band, l->padding, (size_t)(left * l->bytes));
        if (l->groups == 1) {
            memcpy(to, line, (size_t)(inside * step));
            to += inside * step;
        } else {
            for (x = 0; x < inside; x++, line += step, to += l->bytes)
                memcpy(to, line, (size_t)l->bytes);
        }
        memset(to, l->padding, (size_t)((columns - left - inside) * l->bytes));
    }
    memset(band, 0, 4); /* the last dword may end here */
}

static int net_least(int a, int b) { return a < b ? a : b; }

/* Functions, which stores do not know, before them. */
static void net_conv_function(const net_conv_layer *l, int count, void *sums)
{
    if (l->results.activation.kind > NET_CLAMP)
        net_activate(l->results.activation, sums, count, sums);
}

/* A tile's results of panels `panel` ... beyond - 1 of a group, block by block. in: its first tap, and
 * `down` bytes on, where there is a pool, that of the row below. to: its first result of the group. */
static void net_conv_tile(const net_conv_layer *l, const net_conv_kernels *kernels,
                          const net_taps *t, const uint8_t *in, ptrdiff_t down, int pixels,
                          int group, int panel, int beyond, char *to)
{
    const int first = group * ((l->outputs + 15) / 16), seen = pixels * l->pool;
    const uint8_t *bias = kernels->is_signed ? l->bias_signed : l->bias;
    NET_ALIGNED uint32_t sums[NET_TILE_PANELS * NET_PANEL_SUMS]; /* int32 or float, as the tile says */
    int q;

    for (; panel < beyond; panel += kernels->panels) {
        const int panels = net_least(kernels->panels, beyond - panel);
        const int channel = 16 * (first + panel);
        const uint8_t *weights = l->weights + (first + panel) * t->panel_step;

        kernels->tile(t, in, seen, weights, panels, bias + 4 * channel, sums);
        if (l->pool == 2)
            kernels->tile(t, in + down, seen, weights, panels, bias + 4 * channel,
                          sums + 16 * seen);
        for (q = 0; q < panels; q++)
            net_conv_function(l, 16 * seen * l->pool, sums + q * NET_PANEL_SUMS);
        kernels->store(&l->results, channel, net_least(l->outputs - 16 * panel, 16 * panels), sums,
                       pixels, l->pool == 2 ? seen : 0, to + 16 * panel * l->results.size,
                       l->step);
    }
}

/* Output rows first ... end - 1, of them the (pooled) columns left ... right - 1, of panels `panel` ...
 * beyond - 1 of a group. */
static void net_conv_block(const net_conv_layer *l, const net_conv_kernels *kernels,
                           const net_taps *taps, const uint8_t *band, int first, int end, int left,
                           int right, int group, int panel, int beyond, void *out)
{
    const int most = l->pool == 2 ? kernels->pixels / 2 : kernels->pixels;
    const int width = right - left;
    const int tiles = (width + most - 1) / most; /* as even as can be */
    const ptrdiff_t down = l->stride_rows * (taps->row_step / l->dilation_rows);
    /* Two rows of seven pixels, which are what small maps have, fill a tile. */
    const int folds = kernels->folds && width == 7 && l->pool == 1 && l->line == 7 * l->step;
    /* Each tile asks for a part of the weights that come next. */
    const int lines = folds ? 2 : l->pool, all = (end - first + lines - 1) / lines * tiles;
    const int dwords = taps->rows * taps->runs * taps->dwords;
    net_taps t = *taps;
    int y, tile, rows;

    t.next_step = (63 + all) / all;
    if (all == 1) t.next = NET_SOON; /* weights are read once: there is no time to waste */
    for (y = first; y < end; y += l->pool * rows) {
        rows = folds && end - y > 1 ? 2 : 1;
        if (folds) t.half = rows == 2 ? down : 7 * t.pixel_step;
        for (tile = 0; tile < tiles; tile++, t.next += dwords * t.next_step) {
            const int x = left + tile * width / tiles;
            const int pixels = left + (tile + 1) * width / tiles - x;
            const ptrdiff_t to = y / l->pool * l->line + x * l->step + group * l->outputs;

            net_conv_tile(l, kernels, &t,
                          band + (y - first) * down + x * l->pool * t.pixel_step, down,
                          rows * pixels, group, panel, beyond, (char *)out + to * l->results.size);
        }
    }
}

/* Of a band, or an input that is its own, of so many columns. */
static net_taps net_taps_of(const net_conv_layer *l, int columns)
{
    const int together = l->dilation_columns == 1; /* a kernel row is one run */
    const int run_bytes = (together ? l->kernel_columns : 1) * l->bytes;
    net_taps t;

    t.rows = l->kernel_rows;
    t.runs = together ? 1 : l->kernel_columns;
    t.dwords = (run_bytes + 3) / 4;
    t.outputs = l->outputs < 16 ? l->outputs : 16;
    t.row_step = (ptrdiff_t)l->dilation_rows * columns * l->bytes;
    t.run_step = l->dilation_columns * l->bytes;
    t.pixel_step = l->stride_columns * l->bytes;
    t.half = 7 * t.pixel_step;
    t.panel_step = (ptrdiff_t)t.rows * t.runs * t.dwords * 64;
    t.next = 2 * t.panel_step;
    t.next_step = 64;
    return t;
}

/* Units are numbered: groups, in them bands, in them blocks of panels, `span` together. */
static void net_conv_part(void *context, int from, int to, int thread)
{
    net_conv_job *job = context;
    const net_conv_layer *l = job->layer;
    const net_conv_kernels *kernels = job->kernels;
    const int banded = l->band_rows > 0;
    const int band_rows = banded ? l->band_rows : l->out_rows;
    const int pieces = l->out_rows == 1 ? job->bands / l->groups : 1;
    const int bands = l->out_rows == 1 ? 1 : job->bands / l->groups;
    const int panels = (l->outputs + 15) / 16;
    uint8_t *band = job->scratch + thread * l->band_bytes;
    const int columns = banded ? (l->out_columns - 1) * l->stride_columns +
                                     (l->kernel_columns - 1) * l->dilation_columns + 1
                               : l->columns;
    const net_taps t = net_taps_of(l, columns);
    const int width = l->out_columns / l->pool;
    /* All results of a tile one after the other, where the weights stay near meanwhile. */
    const int at_once = panels * t.panel_step <= NET_NEAR ? panels : kernels->panels;
    int unit, panel;

    for (unit = from; unit < to; unit++) {
        const int number = unit / job->spans, group = number / (bands * pieces);
        const int piece = number % pieces, filled = number / pieces;
        const int first = filled % bands * band_rows;
        const int end = net_least(first + band_rows, l->out_rows);
        const int begin = unit % job->spans * job->span * kernels->panels;
        const int beyond = net_least(begin + job->span * kernels->panels, panels);

        if (banded && job->filled[thread] != filled) {
            net_fill_band(l, job->in + group * l->bytes, first, end, columns, band);
            job->filled[thread] = filled;
        }
        for (panel = begin; panel < beyond; panel += at_once)
            net_conv_block(l, kernels, &t, banded ? band : job->in, first, end,
                           (int)((int64_t)width * piece / pieces),
                           (int)((int64_t)width * (piece + 1) / pieces), group, panel,
                           net_least(panel + at_once, beyond), job->out);
    }
}

/* How many blocks are a unit: all of a band, where there are bands enough for all threads, which
 * then fill each but once. */
static int net_span(int bands, int blocks)
{
    return NET_THREADS == 1 || bands >= 8 * NET_THREADS ? blocks : 1;
}

/* The only pixel of the only group, where the input is its own band: a dense layer. In a small
 * network it takes less time than to find out how to cut up the work. */
static void net_conv_pixel(const net_conv_job *job)
{
    const net_conv_layer *l = job->layer;
    const net_conv_kernels *kernels = job->kernels;
    const net_taps t = net_taps_of(l, l->columns);
    const uint8_t *bias = kernels->is_signed ? l->bias_signed : l->bias, *weights = l->weights;
    NET_ALIGNED uint32_t sums[NET_TILE_PANELS * NET_PANEL_SUMS];
    char *out = job->out;
    int channel, left;

    for (channel = 0; channel < l->outputs; channel += 16, bias += 64, weights += t.panel_step) {
        left = l->outputs - channel;
        kernels->tile(&t, job->in, 1, weights, 1, bias, sums);
        net_conv_function(l, 16, sums);
        kernels->store(&l->results, channel, net_least(left, 16), sums, 1, 0,
                       out + channel * l->results.size, l->outputs);
    }
}

static void net_conv(const net_conv_layer *layer, const net_conv_kernels *kernels, const void *in,
                     void *scratch, void *out)
{
    const net_conv_layer *l = layer;
    const int rows = l->band_rows > 0 ? l->band_rows : l->out_rows;
    const int panels = (l->outputs + 15) / 16;
    const int blocks = (panels + kernels->panels - 1) / kernels->panels;
    net_conv_job job = {.layer = l, .kernels = kernels, .in = in, .scratch = scratch, .out = out};
    int64_t cost;
    int thread;

    if (l->outputs <= 16 * NET_FEW_PANELS && l->out_rows * l->out_columns == 1 &&
        l->groups == 1 && l->band_rows == 0 && l->pool == 1) {
        net_conv_pixel(&job);
        return;
    }
    for (thread = 0; thread < NET_THREADS; thread++) job.filled[thread] = -1;
    cost = (int64_t)rows * l->out_columns * l->kernel_rows * l->kernel_columns;
    cost *= (l->bytes + 3) / 4;
    job.bands = l->groups * ((l->out_rows + rows - 1) / rows);
    if (NET_THREADS > 1 && l->out_rows == 1) { /* pieces of whole tiles */
        const int pieces = net_least(8 * NET_THREADS, l->out_columns / l->pool / kernels->pixels);

        if (pieces > 1) {
            job.bands *= pieces;
            cost /= pieces;
        }
    }
    job.span = net_span(job.bands, blocks);
    job.spans = (blocks + job.span - 1) / job.span;
    net_parallel(net_conv_part, &job, job.bands * job.spans,
                 cost * net_least(job.span * kernels->panels, panels));
}
