/* The sum of two maps of bytes where an axis of one is repeated; all fits 32 bits. */
NET_ALWAYS_INLINE void net_add_line_body(const net_pair_layer *layer, const uint8_t *a, int i,
                                         const uint8_t *b, int j, int count, uint8_t *out)
{
    const int32_t ma = layer->a_multiplier, mb = layer->b_multiplier;
    const int32_t first = (int32_t)1 << (layer->shift - 1);
    const int32_t za = layer->a_zero_point, zb = layer->b_zero_point;
    const int32_t z = layer->zero_point, low = layer->low, high = layer->high;
    const int shift = layer->shift;

    NET_PAIR_LINES(
        net_pair_clamp(z + (((p - za) * ma + (q - zb) * mb + first) >> shift), low, high));
}

NET_IN_VARIANTS(net_add_line,
                (const net_pair_layer *layer, const uint8_t *a, int i, const uint8_t *b, int j,
                 int count, uint8_t *out),
                (layer, a, i, b, j, count, out))
