/* A dense layer that is too small for the tiles of conv.c: its numbers are known where this is
 * compiled in, so that the loops fall away. weights, bias: in panels of sixteen, as conv.c has them. */
NET_ALWAYS_INLINE void net_dense(const int length, const int outputs, const float *weights,
                                 const float *bias, net_activation activation, const float *in,
                                 float *out)
{
    int first, k, n;

    for (first = 0; first < outputs; first += 16) {
        const int count = outputs - first < 16 ? outputs - first : 16;
        float sums[16];

        for (n = 0; n < count; n++) sums[n] = bias[first + n];
        for (k = 0; k + 4 <= length; k += 4, weights += 64) /* four do not wait for one another */
            for (n = 0; n < count; n++)
                sums[n] += (in[k] * weights[n] + in[k + 1] * weights[16 + n]) +
                           (in[k + 2] * weights[32 + n] + in[k + 3] * weights[48 + n]);
        for (; k < length; k++, weights += 16)
            for (n = 0; n < count; n++) sums[n] += in[k] * weights[n];
        net_activate(activation, sums, count, out + first);
    }
}
