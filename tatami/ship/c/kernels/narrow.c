/* Real numbers of few bits, as tatami/ops/narrow.py says: an exponent and a mantissa below the sign.
 * Samples of one are told by their bits. */
enum { NET_IEEE, NET_NAN, NET_ZERO, NET_FINITE };

typedef struct {
    int exponent, mantissa, bias, form;
} net_format;

static float net_widened(uint32_t bits, net_format format)
{
    const uint32_t end = UINT32_C(1) << (format.exponent + format.mantissa);
    const uint32_t size = bits & (end - 1), part = size & ((UINT32_C(1) << format.mantissa) - 1);
    const int high = (int)(size >> format.mantissa);
    const int top = high == (1 << format.exponent) - 1;
    float x;

    if ((format.form == NET_IEEE && top && part != 0) || (format.form == NET_NAN && size == end - 1)
        || (format.form == NET_ZERO && bits == end))
        return NAN;
    if (format.form == NET_IEEE && top)
        x = INFINITY;
    else if (high == 0)
        x = ldexpf((float)part, 1 - format.bias - format.mantissa);
    else
        x = ldexpf((float)(part + (UINT32_C(1) << format.mantissa)),
                   high - format.bias - format.mantissa);
    return bits & end ? -x : x;
}

/* Rounds half to even; what is too large becomes the largest number where saturate is 1, else
 * infinity, NaN where the format has none, and the largest where it has neither. */
static uint32_t net_narrowed(float x, net_format format, int saturate)
{
    const uint32_t end = UINT32_C(1) << (format.exponent + format.mantissa);
    const uint32_t infinity = end - (UINT32_C(1) << format.mantissa);
    const uint32_t last = format.form == NET_IEEE ? infinity - 1
                                                  : end - (format.form == NET_NAN ? 2 : 1);
    const uint32_t nan = format.form == NET_IEEE ? infinity + (UINT32_C(1) << (format.mantissa - 1))
                         : format.form == NET_ZERO ? end
                                                   : end - 1;
    const uint32_t sign = signbit(x) ? end : 0;
    uint32_t size = last + 1;
    int high;

    if (x != x) return format.form == NET_FINITE ? end : format.form == NET_ZERO ? nan : sign | nan;
    x = fabsf(x);
    if (x < INFINITY) {
        const int least = 1 - format.bias;

        (void)frexpf(x, &high);
        high = x > 0 && high - 1 > least ? high - 1 : least;
        if (high <= (1 << format.exponent) - format.bias) {
            size = (uint32_t)nearbyintf(ldexpf(x, format.mantissa - high));
            size += (uint32_t)(high - least) << format.mantissa;
        }
    }
    if (size > last) {
        if (saturate || format.form == NET_FINITE) size = last;
        else if (format.form == NET_ZERO) return nan;
        else size = format.form == NET_IEEE ? infinity : nan;
    }
    return format.form == NET_ZERO && size == 0 ? 0 : sign | size;
}

/* A scale of 8 bits: the exponent of a float32. rounding: 0 down, 1 up, 2 to the nearest. */
static float net_widened_scale(uint32_t bits) { return bits == 255 ? NAN : ldexpf(1.0f, (int)bits - 127); }

static uint32_t net_narrowed_scale(float x, int saturate, int rounding)
{
    uint32_t bits, exponent, part, more;

    memcpy(&bits, &x, sizeof bits);
    exponent = (bits >> 23) & 255;
    part = bits & 0x7FFFFF;
    more = rounding == 1 ? part > 0
           : rounding == 2 ? part > 0x400000 || (part == 0x400000 && exponent > 0)
                           : 0;
    if (exponent == 255) return 255;
    if (saturate && exponent == 254) more = 0;
    return exponent + more;
}
