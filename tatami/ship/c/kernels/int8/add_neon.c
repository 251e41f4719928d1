/* The sums of add_portable.c, sixteen samples at a time. What saturates lies beyond the bounds, which
 * are bytes. */
#if NET_ARM_NEON
#include <arm_neon.h>

static inline int32x4_t net_add_four_neon(uint16x4_t a, uint16x4_t b, int32x4_t start, int32_t ma,
                                          int32_t mb, int32x4_t shift)
{
    const int32x4_t first = vmlaq_n_s32(start, vreinterpretq_s32_u32(vmovl_u16(a)), ma);

    return vshlq_s32(vmlaq_n_s32(first, vreinterpretq_s32_u32(vmovl_u16(b)), mb), shift);
}

static void net_add_vectors_neon(const net_add_layer *layer, const uint8_t *a, const uint8_t *b,
                                 int count, uint8_t *out)
{
    const int32_t ma = layer->a_multiplier, mb = layer->b_multiplier;
    const int32x4_t start = vdupq_n_s32(((int32_t)1 << (layer->shift - 1)) -
                                        layer->a_zero_point * ma - layer->b_zero_point * mb);
    const int32x4_t shift = vdupq_n_s32(-layer->shift); /* to the right */
    const int16x8_t zero_point = vdupq_n_s16((int16_t)layer->zero_point);
    const uint8x16_t low = vdupq_n_u8((uint8_t)layer->low), high = vdupq_n_u8((uint8_t)layer->high);

    for (; count >= 16; count -= 16, a += 16, b += 16, out += 16) {
        const uint8x16_t p = vld1q_u8(a), q = vld1q_u8(b);
        uint8x8_t bytes[2];
        int half;

        for (half = 0; half < 2; half++) {
            const uint16x8_t x = vmovl_u8(half ? vget_high_u8(p) : vget_low_u8(p));
            const uint16x8_t y = vmovl_u8(half ? vget_high_u8(q) : vget_low_u8(q));
            const int16x4_t near = vqmovn_s32(net_add_four_neon(
                vget_low_u16(x), vget_low_u16(y), start, ma, mb, shift));
            const int16x4_t far = vqmovn_s32(net_add_four_neon(
                vget_high_u16(x), vget_high_u16(y), start, ma, mb, shift));

            bytes[half] = vqmovun_s16(vqaddq_s16(vcombine_s16(near, far), zero_point));
        }
        vst1q_u8(out, vminq_u8(vmaxq_u8(vcombine_u8(bytes[0], bytes[1]), low), high));
    }
    net_add_samples(layer, a, b, count, out);
}
#endif
