/* How LiteRT's reference kernels round: docs/integer-arithmetic.md, section 13. */

/* x / 2^shift, halves away from zero. */
static int64_t net_away(int64_t x, int shift)
{
    const int64_t half = ((int64_t)1 << shift) >> 1;

    return (x + half - (x < 0 && shift > 0)) >> shift;
}

/* x * m / 2^shift in two roundings, the first of them halves up. */
static int32_t net_twice(int32_t x, int32_t m, int shift)
{
    const int left = shift < 31 ? 31 - shift : 0;
    const int64_t product = ((int64_t)x * ((int64_t)1 << left)) * m;
    const int64_t high = (product + ((int64_t)1 << 30)) >> 31;

    return (int32_t)net_away(high, shift > 31 ? shift - 31 : 0);
}

static uint8_t net_requantize(const net_results *r, int channel, int32_t sum)
{
    const int32_t m = r->multiplier[channel];
    const int shift = r->shift[channel];
    const int64_t y = r->zero_point + (r->one_rounding ? net_away((int64_t)sum * m, shift)
                                                       : net_twice(sum, m, shift));

    return (uint8_t)(y < r->low ? r->low : y > r->high ? r->high : y);
}
