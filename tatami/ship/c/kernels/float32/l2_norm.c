/* sqrt(sum of in^2) along the middle axis of [outer][length][inner]; out: [outer][inner]. */
typedef struct {
    int length, inner;
    const float *in;
    float *out;
} net_l2_norm_step;

/* Lines from ... to - 1. */
static void net_l2_norm_part(void *context, int from, int to, int thread)
{
    const net_l2_norm_step *s = context;
    const int length = s->length, inner = s->inner;
    const float *in = s->in + (ptrdiff_t)from * length * inner;
    float *out = s->out + (ptrdiff_t)from * inner;
    int line, i, k;

    (void)thread;
    for (line = from; line < to; line++, in += length * inner, out += inner) {
        for (i = 0; i < inner; i++) {
            float sum = 0.0f;

            for (k = 0; k < length; k++) sum += in[k * inner + i] * in[k * inner + i];
            out[i] = sqrtf(sum);
        }
    }
}

static void net_l2_norm(int outer, int length, int inner, const float *in, float *out)
{
    net_l2_norm_step step = {length, inner, in, out};

    net_parallel(net_l2_norm_part, &step, outer, (int64_t)length * inner);
}
