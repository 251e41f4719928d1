/* The tile of conv.c for microcontrollers with Arm's DSP extension (Cortex-M4, M7, M33): smlad
 * multiplies two pairs of 16 bits and adds both. Bytes 0 and 2 of a word become one pair, bytes 1
 * and 3 the other; two pixels share the weights of four outputs, whose sums stay in registers. */
#if NET_ARM_DSP
#include <arm_acle.h>

static uint32_t net_word(const void *bytes)
{
    uint32_t word;

    memcpy(&word, bytes, 4);
    return word;
}

/* Four outputs of two pixels, `apart` bytes from one another. sums: [2][16], this tile's outputs. */
static void net_pixels_dsp(const net_taps *t, const uint8_t *in, ptrdiff_t apart,
                           const int8_t *weights, const int32_t *bias, int32_t *sums)
{
    int32_t a0 = bias[0], a1 = bias[1], a2 = bias[2], a3 = bias[3];
    int32_t b0 = a0, b1 = a1, b2 = a2, b3 = a3;
    int row, run, k;

    for (row = 0; row < t->rows; row++) {
        for (run = 0; run < t->runs; run++) {
            const uint8_t *x = in + row * t->row_step + run * t->run_step;

            for (k = t->dwords; k > 0; k--, x += 4, weights += 64) {
                const uint32_t here = net_word(x), there = net_word(x + apart);
                const int16x2_t a_even = (int16x2_t)__uxtb16(here);
                const int16x2_t a_odd = (int16x2_t)__uxtb16(here >> 8);
                const int16x2_t b_even = (int16x2_t)__uxtb16(there);
                const int16x2_t b_odd = (int16x2_t)__uxtb16(there >> 8);
                uint32_t w;
                int16x2_t even, odd;

#define NET_ONE(i, a, b) \
    w = net_word(weights + 4 * i); \
    even = __sxtb16((int8x4_t)w); \
    odd = __sxtb16((int8x4_t)(w >> 8 | w << 24)); \
    a = __smlad(odd, a_odd, __smlad(even, a_even, a)); \
    b = __smlad(odd, b_odd, __smlad(even, b_even, b));
                NET_ONE(0, a0, b0)
                NET_ONE(1, a1, b1)
                NET_ONE(2, a2, b2)
                NET_ONE(3, a3, b3)
#undef NET_ONE
            }
        }
    }
    sums[0] = a0, sums[1] = a1, sums[2] = a2, sums[3] = a3;
    if (apart != 0) sums[16] = b0, sums[17] = b1, sums[18] = b2, sums[19] = b3;
}

static void net_tile_int8_dsp(const net_taps *t, const uint8_t *in, int pixels,
                              const void *from, int panels, const void *start, void *out)
{
    const int8_t *weights = from;
    const int32_t *bias = start;
    int32_t *sums = out;
    int p, i;

    (void)panels; /* one */
    for (p = 0; p < pixels; p += 2, in += 2 * t->pixel_step, sums += 32) {
        const ptrdiff_t apart = p + 1 < pixels ? t->pixel_step : 0; /* 0: the last is alone */
        for (i = 0; i < 16; i += 4)
            net_pixels_dsp(t, in, apart, weights + 4 * i, bias + i, sums + i);
    }
}
#endif
