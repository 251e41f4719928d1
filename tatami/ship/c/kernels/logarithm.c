/* log in float32 of nothing but + - * / and whole numbers, of normal numbers above 0: every machine
 * gives the bits that tatami/ops/logarithm.py gives. Within 2 units in the last place. */
static float net_log(float x)
{
    float m, s, t, p, n, rest;
    int32_t bits, exponent;

    memcpy(&bits, &x, sizeof bits);
    exponent = (int32_t)(((uint32_t)(bits - 0x3F3504F3) + 0x80000000u) >> 23) - 256;
    bits -= exponent * (1 << 23);
    memcpy(&m, &bits, sizeof m);
    s = (m - 1.0f) / (m + 1.0f);
    t = s * s;
    p = 0.235854045f;
    p = p * t + 0.285371095f;
    p = p * t + 0.400003403f;
    p = p * t + 0.666666627f;
    n = (float)exponent;
    rest = (s * 2.0f + s * (t * p)) + n * -0.000212194442f;
    return n * 0.693359375f + rest;
}
