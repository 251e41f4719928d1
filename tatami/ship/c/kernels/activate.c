/* y = x where low <= x <= high. Below, y = alpha * x for a leaky rectifier, else y = low; above,
 * y = high. Or a function that is no piece of a line. A NaN stays a NaN. */
typedef enum {
    NET_LINEAR,
    NET_LEAKY,
    NET_CLAMP,
    NET_SIGMOID,
    NET_EXP,
    NET_TANH
} net_activation_kind;

typedef struct {
    net_activation_kind kind;
    float alpha;     /* NET_LEAKY */
    float low, high; /* NET_CLAMP */
} net_activation;

/* in and out may be the same samples. */
static void net_activate(net_activation activation, const float *in, int count, float *out)
{
    const float alpha = activation.alpha, low = activation.low, high = activation.high;
    int i;

    switch (activation.kind) {
    case NET_LINEAR:
        if (in != out) memcpy(out, in, (size_t)count * sizeof *out);
        break;
    case NET_LEAKY:
        for (i = 0; i < count; i++) out[i] = in[i] < 0.0f ? alpha * in[i] : in[i];
        break;
    case NET_CLAMP:
        for (i = 0; i < count; i++) {
            const float raised = in[i] < low ? low : in[i];
            out[i] = raised > high ? high : raised;
        }
        break;
    case NET_SIGMOID:
        for (i = 0; i < count; i++) out[i] = net_sigmoid(in[i]);
        break;
    case NET_EXP:
        for (i = 0; i < count; i++) out[i] = net_exp(in[i]);
        break;
    case NET_TANH:
        for (i = 0; i < count; i++) out[i] = tanhf(in[i]);
        break;
    }
}
