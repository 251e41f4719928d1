/* The product of two matrices of bytes that both change: docs/integer-arithmetic.md, section 11.
 * A row of sums is made 64 columns at a time; what is 0 in the first matrix is passed over. */
typedef struct {
    int rows, length, columns;
    int a_row, a_column; /* samples from a row to the next, from a column to the next */
    int b_row, b_column;
    int out_row, out_column;
    int a_zero_point, b_zero_point;
    int multiplier, shift; /* of the result */
    int zero_point, low, high;
} net_matmul_layer;

NET_ALWAYS_INLINE void net_matmul_u8_body(const net_matmul_layer *layer, const uint8_t *a,
                                          const uint8_t *b, uint8_t *out)
{
    const int64_t half = (int64_t)1 << (layer->shift - 1);
    const int32_t za = layer->a_zero_point, zb = layer->b_zero_point;
    const int columns = layer->columns, step = layer->b_column;
    int32_t sums[64];
    int m, n, k, first;

    for (m = 0; m < layer->rows; m++) {
        for (first = 0; first < columns; first += 64) {
            const int here = columns - first < 64 ? columns - first : 64;
            uint8_t *const to = out + m * layer->out_row + first * layer->out_column;

            for (n = 0; n < here; n++) sums[n] = 0;
            for (k = 0; k < layer->length; k++) {
                const int32_t x = a[m * layer->a_row + k * layer->a_column] - za;
                const uint8_t *const from = b + k * layer->b_row + first * step;

                if (x == 0) continue;
                if (step == 1 && here == 64)
                    for (n = 0; n < 64; n++) sums[n] += x * (from[n] - zb);
                else if (step == 1)
                    for (n = 0; n < here; n++) sums[n] += x * (from[n] - zb);
                else
                    for (n = 0; n < here; n++) sums[n] += x * (from[n * step] - zb);
            }
            for (n = 0; n < here; n++) {
                const int64_t y =
                    layer->zero_point + (((int64_t)sums[n] * layer->multiplier + half) >> layer->shift);

                to[n * layer->out_column] =
                    (uint8_t)(y < layer->low ? layer->low : y > layer->high ? layer->high : y);
            }
        }
    }
}

NET_IN_VARIANTS(net_matmul_u8,
                (const net_matmul_layer *layer, const uint8_t *a, const uint8_t *b, uint8_t *out),
                (layer, a, b, out))
