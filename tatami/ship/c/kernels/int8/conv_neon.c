/* The tile of conv.c for every Arm processor with NEON, 32 or 64 bits wide. Samples are made signed,
 * x - 128, by turning one bit; the bias has 128 times the weights' sum in it for that (bias_signed).
 * Two products of signed bytes always fit 16 bits, since a weight is never -128: 2 * 127 * 128. */
#if NET_ARM_NEON
#include <arm_neon.h>

/* What one dword of the input says, twice over and signed. */
static int8x8_t net_four_neon(const uint8_t *in)
{
    uint32_t four;

    memcpy(&four, in, 4);
    return vreinterpret_s8_u32(vdup_n_u32(four ^ 0x80808080u));
}

/* Sums of 16 outputs of one pixel, two halves each: sums[i] holds outputs 2 i and 2 i + 1. */
static void net_pixel_neon(const net_taps *t, const uint8_t *in, const int8_t *weights,
                           int32x4_t *sums)
{
    int row, run, k, i;

    for (row = 0; row < t->rows; row++) {
        for (run = 0; run < t->runs; run++) {
            const uint8_t *x = in + row * t->row_step + run * t->run_step;

            for (k = 0; k + 1 < t->dwords; k += 2, x += 8, weights += 128) {
                const int8x8_t first = net_four_neon(x), second = net_four_neon(x + 4);
                for (i = 0; i < 8; i++) {
                    const int16x8_t products =
                        vmlal_s8(vmull_s8(vld1_s8(weights + 8 * i), first),
                                 vld1_s8(weights + 64 + 8 * i), second);
                    sums[i] = vpadalq_s16(sums[i], products);
                }
            }
            if (k < t->dwords) {
                const int8x8_t last = net_four_neon(x);
                for (i = 0; i < 8; i++)
                    sums[i] = vpadalq_s16(sums[i], vmull_s8(vld1_s8(weights + 8 * i), last));
                weights += 64;
            }
        }
    }
}

static void net_tile_int8_neon(const net_taps *t, const uint8_t *in, int pixels,
                               const void *weights, int panels, const void *bias, void *out)
{
    int32_t *sums = out;
    const int32_t *start = bias;
    int p, i;

    (void)panels; /* one */
    for (p = 0; p < pixels; p++, in += t->pixel_step, sums += 16) {
        int32x4_t halves[8];

        for (i = 0; i < 8; i++) halves[i] = vdupq_n_s32(0);
        net_pixel_neon(t, in, weights, halves);
        for (i = 0; i < 4; i++) {
            const int32x2_t a = vpadd_s32(vget_low_s32(halves[2 * i]),
                                          vget_high_s32(halves[2 * i]));
            const int32x2_t b = vpadd_s32(vget_low_s32(halves[2 * i + 1]),
                                          vget_high_s32(halves[2 * i + 1]));
            vst1q_s32(sums + 4 * i, vaddq_s32(vcombine_s32(a, b), vld1q_s32(start + 4 * i)));
        }
    }
}
#endif
