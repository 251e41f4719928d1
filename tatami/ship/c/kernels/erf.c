/* The error function in float32 of nothing but + - * and one division, which compilers make vectors
 * of: x times a quotient of polynomials of x^2, fitted to the least relative error up to 3.95, from
 * where on it is 1. Within 6 units in the last place. */
NET_ALWAYS_INLINE float net_erf(float x)
{
    const float held = net_within(x, -3.95f, 3.95f), t = held * held;
    float p = 1.96037178e-08f, q = 0.000979800825f, y;

    p = p * t - 1.95087e-06f;
    p = p * t + 0.000143804325f;
    p = p * t + 0.00380766368f;
    p = p * t + 0.0509227253f;
    p = p * t + 0.202578947f;
    p = p * t + 1.12837911f;
    q = q * t + 0.0145754004f;
    q = q * t + 0.116092861f;
    q = q * t + 0.512862444f;
    q = q * t + 1.0f;
    y = held * p / q;
    return net_within(y, -1.0f, 1.0f);
}
