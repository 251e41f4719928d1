/* Softmax of bytes along the middle axis of [outer][length][inner] in the fixed point of LiteRT's
 * reference kernels: docs/integer-arithmetic.md, section 13. in and out may be the same bytes. */

/* a * b / 2^31, halves up. */
static int32_t net_fixed(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

/* x * 2^bits, held within 32 bits. */
static int32_t net_fixed_raise(int32_t x, int bits)
{
    const int64_t y = (int64_t)x * ((int64_t)1 << bits);

    return y > INT32_MAX ? INT32_MAX : y < INT32_MIN ? INT32_MIN : (int32_t)y;
}

/* 1 / total, a number with 12 bits in front of the point: of 31 bits, to be moved right by `bits`. */
static int32_t net_fixed_reciprocal(uint32_t total, int *bits)
{
    int width = 0, step;
    int32_t half, x;

    while (width < 32 && total >> width != 0) width++;
    *bits = width - 20;
    half = (int32_t)(((int64_t)(uint32_t)(total << (32 - width))) / 2); /* of 1 and what is over it */
    x = 1515870810 + net_fixed(half, -1010580540); /* 48/17 - 32/17 half */
    for (step = 0; step < 3; step++)               /* Newton's */
        x += net_fixed_raise(net_fixed(x, ((int32_t)1 << 29) - net_fixed(half, x)), 2);
    return net_fixed_raise(x, 1);
}

static void net_softmax_as_reference(int outer, int length, int inner,
                                     const uint32_t *exponentials, const uint8_t *in, uint8_t *out)
{
    int line, i, k;

    for (line = 0; line < outer; line++, in += length * inner, out += length * inner) {
        for (i = 0; i < inner; i++) {
            uint8_t largest = 0;
            uint32_t sum = 0;
            int32_t share;
            int bits;

            for (k = 0; k < length; k++)
                if (in[k * inner + i] > largest) largest = in[k * inner + i];
            for (k = 0; k < length; k++)
                sum += (exponentials[largest - in[k * inner + i]] + 2048u) >> 12;
            share = net_fixed_reciprocal(sum, &bits);
            for (k = 0; k < length; k++) {
                const int32_t e = (int32_t)exponentials[largest - in[k * inner + i]];
                const int64_t y = net_away(net_fixed(share, e), bits + 23);
                out[k * inner + i] = (uint8_t)(y > 255 ? 255 : y);
            }
        }
    }
}
