/* y = a b, matrices whose samples lie in any order, by the tile of conv.c: b is packed as weights
 * are, and rows of a are pixels. */
typedef struct {
    int rows, length, columns; /* of y the rows and columns; of a sum the products */
    ptrdiff_t a_row, a_step;   /* samples from one to the next */
    ptrdiff_t b_step, b_column;
    ptrdiff_t y_row, y_column;
} net_product;

typedef struct {
    const net_product *product;
    const uint8_t *a;
    ptrdiff_t a_row; /* bytes; a row's samples lie together */
    const uint8_t *weights;
    float *y;
} net_product_job;

/* Rows from ... to - 1. */
static void net_product_part(void *context, int from, int to, int thread)
{
    static const float nothing[16 * NET_TILE_PANELS];
    const net_product_job *job = context;
    const net_product *p = job->product;
    const net_conv_kernels *kernels = net_float_kernels();
    const int panels = (p->columns + 15) / 16;
    const int rows = to - from;
    const int tiles = (rows + kernels->pixels - 1) / kernels->pixels;
    NET_ALIGNED float sums[NET_TILE_PANELS * NET_PANEL_SUMS];
    net_taps t;
    int panel, tile, i, j;

    (void)thread;
    t.rows = t.runs = 1;
    t.dwords = p->length;
    t.row_step = t.run_step = 0;
    t.pixel_step = job->a_row;
    t.half = 7 * t.pixel_step;
    t.panel_step = (ptrdiff_t)p->length * 64;
    t.next = 2 * t.panel_step;
    t.next_step = 64;
    t.outputs = 16;
    for (panel = 0; panel < panels; panel += kernels->panels) {
        const int most = kernels->panels * 16, left = p->columns - 16 * panel;
        const int columns = left < most ? left : most;
        const uint8_t *weights = job->weights + panel * t.panel_step;

        for (tile = 0; tile < tiles; tile++) {
            const int x = tile * rows / tiles, pixels = (tile + 1) * rows / tiles - x;
            float *y = job->y + (from + x) * p->y_row + 16 * panel * p->y_column;

            kernels->tile(&t, job->a + (from + x) * t.pixel_step, pixels, weights,
                          (columns + 15) / 16, nothing, sums);
            for (i = 0; i < pixels; i++, y += p->y_row) {
                if (p->y_column == 1 && columns == 16) {
                    memcpy(y, sums + 16 * i, 16 * sizeof *y);
                    continue;
                }
                for (j = 0; j < columns; j++)
                    y[j * p->y_column] = sums[j / 16 * NET_PANEL_SUMS + 16 * i + j % 16];
            }
        }
    }
}

/* out: [rows][columns], of which `in` has the samples `row` and `column` apart. */
static void net_pack(const float *in, int rows, int columns, ptrdiff_t row, ptrdiff_t column,
                     float *out, ptrdiff_t out_row)
{
    int y, x;

    if (row < column) { /* the nearest samples one after the other */
        for (x = 0; x < columns; x++)
            for (y = 0; y < rows; y++) out[y * out_row + x] = in[y * row + x * column];
    } else {
        for (y = 0; y < rows; y++)
            for (x = 0; x < columns; x++) out[y * out_row + x] = in[y * row + x * column];
    }
}

/* scratch: [panels][length][16], and [rows][length] where the samples of a's rows lie apart. */
static void net_multiply(const net_product *p, const float *a, const float *b, float *scratch,
                         float *y)
{
    const int panels = (p->columns + 15) / 16;
    float *packed = scratch + (ptrdiff_t)panels * p->length * 16;
    net_product_job job;
    int q;

    for (q = 0; q < panels; q++) {
        const int left = p->columns - 16 * q;
        float *to = scratch + (ptrdiff_t)q * p->length * 16;

        if (left < 16) memset(to, 0, (size_t)p->length * 64);
        net_pack(b + 16 * q * p->b_column, p->length, left < 16 ? left : 16, p->b_step,
                 p->b_column, to, 16);
    }
    if (p->a_step != 1)
        net_pack(a, p->rows, p->length, p->a_row, p->a_step, packed, p->length);
    job.product = p;
    job.a = (const uint8_t *)(p->a_step == 1 ? a : packed);
    job.a_row = 4 * (p->a_step == 1 ? p->a_row : p->length);
    job.weights = (const uint8_t *)scratch;
    job.y = y;
    net_parallel(net_product_part, &job, p->rows, (int64_t)p->length * panels);
}
