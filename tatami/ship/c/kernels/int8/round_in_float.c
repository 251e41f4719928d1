/* From an int32 sum to a byte as XNNPACK does: docs/integer-arithmetic.md, section 13. The product is
 * held between the bounds before it is rounded, so that no compiler can join it with what follows. */
static uint8_t net_requantize(const net_results *r, int channel, int32_t sum)
{
    const float real = (float)sum * r->factor[channel];
    const float low = (float)(r->low - r->zero_point), high = (float)(r->high - r->zero_point);
    const float raised = real < low ? low : real;
    const float held = raised > high ? high : raised;
    const float shifted = held + 12582912.0f; /* 1.5 * 2^23: the sum is rounded to whole, to even */
    int32_t whole;

    memcpy(&whole, &shifted, sizeof whole);
    return (uint8_t)(whole - 0x4B400000 + r->zero_point);
}
