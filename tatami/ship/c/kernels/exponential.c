/* exp in float32 of nothing but + - * and whole numbers, so that every machine gives the bits that
 * tatami/ops/exponential.py gives: x = n ln 2 + r, exp(x) = 2^n (1 + r + r^2 p(r)). Within 1 unit in
 * the last place; overflows to infinity, underflows through subnormal numbers to 0; a NaN stays. */
static float net_exp(float x)
{
    const float held = x >= -104.0f ? (x <= 89.0f ? x : 89.0f) : -104.0f;
    const float shifted = held * 1.44269502f + 12582912.0f; /* 1.5 * 2^23: the sum is whole */
    const float whole = shifted - 12582912.0f;
    const float r = (held - whole * 0.693359375f) - whole * -0.000212194442f;
    float p = 0.00138145988f, low, high;
    int32_t n, half, low_bits, high_bits;

    p = p * r + 0.00836871658f;
    p = p * r + 0.041668389f;
    p = p * r + 0.166665211f;
    p = p * r + 0.49999994f;
    p = (p * (r * r) + r) + 1.0f;
    memcpy(&n, &shifted, sizeof n);
    n -= 0x4B400000;      /* the bits of 1.5 * 2^23 */
    half = (n + 256) / 2 - 128; /* two factors, for 2^n may be no normal number */
    low_bits = (half + 127) * 0x800000;
    high_bits = (n - half + 127) * 0x800000;
    memcpy(&low, &low_bits, sizeof low);
    memcpy(&high, &high_bits, sizeof high);
    return x == x ? (p * low) * high : x;
}

static float net_sigmoid(float x) { return 1.0f / (1.0f + net_exp(-x)); }
