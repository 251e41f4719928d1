/* Convolution as a matrix product, block by block: what a block of output positions sees is
 * gathered into `scratch` (im2col), one row of NET_PITCH samples a weight, and multiplied by four
 * output channels and sixteen positions at a time, whose sums stay in registers.
 * A sum is added up block of weights by block of weights, and the blocks' sums after that: of
 * thousands of products, far fewer roundings reach the result than in one long chain. */
#define NET_TILE 16   /* output positions a register tile */
#define NET_BLOCK 192 /* output positions a block: a multiple of the tile */
#define NET_PITCH 208 /* an odd number of cache lines, so that rows do not fall on one another */
#define NET_DEPTH 128 /* weights a block */

typedef struct {
    int groups;
    int channels, rows, columns;              /* input of one group */
    int outputs, out_rows, out_columns;       /* output of one group */
    int kernel_rows, kernel_columns;
    int stride_rows, stride_columns;
    int dilation_rows, dilation_columns;
    int top, left;                            /* padding, of zeros */
} net_conv_shape;

/* What tap (u, v) of the kernel sees in one channel, from output position `first` on. */
static void net_gather(const net_conv_shape *s, const float *channel, int u, int v, int first,
                       int count, float *row)
{
    const int stride = s->stride_columns;
    const int shift = v * s->dilation_columns - s->left;
    int y = first / s->out_columns;
    int x = first % s->out_columns;

    while (count > 0) {
        const int run = count < s->out_columns - x ? count : s->out_columns - x;
        const int in_y = y * s->stride_rows + u * s->dilation_rows - s->top;
        int i = 0;

        if (in_y >= 0 && in_y < s->rows) {
            const float *line = channel + in_y * s->columns;
            int in_x = x * stride + shift;
            for (; i < run && in_x < 0; i++, in_x += stride) row[i] = 0.0f;
            if (stride == 1) {
                for (; i < run && in_x < s->columns; i++, in_x++) row[i] = line[in_x];
            } else {
                for (; i < run && in_x < s->columns; i++, in_x += stride) row[i] = line[in_x];
            }
        }
        for (; i < run; i++) row[i] = 0.0f;
        row += run;
        count -= run;
        x = 0;
        y++;
    }
}

/* sums[4][NET_TILE] += weights[depth][4] x seen[depth][NET_PITCH]. Four named rows rather than an
 * array of rows, filled from memory even where that holds zeros: so written, compilers keep them
 * in vector registers (gcc 12 is twice as slow with -march=native otherwise). */
static void net_multiply(int depth, const float *weights, const float *seen, float *sums)
{
    float a[NET_TILE], b[NET_TILE], c[NET_TILE], d[NET_TILE];
    int k, j;

    memcpy(a, sums, sizeof a);
    memcpy(b, sums + NET_TILE, sizeof b);
    memcpy(c, sums + 2 * NET_TILE, sizeof c);
    memcpy(d, sums + 3 * NET_TILE, sizeof d);
    for (k = 0; k < depth; k++, weights += 4, seen += NET_PITCH) {
        const float wa = weights[0], wb = weights[1], wc = weights[2], wd = weights[3];
        for (j = 0; j < NET_TILE; j++) {
            a[j] += wa * seen[j];
            b[j] += wb * seen[j];
            c[j] += wc * seen[j];
            d[j] += wd * seen[j];
        }
    }
    memcpy(sums, a, sizeof a);
    memcpy(sums + NET_TILE, b, sizeof b);
    memcpy(sums + 2 * NET_TILE, c, sizeof c);
    memcpy(sums + 3 * NET_TILE, d, sizeof d);
}

/* in: [groups * channels][rows][columns].  out: [groups * outputs][out_rows][out_columns].
 * weights: [groups][outputs / 4, rounded up][channels * kernel_rows * kernel_columns][4].
 * bias: [groups * outputs].  scratch: [NET_DEPTH at most][NET_PITCH]. */
static void net_conv(const net_conv_shape *s, const float *in, const float *weights,
                     const float *bias, net_activation activation, float *scratch, float *out)
{
    const int taps = s->kernel_rows * s->kernel_columns;
    const int depth = s->channels * taps;
    const int positions = s->out_rows * s->out_columns;
    int g, first, k0, k, m, j, i;

    for (g = 0; g < s->groups; g++) {
        for (first = 0; first < positions; first += NET_BLOCK) {
            const int block = positions - first < NET_BLOCK ? positions - first : NET_BLOCK;
            const int tiles_end = (block + NET_TILE - 1) / NET_TILE * NET_TILE;

            for (k0 = 0; k0 < depth; k0 += NET_DEPTH) {
                const int part = depth - k0 < NET_DEPTH ? depth - k0 : NET_DEPTH;

                for (k = 0; k < part; k++) {
                    const int channel = (k0 + k) / taps, tap = (k0 + k) % taps;
                    float *row = scratch + k * NET_PITCH;
                    net_gather(s, in + channel * s->rows * s->columns, tap / s->kernel_columns,
                               tap % s->kernel_columns, first, block, row);
                    for (j = block; j < tiles_end; j++) row[j] = 0.0f;
                }

                for (m = 0; m < s->outputs; m += 4) {
                    const int channels = s->outputs - m < 4 ? s->outputs - m : 4;
                    const float *tile_weights = weights + m * depth + 4 * k0;

                    for (j = 0; j < block; j += NET_TILE) {
                        const int width = block - j < NET_TILE ? block - j : NET_TILE;
                        float *to = out + m * positions + first + j;
                        float sums[4 * NET_TILE];
                        int x;

                        for (i = 0; i < 4 * NET_TILE; i++) sums[i] = 0.0f;
                        net_multiply(part, tile_weights, scratch + j, sums);
                        for (i = 0; i < channels; i++, to += positions)
                            for (x = 0; x < width; x++)
                                to[x] = (k0 == 0 ? bias[m + i] : to[x]) + sums[i * NET_TILE + x];
                    }
                }
            }
            for (m = 0; m < s->outputs; m++)
                net_activate(activation, out + m * positions + first, block,
                             out + m * positions + first);
        }
        in += s->channels * s->rows * s->columns;
        out += s->outputs * positions;
        weights += (s->outputs + 3) / 4 * 4 * depth;
        bias += s->outputs;
    }
}
