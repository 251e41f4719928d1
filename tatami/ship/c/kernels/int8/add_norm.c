/* Layer normalization of bytes and the sums of a layer, added, along the middle axis of
 * [outer][length][inner]: docs/integer-arithmetic.md, section 12. The sums are whole numbers. */
typedef struct {
    const int32_t *second;     /* (length), multiplies the sums */
    const int32_t *multiplier; /* (length) */
    const int64_t *addend;     /* (length) */
    int32_t first;             /* multiplies the byte */
    int sum_shift, from_zero_point, shift, zero_point;
    int64_t epsilon;
} net_add_normal;

NET_ALWAYS_INLINE void net_add_norm_u8_body(const net_add_normal *normal, int outer, int length,
                                            int inner, const uint8_t *in, const float *sums,
                                            uint8_t *out)
{
    const int64_t half = (int64_t)1 << (normal->shift - 1);
    const int64_t before = (int64_t)1 << (normal->sum_shift - 1);
    int32_t totals[1024];
    int line, i, k;

    for (line = 0; line < outer; line++) {
        for (i = 0; i < inner; i++) {
            int64_t sum = 0, squares = 0, spread, inverse, round;
            int places = 0, shift;

            for (k = 0; k < length; k++) {
                const int64_t added = (int64_t)sums[k * inner + i] * normal->second[k];
                const int64_t byte = in[k * inner + i] - normal->from_zero_point;
                int64_t total = (added + byte * normal->first + before) >> normal->sum_shift;

                total = total < -524287 ? -524287 : total > 524287 ? 524287 : total;
                totals[k] = (int32_t)total;
                sum += total;
                squares += total * total;
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
                const int64_t off = (int64_t)length * totals[k] - sum;
                const int64_t t = (off * inverse + round) >> shift;
                const int64_t y = normal->zero_point +
                                  ((t * normal->multiplier[k] + normal->addend[k] + half) >>
                                   normal->shift);

                out[k * inner + i] = (uint8_t)(y < 0 ? 0 : y > 255 ? 255 : y);
            }
        }
        in += length * inner;
        sums += length * inner;
        out += length * inner;
    }
}

NET_IN_VARIANTS(net_add_norm_u8,
                (const net_add_normal *normal, int outer, int length, int inner, const uint8_t *in,
                 const float *sums, uint8_t *out),
                (normal, outer, length, inner, in, sums, out))
