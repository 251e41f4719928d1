/* The sum of two maps of bytes as LiteRT's reference kernels compute it: both are taken to the steps
 * of twice the larger scale, with 20 bits behind the point, and their sum to those of the result.
 * out may be one of the two. */
typedef struct {
    int a_zero_point, a_multiplier, a_shift;
    int b_zero_point, b_multiplier, b_shift;
    int zero_point, multiplier, shift; /* of the result */
    int low, high;
} net_reference_add;

static void net_add_as_reference(const net_reference_add *l, const uint8_t *a, const uint8_t *b,
                                 int count, uint8_t *out)
{
    const int32_t one = (int32_t)1 << 20;
    int i;

    for (i = 0; i < count; i++) {
        const int32_t first = net_twice((a[i] - l->a_zero_point) * one, l->a_multiplier, l->a_shift);
        const int32_t second = net_twice((b[i] - l->b_zero_point) * one, l->b_multiplier, l->b_shift);
        const int32_t y = l->zero_point + net_twice(first + second, l->multiplier, l->shift);

        out[i] = (uint8_t)(y < l->low ? l->low : y > l->high ? l->high : y);
    }
}
