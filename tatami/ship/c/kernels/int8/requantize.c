/* From int32 sums to what is stored: bytes by section 3 of docs/integer-arithmetic.md, or float32.
 * Sums come in rows of sixteen channels, a panel: sums[pixels][16]. */

/* Read four sums as one where `pool` is set: the largest of pixels 2p and 2p + 1 of this row and of
 * the row that lies `pool` pixels on. Rule 3 never turns two sums around, so the largest sum gives
 * the largest byte. */
static int32_t net_pooled(const int32_t *sum, int pool)
{
    int32_t best = sum[0];

    if (sum[16] > best) best = sum[16];
    if (sum[16 * pool] > best) best = sum[16 * pool];
    return sum[16 * pool + 16] > best ? sum[16 * pool + 16] : best;
}

static uint8_t net_requantize(const net_results *r, int channel, int32_t sum)
{
    const int32_t m = sum < 0 ? r->negative_multiplier[channel] : r->multiplier[channel];
    const int shift = r->shift[channel];
    const int64_t half = (int64_t)1 << (shift - 1);
    const int64_t y = r->zero_point + (((int64_t)sum * m + half) >> shift);

    return (uint8_t)(y < r->low ? r->low : y > r->high ? r->high : y);
}

static void net_store_int8_portable(const net_results *r, int channel, int count, const void *from,
                                    int pixels, int pool, void *out, ptrdiff_t step)
{
    const int32_t *sums = from;
    int p, c;

    for (p = 0; p < pixels; p++) {
        for (c = 0; c < count; c++) {
            const int32_t sum = pool ? net_pooled(sums + 32 * p + c, pool) : sums[16 * p + c];
            if (r->scale != NULL)
                ((float *)out)[p * step + c] = (float)sum * r->scale[channel + c];
            else
                ((uint8_t *)out)[p * step + c] = net_requantize(r, channel + c, sum);
        }
    }
}
