/* Nearest samples: output row y is input row row[y], and so are columns.
 * in: [rows][columns][pixel bytes].  out: [out_rows][out_columns][pixel bytes]. */
static void net_resize_nearest(int pixel, int columns, int out_rows, int out_columns,
                               const int32_t *row, const int32_t *column, const void *in, void *out)
{
    const size_t size = (size_t)pixel;
    uint8_t *to = out;
    int y, x;

    for (y = 0; y < out_rows; y++) {
        const uint8_t *line = (const uint8_t *)in + (size_t)row[y] * (size_t)columns * size;

        for (x = 0; x < out_columns; x++, to += size)
            memcpy(to, line + (size_t)column[x] * size, size);
    }
}
