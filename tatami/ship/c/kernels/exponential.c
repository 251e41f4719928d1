/* exp in float32 of nothing but + - * and whole numbers, so that every machine gives the bits that
 * tatami/ops/exponential.py gives: x = n ln 2 + r, exp(x) = 2^n (1 + r + r^2 p(r)). Within 1 unit in
 * the last place; overflows to infinity, underflows through subnormal numbers to 0; a NaN stays.
 * It is a part of every loop that calls it, so that the loop is one of vectors. */
NET_ALWAYS_INLINE float net_exp(float x)
{
    const float held = x >= -104.0f ? (x <= 89.0f ? x : 89.0f) : -104.0f;
    const float shifted = held * 1.44269502f + 12582912.0f; /* 1.5 * 2^23: the sum is whole */
    const float whole = shifted - 12582912.0f;
    const float r = (held - whole * 0.693359375f) - whole * -0.000212194442f;
    float p = 0.00138145988f, low, high;
    int32_t n, half;
    uint32_t low_bits, high_bits;

    p = p * r + 0.00836871658f;
    p = p * r + 0.041668389f;
    p = p * r + 0.166665211f;
    p = p * r + 0.49999994f;
    p = (p * (r * r) + r) + 1.0f;
    memcpy(&n, &shifted, sizeof n);
    n -= 0x4B400000;      /* the bits of 1.5 * 2^23 */
    half = (int32_t)((uint32_t)(n + 256) >> 1) - 128; /* two factors: 2^n may be no normal number */
    low_bits = (uint32_t)(half + 127) << 23;
    high_bits = (uint32_t)(n - half + 127) << 23;
    memcpy(&low, &low_bits, sizeof low);
    memcpy(&high, &high_bits, sizeof high);
    return x == x ? (p * low) * high : x;
}

NET_ALWAYS_INLINE float net_sigmoid(float x) { return 1.0f / (1.0f + net_exp(-x)); }

/* fminf and fmaxf are calls where a NaN may come: this is none, and leaves a NaN one. */
NET_ALWAYS_INLINE float net_within(float x, float low, float high)
{
    const float raised = x < low ? low : x;

    return raised > high ? high : raised;
}

NET_ALWAYS_INLINE float net_unit(float x) { return net_within(x, 0.0f, 1.0f); }

/* x times a quotient of polynomials of x^2, fitted to the least relative error up to 9, from where
 * on it stays as it is: a unit from 1. Within 6 units in the last place. */
NET_ALWAYS_INLINE float net_tanh(float x)
{
    const float held = net_within(x, -9.0f, 9.0f), t = held * held;
    float p = 1.33549494e-08f, q = 7.77669764e-07f, y;

    p = p * t + 2.06093636e-05f;
    p = p * t + 0.00349560854f;
    p = p * t + 0.13381044f;
    p = p * t + 1.0f;
    q = q * t + 0.000328566584f;
    q = q * t + 0.0258770634f;
    q = q * t + 0.467143596f;
    q = q * t + 1.0f;
    y = held * p / q;
    return net_within(y, -1.0f, 1.0f);
}
