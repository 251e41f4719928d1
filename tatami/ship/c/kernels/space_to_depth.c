/* in: [rows * block][columns * block] places of `bytes` bytes, all channels of one.
 * out: [rows][columns][block][block] of them. */
static void net_space_to_depth(int bytes, int block, int rows, int columns, const void *in,
                               void *out)
{
    const size_t size = (size_t)bytes;
    uint8_t *to = out;
    int y, x, i;

    for (y = 0; y < rows; y++)
        for (x = 0; x < columns; x++)
            for (i = 0; i < block; i++, to += (size_t)block * size)
                memcpy(to,
                       (const uint8_t *)in +
                           (size_t)((y * block + i) * columns + x) * (size_t)block * size,
                       (size_t)block * size);
}
