/* The tile of conv.c with sdot, which Arm processors since 2018 have: four pixels times 16 outputs.
 * Samples are made signed, x - 128, by turning one bit; the bias has 128 times the weights' sum in
 * it for that (bias_signed). */
#if NET_ARM_DOTPROD
#include <arm_neon.h>

#define NET_WITH_DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))

/* `pixels` is known where this is compiled in, so that all sums are registers. */
NET_WITH_DOTPROD __attribute__((always_inline)) static inline void net_pixels_dotprod(
    const net_taps *t, const uint8_t *in, const int8_t *weights, const int32_t *bias,
    int32_t *sums, const int pixels)
{
    const ptrdiff_t step = t->pixel_step;
    int32x4_t sum[4][4]; /* [pixel][four outputs] */
    int row, run, k, p, i;

    for (p = 0; p < pixels; p++)
        for (i = 0; i < 4; i++) sum[p][i] = vld1q_s32(bias + 4 * i);
    for (row = 0; row < t->rows; row++) {
        for (run = 0; run < t->runs; run++) {
            const uint8_t *x = in + row * t->row_step + run * t->run_step;

            for (k = 0; k < t->dwords; k++, x += 4, weights += 64) {
                const int8x16_t w0 = vld1q_s8(weights), w1 = vld1q_s8(weights + 16);
                const int8x16_t w2 = vld1q_s8(weights + 32), w3 = vld1q_s8(weights + 48);
                for (p = 0; p < pixels; p++) {
                    uint32_t four;
                    int8x16_t seen;
                    memcpy(&four, x + p * step, 4);
                    seen = vreinterpretq_s8_u32(vdupq_n_u32(four ^ 0x80808080u));
                    sum[p][0] = vdotq_s32(sum[p][0], w0, seen);
                    sum[p][1] = vdotq_s32(sum[p][1], w1, seen);
                    sum[p][2] = vdotq_s32(sum[p][2], w2, seen);
                    sum[p][3] = vdotq_s32(sum[p][3], w3, seen);
                }
            }
        }
    }
    for (p = 0; p < pixels; p++)
        for (i = 0; i < 4; i++) vst1q_s32(sums + 16 * p + 4 * i, sum[p][i]);
}

NET_WITH_DOTPROD static void net_tile_int8_dotprod(const net_taps *t, const uint8_t *in, int pixels,
                                                  const void *weights, int panels,
                                                  const void *bias, void *out)
{
    int32_t *sums = out;

    (void)panels; /* one */
    for (; pixels >= 4; pixels -= 4, in += 4 * t->pixel_step, sums += 64)
        net_pixels_dotprod(t, in, weights, bias, sums, 4);
    for (; pixels >= 1; pixels--, in += t->pixel_step, sums += 16)
        net_pixels_dotprod(t, in, weights, bias, sums, 1);
}
#endif
