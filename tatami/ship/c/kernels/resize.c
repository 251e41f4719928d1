/* Nearest samples: output row y is input row row[y], and so are columns.
 * in: [rows][columns][pixel bytes].  out: [out_rows][out_columns][pixel bytes]. */
typedef struct {
    int pixel, columns, out_columns;
    const int32_t *row, *column;
    const uint8_t *in;
    uint8_t *out;
} net_nearest_step;

/* Output rows from ... to - 1. */
static void net_nearest_part(void *context, int from, int to, int thread)
{
    const net_nearest_step *s = context;
    const size_t size = (size_t)s->pixel;
    uint8_t *to_pixel = s->out + (size_t)from * (size_t)s->out_columns * size;
    int y, x;

    (void)thread;
    for (y = from; y < to; y++) {
        const uint8_t *line = s->in + (size_t)s->row[y] * (size_t)s->columns * size;

        for (x = 0; x < s->out_columns; x++, to_pixel += size)
            memcpy(to_pixel, line + (size_t)s->column[x] * size, size);
    }
}

static void net_resize_nearest(int pixel, int columns, int out_rows, int out_columns,
                               const int32_t *row, const int32_t *column, const void *in, void *out)
{
    net_nearest_step step = {pixel, columns, out_columns, row, column, in, out};

    net_parallel(net_nearest_part, &step, out_rows, (int64_t)out_columns * (pixel / 16 + 8));
}
