/* Layer normalization of bytes along the middle axis of [outer][length][inner], in whole numbers:
 * docs/integer-arithmetic.md, section 12. */
typedef struct {
    const int32_t *multiplier; /* (length) */
    const int64_t *addend;     /* (length) */
    int shift, zero_point;
    int64_t epsilon;
} net_normal;

/* The floor of the square root. */
static uint32_t net_root(uint64_t x)
{
    uint64_t root = 0, bit = (uint64_t)1 << 62;

    for (; bit > 0; bit >>= 2) {
        if (x >= root + bit) {
            x -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return (uint32_t)root;
}

NET_ALWAYS_INLINE void net_layer_norm_u8_body(const net_normal *normal, int outer, int length,
                                              int inner, const uint8_t *in, uint8_t *out)
{
    const int64_t half = (int64_t)1 << (normal->shift - 1);
    int line, i, k;

    for (line = 0; line < outer; line++, in += length * inner, out += length * inner) {
        for (i = 0; i < inner; i++) {
            int64_t sum = 0, squares = 0, spread, inverse, round;
            int places = 0, shift;

            for (k = 0; k < length; k++) {
                const int32_t x = in[k * inner + i];
                sum += x;
                squares += x * x;
            }
            spread = length * squares - sum * sum + normal->epsilon;
            while (spread < (int64_t)1 << 60) {
                spread *= 4;
                places++;
            }
            inverse = ((int64_t)1 << 61) / net_root((uint64_t)spread);
            shift = 45 - places;
            round = (int64_t)1 << (shift - 1);
            for (k = 0; k < length; k++) {
                const int64_t off = (int64_t)length * in[k * inner + i] - sum;
                const int64_t t = (off * inverse + round) >> shift;
                const int64_t y = normal->zero_point +
                                  ((t * normal->multiplier[k] + normal->addend[k] + half) >>
                                   normal->shift);

                out[k * inner + i] = (uint8_t)(y < 0 ? 0 : y > 255 ? 255 : y);
            }
        }
    }
}

NET_IN_VARIANTS(net_layer_norm_u8,
                (const net_normal *normal, int outer, int length, int inner, const uint8_t *in,
                 uint8_t *out),
                (normal, outer, length, inner, in, out))
