/* The product of two maps of bytes. Where shift >= 33, floor(product * m / 2^(shift - 1)) is the high
 * half of 64 bits shifted right by shift - 33, and (that + 1) >> 1 is the result: but for one
 * multiplication to 64 bits all of it is 32 bits wide. A smaller shift is held between -256 and 256
 * before it becomes 32 bits. */
NET_ALWAYS_INLINE int64_t net_pair_hold(int64_t y, int64_t low, int64_t high)
{
    return y < low ? low : y > high ? high : y;
}

NET_ALWAYS_INLINE void net_multiply_line_body(const net_pair_layer *layer, const uint8_t *a, int i,
                                              const uint8_t *b, int j, int count, uint8_t *out)
{
    const int32_t m = layer->a_multiplier;
    const int32_t za = layer->a_zero_point, zb = layer->b_zero_point;
    const int32_t z = layer->zero_point, low = layer->low, high = layer->high;

    if (layer->shift >= 33) {
        const int shift = layer->shift - 33;
        NET_PAIR_LINES(net_pair_clamp(
            z + ((((int32_t)(((int64_t)((p - za) * (q - zb)) * m) >> 32) >> shift) + 1) >> 1), low,
            high));
    } else {
        const int shift = layer->shift;
        const int64_t half = (int64_t)1 << (shift - 1), least = -256, most = 256;
        NET_PAIR_LINES(net_pair_clamp(
            z + (int32_t)net_pair_hold((((int64_t)((p - za) * (q - zb)) * m) + half) >> shift, least,
                                       most),
            low, high));
    }
}

NET_IN_VARIANTS(net_multiply_line,
                (const net_pair_layer *layer, const uint8_t *a, int i, const uint8_t *b, int j,
                 int count, uint8_t *out),
                (layer, a, i, b, j, count, out))
