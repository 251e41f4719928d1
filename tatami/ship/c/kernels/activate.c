/* y = x where low <= x <= high. Below, y = alpha * x for a leaky rectifier, else y = low; above,
 * y = high. Or a function that is no piece of a line. A NaN stays a NaN. */
typedef enum {
    NET_LINEAR,
    NET_LEAKY,
    NET_CLAMP,
    NET_SIGMOID,
    NET_SILU,
    NET_EXP,
    NET_TANH
} net_activation_kind;

typedef struct {
    net_activation_kind kind;
    float alpha;     /* NET_LEAKY */
    float low, high; /* NET_CLAMP */
} net_activation;

NET_ALWAYS_INLINE void net_activate_samples(net_activation activation, int count, float *x)
{
    const float alpha = activation.alpha, low = activation.low, high = activation.high;
    int i;

    switch (activation.kind) {
    case NET_LINEAR:
        break;
    case NET_LEAKY:
        for (i = 0; i < count; i++) x[i] = x[i] < 0.0f ? alpha * x[i] : x[i];
        break;
    case NET_CLAMP:
        for (i = 0; i < count; i++) {
            const float raised = x[i] < low ? low : x[i];
            x[i] = raised > high ? high : raised;
        }
        break;
    case NET_SIGMOID:
        for (i = 0; i < count; i++) x[i] = net_sigmoid(x[i]);
        break;
    case NET_SILU:
        for (i = 0; i < count; i++) x[i] = x[i] * net_sigmoid(x[i]);
        break;
    case NET_EXP:
        for (i = 0; i < count; i++) x[i] = net_exp(x[i]);
        break;
    case NET_TANH:
        for (i = 0; i < count; i++) x[i] = net_tanh(x[i]);
        break;
    }
}

/* in and out may be the same samples. Vectors want to know whether they are: so all is done in
 * place, in parts that stay in the nearest cache. */
NET_ALWAYS_INLINE void net_activate_body(net_activation activation, const float *in, int count,
                                         float *out)
{
    enum { PART = 1024 };
    int first;

    for (first = 0; first < count; first += PART) {
        const int part = count - first < PART ? count - first : PART;

        if (in != out) memcpy(out + first, in + first, (size_t)part * sizeof *out);
        net_activate_samples(activation, part, out + first);
    }
}

NET_IN_VARIANTS(net_activate,
                (net_activation activation, const float *in, int count, float *out),
                (activation, in, count, out))

typedef struct {
    net_activation activation;
    const float *in;
    float *out;
    int count;
} net_activate_job;

static void net_activate_part(void *context, int from, int to, int thread)
{
    const net_activate_job *job = context;
    const int first = from * NET_PIECE;

    (void)thread;
    net_activate(job->activation, job->in + first, net_samples(job->count, from, to),
                 job->out + first);
}

/* A whole map. */
static void net_activate_map(net_activation activation, const float *in, int count, float *out)
{
    net_activate_job job = {activation, in, out, count};

    net_parallel(net_activate_part, &job, net_pieces(count), NET_PIECE / 4);
}
