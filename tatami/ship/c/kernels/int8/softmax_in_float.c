/* Softmax of bytes along the middle axis of [outer][length][inner] as LiteRT computes it beside
 * XNNPACK: float32, one rounding an operation, samples added one after another.
 * docs/integer-arithmetic.md, section 13. in and out may be the same bytes. */
static void net_softmax_in_float(int outer, int length, int inner, const float *exponentials,
                                 float scale, const uint8_t *in, uint8_t *out)
{
    int line, i, k;

    for (line = 0; line < outer; line++, in += length * inner, out += length * inner) {
        for (i = 0; i < inner; i++) {
            uint8_t largest = 0;
            float sum = 0.0f, share;

            for (k = 0; k < length; k++)
                if (in[k * inner + i] > largest) largest = in[k * inner + i];
            for (k = 0; k < length; k++) sum += exponentials[largest - in[k * inner + i]];
            share = 1.0f / (sum * scale);
            for (k = 0; k < length; k++) {
                const float y = exponentials[largest - in[k * inner + i]] * share;
                const float held = y > 255.0f ? 255.0f : y;
                const float shifted = held + 12582912.0f; /* rounded to whole, to even */
                int32_t whole;

                memcpy(&whole, &shifted, sizeof whole);
                out[k * inner + i] = (uint8_t)(whole - 0x4B400000);
            }
        }
    }
}
