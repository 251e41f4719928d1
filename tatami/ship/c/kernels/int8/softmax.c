/* Softmax of bytes along the middle axis of [outer][length][inner]: y = clamp(zero_point +
 * (e * ratio + sum * 2^15) / (sum * 2^16)), e = exponentials[largest - x], in whole numbers:
 * docs/integer-arithmetic.md, section 8. in and out may be the same bytes. */
static void net_softmax_u8(int outer, int length, int inner, const uint32_t *exponentials,
                           uint64_t ratio, int zero_point, const uint8_t *in, uint8_t *out)
{
    int line, i, k;

    for (line = 0; line < outer; line++, in += length * inner, out += length * inner) {
        for (i = 0; i < inner; i++) {
            uint8_t largest = 0;
            uint64_t sum = 0;

            for (k = 0; k < length; k++)
                if (in[k * inner + i] > largest) largest = in[k * inner + i];
            for (k = 0; k < length; k++) sum += exponentials[largest - in[k * inner + i]];
            for (k = 0; k < length; k++) {
                const uint64_t e = exponentials[largest - in[k * inner + i]];
                const uint64_t y = (e * ratio + (sum << 15)) / (sum << 16) + (uint64_t)zero_point;
                out[k * inner + i] = (uint8_t)(y > 255 ? 255 : y);
            }
        }
    }
}
