/* From float32 sums to results: an activation, and the pool. Written once, and compiled for every
 * instruction set; compilers vectorise rows of sixteen by themselves. */
NET_ALWAYS_INLINE float net_float_result(net_activation_kind kind, net_activation a, float x)
{
    if (kind == NET_LEAKY) return x < 0.0f ? a.alpha * x : x;
    if (kind == NET_CLAMP) {
        const float raised = x < a.low ? a.low : x;
        return raised > a.high ? a.high : raised;
    }
    return x;
}

/* `kind` is known where this is compiled in. The activation comes before the pool, as it must for
 * a NaN. */
NET_ALWAYS_INLINE void net_store_rows(net_activation_kind kind, const net_results *r, int count,
                                      const float *sums, int pixels, int pool, float *out,
                                      ptrdiff_t step)
{
    const net_activation a = r->activation;
    int p, c;

    for (p = 0; p < pixels; p++, out += step, sums += pool ? 32 : 16) {
        const float *below = sums + 16 * pool;
        float row[16];

        for (c = 0; c < 16; c++) row[c] = net_float_result(kind, a, sums[c]);
        if (pool) {
            for (c = 0; c < 16; c++) {
                const float right = net_float_result(kind, a, sums[16 + c]);
                const float left = net_float_result(kind, a, below[c]);
                const float last = net_float_result(kind, a, below[16 + c]);
                const float upper = right > row[c] ? right : row[c];
                const float lower = last > left ? last : left;
                row[c] = lower > upper ? lower : upper;
            }
        }
        if (count == 16)
            memcpy(out, row, sizeof row);
        else
            memcpy(out, row, (size_t)count * sizeof *out);
    }
}

NET_ALWAYS_INLINE void net_store_any(const net_results *r, int count, const float *sums,
                                     int pixels, int pool, float *out, ptrdiff_t step)
{
    if (r->activation.kind == NET_LEAKY)
        net_store_rows(NET_LEAKY, r, count, sums, pixels, pool, out, step);
    else if (r->activation.kind == NET_CLAMP)
        net_store_rows(NET_CLAMP, r, count, sums, pixels, pool, out, step);
    else
        net_store_rows(NET_LINEAR, r, count, sums, pixels, pool, out, step);
}

static void net_store_float_portable(const net_results *r, int channel, int count,
                                     const void *sums, int pixels, int pool, void *out,
                                     ptrdiff_t step)
{
    (void)channel;
    net_store_any(r, count, sums, pixels, pool, out, step);
}
