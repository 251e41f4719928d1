/* Whether samples are as near as rounding lets machines differ. What is no number is not. */
static int net_near(const float *values, const uint32_t *at, const float *expected, size_t count,
                    float most)
{
    size_t i;

    for (i = 0; i < count; i++) {
        const float difference = values[at[i]] - expected[i];
        if (!(difference <= most && -difference <= most)) return 0;
    }
    return 1;
}
