/* The smaller of two bytes of one scale. */
NET_ALWAYS_INLINE void net_minimum_line_body(const net_pair_layer *layer, const uint8_t *a, int i,
                                             const uint8_t *b, int j, int count, uint8_t *out)
{
    (void)layer;
    NET_PAIR_LINES(p < q ? p : q);
}

NET_IN_VARIANTS(net_minimum_line,
                (const net_pair_layer *layer, const uint8_t *a, int i, const uint8_t *b, int j,
                 int count, uint8_t *out),
                (layer, a, i, b, j, count, out))
