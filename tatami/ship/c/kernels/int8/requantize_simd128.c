/* requantize.c, four channels at a time, in WebAssembly. With shift >= 34 the result is what
 * requantize_avx2.c says. No instruction shifts every lane by a count of its own: the high half of
 * the product, times 2^(31 - s), shifted by 31, is that half shifted by s, for 1 <= s <= 31. */
#if NET_WASM_SIMD
#include <wasm_simd128.h>

/* What is the same for all pixels of four channels. */
typedef struct {
    v128_t multiplier, negative, power;
} net_scales_simd128;

/* Whether every one of 16 channels shifts enough. */
static int net_shifts_simd128(const int32_t *shift, int count)
{
    int c;

    for (c = 0; c < count; c++)
        if (shift[c] < 34 || shift[c] > 64) return 0;
    return 1;
}

static net_scales_simd128 net_scales_of_simd128(const net_results *r, int channel, int count)
{
    int32_t power[4] = {0}, multiplier[4] = {0}, negative[4] = {0};
    net_scales_simd128 s;
    int c;

    for (c = 0; c < count && c < 4; c++) {
        power[c] = (int32_t)1 << (64 - r->shift[channel + c]);
        multiplier[c] = r->multiplier[channel + c];
        negative[c] = r->negative_multiplier[channel + c];
    }
    s.power = wasm_v128_load(power);
    s.multiplier = wasm_v128_load(multiplier);
    s.negative = wasm_v128_load(negative);
    return s;
}

/* Twice the result, rounded down, before the zero point. */
static inline v128_t net_twice_simd128(v128_t sum, const net_scales_simd128 *s)
{
    const v128_t m = wasm_v128_bitselect(s->negative, s->multiplier, wasm_i32x4_shr(sum, 31));
    const v128_t high = wasm_i32x4_shuffle(wasm_i64x2_extmul_low_i32x4(sum, m),
                                           wasm_i64x2_extmul_high_i32x4(sum, m), 1, 3, 5, 7);

    return wasm_i32x4_shuffle(
        wasm_i64x2_shr(wasm_i64x2_extmul_low_i32x4(high, s->power), 31),
        wasm_i64x2_shr(wasm_i64x2_extmul_high_i32x4(high, s->power), 31), 0, 2, 4, 6);
}

/* Store up to sixteen bytes of what net_twice_simd128 gave of four sums each. */
static inline void net_put_simd128(const net_results *r, const v128_t *twice, int count, uint8_t *to)
{
    const v128_t half = wasm_i16x8_splat(0x4000), zero_point = wasm_i16x8_splat(r->zero_point);
    const v128_t low =
        wasm_i16x8_q15mulr_sat(wasm_i16x8_narrow_i32x4(twice[0], twice[1]), half);
    const v128_t high =
        wasm_i16x8_q15mulr_sat(wasm_i16x8_narrow_i32x4(twice[2], twice[3]), half);
    v128_t bytes = wasm_u8x16_narrow_i16x8(wasm_i16x8_add_sat(low, zero_point),
                                           wasm_i16x8_add_sat(high, zero_point));

    bytes = wasm_u8x16_min(wasm_u8x16_max(bytes, wasm_u8x16_splat(r->low)),
                           wasm_u8x16_splat(r->high));
    if (count == 16) {
        wasm_v128_store(to, bytes);
    } else if (count == 8) {
        wasm_v128_store64_lane(to, bytes, 0);
    } else if (count == 4) {
        wasm_v128_store32_lane(to, bytes, 0);
    } else {
        uint8_t some[16];
        wasm_v128_store(some, bytes);
        memcpy(to, some, (size_t)count);
    }
}

static inline v128_t net_pooled_simd128(const int32_t *sums, int pool)
{
    if (pool == 0) return wasm_v128_load(sums);
    return wasm_i32x4_max(
        wasm_i32x4_max(wasm_v128_load(sums), wasm_v128_load(sums + 16)),
        wasm_i32x4_max(wasm_v128_load(sums + 16 * pool), wasm_v128_load(sums + 16 * pool + 16)));
}

static void net_store_int8_simd128(const net_results *r, int channel, int count, const void *from,
                                   int pixels, int pool, void *out, ptrdiff_t step)
{
    const int32_t *sums = from;
    net_scales_simd128 scales[4];
    uint8_t *to = out;
    const v128_t zero = wasm_i32x4_splat(0);
    const int fours = (count + 3) / 4;
    int j;

    if (r->scale != NULL || !r->small || !net_shifts_simd128(r->shift + channel, count)) {
        net_store_int8_portable(r, channel, count, from, pixels, pool, out, step);
        return;
    }
    for (j = 0; j < 4; j++) scales[j] = net_scales_of_simd128(r, channel + 4 * j, count - 4 * j);
    for (; pixels > 0; pixels--, sums += pool ? 32 : 16, to += step) {
        v128_t twice[4] = {zero, zero, zero, zero};

        for (j = 0; j < fours; j++)
            twice[j] = net_twice_simd128(net_pooled_simd128(sums + 4 * j, pool), &scales[j]);
        net_put_simd128(r, twice, count, to);
    }
}
#endif
