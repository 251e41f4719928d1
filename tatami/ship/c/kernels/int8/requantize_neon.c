/* requantize.c with NEON, sixteen channels at a time: products take 64 bits, and a shift rounds half up
 * by itself. What saturates lies beyond the bounds, which are bytes. */
#if NET_ARM_NEON
#include <arm_neon.h>

/* Of sixteen channels. */
typedef struct {
    int32x4_t multiplier[4], negative[4];
    int64x2_t shift[8]; /* to the right, which is below zero */
    int16x8_t zero_point;
    uint8x16_t low, high;
    int leaky;
} net_factors_neon;

static inline net_factors_neon net_factors_of_neon(const net_results *r, int channel)
{
    net_factors_neon f;
    int j;

    for (j = 0; j < 4; j++) {
        const int32x4_t shift = vnegq_s32(vld1q_s32(r->shift + channel + 4 * j));

        f.multiplier[j] = vld1q_s32(r->multiplier + channel + 4 * j);
        f.negative[j] = vld1q_s32(r->negative_multiplier + channel + 4 * j);
        f.shift[2 * j] = vmovl_s32(vget_low_s32(shift));
        f.shift[2 * j + 1] = vmovl_s32(vget_high_s32(shift));
    }
    f.zero_point = vdupq_n_s16(r->zero_point);
    f.low = vdupq_n_u8(r->low);
    f.high = vdupq_n_u8(r->high);
    f.leaky = r->leaky;
    return f;
}

static inline int16x4_t net_four_bytes_neon(const net_factors_neon *f, int j, int32x4_t sum)
{
    int32x4_t m = f->multiplier[j];
    int64x2_t low, high;

    if (f->leaky) m = vbslq_s32(vcltq_s32(sum, vdupq_n_s32(0)), f->negative[j], m);
    low = vrshlq_s64(vmull_s32(vget_low_s32(sum), vget_low_s32(m)), f->shift[2 * j]);
    high = vrshlq_s64(vmull_s32(vget_high_s32(sum), vget_high_s32(m)), f->shift[2 * j + 1]);
    return vqmovn_s32(vcombine_s32(vqmovn_s64(low), vqmovn_s64(high)));
}

static inline uint8x16_t net_bytes_neon(const net_factors_neon *f, const int32x4_t sums[4])
{
    const int16x8_t a = vqaddq_s16(vcombine_s16(net_four_bytes_neon(f, 0, sums[0]),
                                                net_four_bytes_neon(f, 1, sums[1])),
                                   f->zero_point);
    const int16x8_t b = vqaddq_s16(vcombine_s16(net_four_bytes_neon(f, 2, sums[2]),
                                                net_four_bytes_neon(f, 3, sums[3])),
                                   f->zero_point);

    return vminq_u8(vmaxq_u8(vcombine_u8(vqmovun_s16(a), vqmovun_s16(b)), f->low), f->high);
}

static void net_store_int8_neon(const net_results *r, int channel, int count, const void *from,
                                int pixels, int pool, void *out, ptrdiff_t step)
{
    const int32_t *sums = from;
    uint8_t *to = out;
    net_factors_neon f;
    int j;

    if (r->scale != NULL || !r->small) {
        net_store_int8_portable(r, channel, count, from, pixels, pool, out, step);
        return;
    }
    f = net_factors_of_neon(r, channel);
    for (; pixels > 0; pixels--, sums += pool ? 32 : 16, to += step) {
        int32x4_t sum[4];
        uint8_t bytes[16];

        for (j = 0; j < 4; j++) {
            const int32_t *at = sums + 4 * j;

            sum[j] = vld1q_s32(at);
            if (pool)
                sum[j] = vmaxq_s32(
                    vmaxq_s32(sum[j], vld1q_s32(at + 16)),
                    vmaxq_s32(vld1q_s32(at + 16 * pool), vld1q_s32(at + 16 * pool + 16)));
        }
        if (count == 16) {
            vst1q_u8(to, net_bytes_neon(&f, sum));
        } else {
            vst1q_u8(bytes, net_bytes_neon(&f, sum));
            memcpy(to, bytes, (size_t)count);
        }
    }
}
#endif
