/* Transposed convolution of bytes, as float32/conv_transpose.c: output (y, x) gathers from input
 * (i, j) whatever tap (u, v) has y = i * stride + u * dilation - top, and likewise x.
 * weights: [groups][kernel_rows][kernel_columns][channels of a group][outputs of a group].
 * in: [rows][columns][channels].  out: [out_rows][out_columns][outputs], uint8_t, or float where
 * the results have a scale.  bias, sums: [outputs]. */
static void net_conv_transpose_u8(const net_window *s, int groups, int outputs,
                                  const int8_t *weights, const int32_t *bias,
                                  const net_results *results, int zero_point, int32_t *sums,
                                  const uint8_t *in, void *out)
{
    const int depth = s->channels / groups, width = outputs / groups;
    int place, u, v, g, c, o;

    for (place = 0; place < s->out_rows * s->out_columns; place++) {
        const int y = place / s->out_columns, x = place % s->out_columns;

        memcpy(sums, bias, (size_t)outputs * sizeof *sums);
        for (u = 0; u < s->kernel_rows; u++) {
            const int row = y + s->top - u * s->dilation_rows;

            if (row < 0 || row % s->stride_rows != 0 || row / s->stride_rows >= s->rows) continue;
            for (v = 0; v < s->kernel_columns; v++) {
                const int column = x + s->left - v * s->dilation_columns;
                const uint8_t *pixel;

                if (column < 0 || column % s->stride_columns != 0 ||
                    column / s->stride_columns >= s->columns)
                    continue;
                pixel = in + (row / s->stride_rows * s->columns + column / s->stride_columns) *
                                 s->channels;
                for (g = 0; g < groups; g++) {
                    const int8_t *w =
                        weights + ((g * s->kernel_rows + u) * s->kernel_columns + v) * depth * width;
                    int32_t *to = sums + g * width;

                    for (c = 0; c < depth; c++, w += width) {
                        const int32_t sample = pixel[g * depth + c] - zero_point;
                        for (o = 0; o < width; o++) to[o] += w[o] * sample;
                    }
                }
            }
        }
        for (o = 0; o < outputs; o++) {
            if (results->scale != NULL)
                ((float *)out)[place * outputs + o] = (float)sums[o] * results->scale[o];
            else
                ((uint8_t *)out)[place * outputs + o] = net_requantize(results, o, sums[o]);
        }
    }
}
