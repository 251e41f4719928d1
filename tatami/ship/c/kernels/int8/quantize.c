/* From float32 to bytes, round(x / scale) + zero_point with halves to even, and back: as ONNX has
 * them. docs/integer-arithmetic.md, section 9. A NaN becomes the zero point. */
NET_ALWAYS_INLINE void net_quantize_body(float scale, int zero_point, const float *in, int count,
                                         uint8_t *out)
{
    const float low = (float)-zero_point, high = (float)(255 - zero_point);
    int i;

    for (i = 0; i < count; i++) {
        const float steps = in[i] / scale;
        const float known = steps == steps ? steps : 0.0f;
        const float raised = known < low ? low : known;
        const float held = raised > high ? high : raised;
        const float shifted = held + 12582912.0f; /* 1.5 * 2^23: the sum is rounded to whole */
        int32_t whole;

        memcpy(&whole, &shifted, sizeof whole);
        out[i] = (uint8_t)(whole - 0x4B400000 + zero_point);
    }
}

NET_IN_VARIANTS(net_quantize,
                (float scale, int zero_point, const float *in, int count, uint8_t *out),
                (scale, zero_point, in, count, out))

NET_ALWAYS_INLINE void net_dequantize_body(float scale, int zero_point, const uint8_t *in,
                                           int count, float *out)
{
    int i;

    for (i = 0; i < count; i++) out[i] = (float)(in[i] - zero_point) * scale;
}

NET_IN_VARIANTS(net_dequantize,
                (float scale, int zero_point, const uint8_t *in, int count, float *out),
                (scale, zero_point, in, count, out))

typedef struct {
    float scale;
    int zero_point, count;
    const float *floats;
    const uint8_t *bytes;
    void *out;
} net_quantize_job;

static void net_quantize_part(void *context, int from, int to, int thread)
{
    const net_quantize_job *job = context;
    const int first = from * NET_PIECE, count = net_samples(job->count, from, to);

    (void)thread;
    if (job->floats != NULL)
        net_quantize(job->scale, job->zero_point, job->floats + first, count,
                     (uint8_t *)job->out + first);
    else
        net_dequantize(job->scale, job->zero_point, job->bytes + first, count,
                       (float *)job->out + first);
}

/* Whole maps. */
static void net_quantize_map(float scale, int zero_point, const float *in, int count, uint8_t *out)
{
    net_quantize_job job = {scale, zero_point, count, in, NULL, out};

    net_parallel(net_quantize_part, &job, net_pieces(count), NET_PIECE / 2);
}

static void net_dequantize_map(float scale, int zero_point, const uint8_t *in, int count, float *out)
{
    net_quantize_job job = {scale, zero_point, count, NULL, in, out};

    net_parallel(net_quantize_part, &job, net_pieces(count), NET_PIECE / 8);
}
