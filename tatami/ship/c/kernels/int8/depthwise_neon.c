/* The rows of depthwise.c with NEON, sixteen channels at a time. Samples are made signed, x - 128, by
 * turning one bit; then two products fit 16 bits, since a weight is never -128. */
#if NET_ARM_NEON
#include <arm_neon.h>

static inline int8x16_t net_signed_neon(const uint8_t *at)
{
    return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(at), vdupq_n_u8(128)));
}

static void net_depthwise_neon(const net_depthwise_step *d, const uint8_t *in, int rows,
                               uint8_t *out)
{
    const net_depthwise_shape *s = d->shape;
    const int channels = s->channels, taps = s->kernel_rows * s->kernel_columns;
    const int pitch = net_depthwise_pitch(s) * s->stride_rows;
    int offsets[NET_DEPTHWISE_TAPS];
    int block, i, j, t;

    net_depthwise_offsets(s, taps, offsets);
    for (block = 0; block < channels; block += 16) {
        /* The last sixteen, of which some may be there already. */
        const int first = block + 16 <= channels ? block : channels - 16;
        const int8_t *weights = d->weights + first;
        const net_factors_neon f = net_factors_of_neon(d->results, first);
        int32_t start[16];

        for (j = 0; j < 16; j++) {
            start[j] = d->bias[first + j];
            for (t = 0; t < taps; t++) start[j] += 128 * weights[t * channels + j];
        }
        for (i = 0; i < rows * s->out_columns; i++) {
            const uint8_t *at = in + i / s->out_columns * pitch +
                                i % s->out_columns * s->stride_columns * channels + first;
            int32x4_t sums[4];

            for (j = 0; j < 4; j++) sums[j] = vld1q_s32(start + 4 * j);
            for (t = 0; t < taps; t += 2) {
                const int8x16_t x = net_signed_neon(at + offsets[t]);
                const int8x16_t w = vld1q_s8(weights + t * channels);
                int16x8_t low = vmull_s8(vget_low_s8(x), vget_low_s8(w));
                int16x8_t high = vmull_s8(vget_high_s8(x), vget_high_s8(w));

                if (t + 1 < taps) {
                    const int8x16_t y = net_signed_neon(at + offsets[t + 1]);
                    const int8x16_t v = vld1q_s8(weights + (t + 1) * channels);

                    low = vmlal_s8(low, vget_low_s8(y), vget_low_s8(v));
                    high = vmlal_s8(high, vget_high_s8(y), vget_high_s8(v));
                }
                sums[0] = vaddw_s16(sums[0], vget_low_s16(low));
                sums[1] = vaddw_s16(sums[1], vget_high_s16(low));
                sums[2] = vaddw_s16(sums[2], vget_low_s16(high));
                sums[3] = vaddw_s16(sums[3], vget_high_s16(high));
            }
            vst1q_u8(out + i * channels + first, net_bytes_neon(&f, sums));
        }
    }
}
#endif
