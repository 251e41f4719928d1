/* The sum of two maps of bytes: docs/integer-arithmetic.md, section 6. All fits 32 bits. */
typedef struct {
    int a_zero_point, a_multiplier;
    int b_zero_point, b_multiplier;
    int zero_point, shift; /* of the result */
    int low, high;
} net_add_layer;

/* out may be one of the two. */
NET_ALWAYS_INLINE void net_add_samples_body(const net_add_layer *layer, const uint8_t *a,
                                       const uint8_t *b, int count, uint8_t *out)
{
    const int32_t ma = layer->a_multiplier, mb = layer->b_multiplier;
    const int32_t start = ((int32_t)1 << (layer->shift - 1)) - layer->a_zero_point * ma -
                          layer->b_zero_point * mb;
    const int32_t zero_point = layer->zero_point, low = layer->low, high = layer->high;
    const int shift = layer->shift;
    uint8_t part[1024]; /* vectors need not know whether out is one of the two */
    int i;

    for (; count > 0; count -= 1024, a += 1024, b += 1024, out += 1024) {
        const int here = count < 1024 ? count : 1024;

        for (i = 0; i < here; i++) {
            const int32_t sum = start + a[i] * ma + b[i] * mb;
            const int32_t y = zero_point + (sum >> shift);
            part[i] = (uint8_t)(y < low ? low : y > high ? high : y);
        }
        memcpy(out, part, (size_t)here);
    }
}

NET_IN_VARIANTS(net_add_samples,
                (const net_add_layer *layer, const uint8_t *a, const uint8_t *b, int count,
                 uint8_t *out),
                (layer, a, b, count, out))
