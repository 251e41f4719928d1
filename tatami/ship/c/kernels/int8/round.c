/* From an int32 sum to a byte by Tatami's own rounding: docs/integer-arithmetic.md, section 3. */
static uint8_t net_requantize(const net_results *r, int channel, int32_t sum)
{
    const int32_t m = sum < 0 ? r->negative_multiplier[channel] : r->multiplier[channel];
    const int shift = r->shift[channel];
    const int64_t half = (int64_t)1 << (shift - 1);
    const int64_t y = r->zero_point + (((int64_t)sum * m + half) >> shift);

    return (uint8_t)(y < r->low ? r->low : y > r->high ? r->high : y);
}
