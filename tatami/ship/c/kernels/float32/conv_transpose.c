/* Transposed convolution: output (y, x) gathers from input (i, j) whatever tap (u, v) has
 * y = i * stride + u * dilation - top, and likewise x. s->rows ... are the input's.
 * weights: [groups][kernel_rows][kernel_columns][channels of a group][outputs of a group].
 * in: [rows][columns][channels].  out: [out_rows][out_columns][outputs].  bias: [outputs]. */
static void net_conv_transpose(const net_window *s, int groups, int outputs, const float *weights,
                               const float *bias, net_activation activation, const float *in,
                               float *out)
{
    const int depth = s->channels / groups, width = outputs / groups;
    float *to = out;
    int y, x, u, v, g, c, o;

    for (y = 0; y < s->out_rows; y++) {
        for (x = 0; x < s->out_columns; x++, to += outputs) {
            memcpy(to, bias, (size_t)outputs * sizeof *to);
            for (u = 0; u < s->kernel_rows; u++) {
                const int row = y + s->top - u * s->dilation_rows;

                if (row < 0 || row % s->stride_rows != 0 || row / s->stride_rows >= s->rows)
                    continue;
                for (v = 0; v < s->kernel_columns; v++) {
                    const int column = x + s->left - v * s->dilation_columns;
                    const float *pixel;

                    if (column < 0 || column % s->stride_columns != 0 ||
                        column / s->stride_columns >= s->columns)
                        continue;
                    pixel = in + (row / s->stride_rows * s->columns + column / s->stride_columns) *
                                     s->channels;
                    for (g = 0; g < groups; g++) {
                        const float *w =
                            weights +
                            ((g * s->kernel_rows + u) * s->kernel_columns + v) * depth * width;
                        float *sums = to + g * width;

                        for (c = 0; c < depth; c++, w += width) {
                            const float sample = pixel[g * depth + c];
                            for (o = 0; o < width; o++) sums[o] += w[o] * sample;
                        }
                    }
                }
            }
        }
    }
    net_activate(activation, out, s->out_rows * s->out_columns * outputs, out);
}
