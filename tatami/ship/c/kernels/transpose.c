/* out: [rows][columns][channels], samples of `size` bytes; in the input, a row, a column and a
 * channel further on lie `row`, `column` and `channel` samples away. */
static void net_transpose(int size, int rows, int columns, int channels, int row, int column,
                          int channel, const void *in, void *out)
{
    const size_t bytes = (size_t)size;
    uint8_t *to = out;
    int y, x, c;

    for (y = 0; y < rows; y++)
        for (x = 0; x < columns; x++)
            for (c = 0; c < channels; c++, to += bytes)
                memcpy(to,
                       (const uint8_t *)in + (size_t)(y * row + x * column + c * channel) * bytes,
                       bytes);
}
