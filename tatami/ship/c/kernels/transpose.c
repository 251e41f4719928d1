/* out: [rows][columns][channels], samples of `size` bytes; in the input, a row, a column and a
 * channel further on lie `row`, `column` and `channel` samples away. It goes by squares, so that
 * lines of the cache are whole in either. */
enum { NET_SQUARE = 8 };

/* `size` is known where this is compiled in. */
NET_ALWAYS_INLINE void net_transpose_of(const size_t size, int rows, int columns, int channels,
                                        int row, int column, int channel, const uint8_t *in,
                                        uint8_t *out)
{
    int y, left, first, x, c;

    for (y = 0; y < rows; y++, in += (size_t)row * size, out += (size_t)(columns * channels) * size)
        for (left = 0; left < columns; left += NET_SQUARE)
            for (first = 0; first < channels; first += NET_SQUARE) {
                const int right = columns - left < NET_SQUARE ? columns : left + NET_SQUARE;
                const int end = channels - first < NET_SQUARE ? channels : first + NET_SQUARE;

                for (x = left; x < right; x++)
                    for (c = first; c < end; c++)
                        memcpy(out + (size_t)(x * channels + c) * size,
                               in + (size_t)(x * column + c * channel) * size, size);
            }
}

static void net_transpose(int size, int rows, int columns, int channels, int row, int column,
                          int channel, const void *in, void *out)
{
    if (size == 1)
        net_transpose_of(1, rows, columns, channels, row, column, channel, in, out);
    else if (size == 4)
        net_transpose_of(4, rows, columns, channels, row, column, channel, in, out);
    else
        net_transpose_of((size_t)size, rows, columns, channels, row, column, channel, in, out);
}
