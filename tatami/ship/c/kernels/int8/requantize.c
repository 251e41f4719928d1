/* From int32 sums to what is stored: bytes by net_requantize, which is in round.c, or float32.
 * Sums come in rows of sixteen channels, a panel: sums[pixels][16]. */

/* Read four sums as one where `pool` is set: the largest of pixels 2p and 2p + 1 of this row and of
 * the row that lies `pool` pixels on. No rounding turns two sums around, so the largest sum gives
 * the largest byte. */
static int32_t net_pooled(const int32_t *sum, int pool)
{
    int32_t best = sum[0];

    if (sum[16] > best) best = sum[16];
    if (sum[16 * pool] > best) best = sum[16 * pool];
    return sum[16 * pool + 16] > best ? sum[16 * pool + 16] : best;
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
