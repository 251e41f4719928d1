static struct {
    uint64_t state;
    float sharpness;
    int label, code; /* code: of the sample before */
} net_voice;

/* The lowest sample of every code, and the sample that it stands for: docs/generation-rule.md. */
static const int16_t net_thresholds[NET_CODES] = {
@thresholds@
};
static const int16_t net_levels[NET_CODES] = {
@levels@
};

int net_encode(int16_t sample)
{
    int code = 0, step;

    for (step = NET_CODES / 2; step > 0; step /= 2)
        if (net_thresholds[code + step] <= sample) code += step;
    return code;
}

int16_t net_decode(int code) { return net_levels[code & (NET_CODES - 1)]; }

void net_prepare(int code, int label, NET_INPUT *images)
{
    int plane;

    for (plane = 0; plane <= NET_CLASSES; plane++) {
        const int byte = plane == 0 ? code : plane == label + 1 ? 255 : NET_SILENCE;
        const float value = ((float)byte - 128.0f) / 128.0f;
#if NET_INPUT_IS_BYTES
        net_quantize(NET_INPUT_SCALE, NET_INPUT_ZERO_POINT, &value, 1, images + plane);
#else
        images[plane] = value;
#endif
    }
}

/* SplitMix64, of which the upper half is taken. */
static uint32_t net_number(void)
{
    uint64_t mixed = net_voice.state += UINT64_C(0x9E3779B97F4A7C15);

    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)((mixed ^ mixed >> 31) >> 32);
}

/* The first code at which the sum of weights floor(2^23 exp(x - largest) + 1/2) exceeds the share of
 * all of them that a number of 32 bits says; silence where nothing has a weight. */
static int net_choose(const float *logits, uint32_t number)
{
    static uint32_t weights[NET_CODES];
    float largest = -INFINITY;
    uint64_t total = 0, share;
    int code;

    for (code = 0; code < NET_CODES; code++)
        if (logits[code] > largest) largest = logits[code];
    for (code = 0; code < NET_CODES; code++) {
        const float power = net_exp((logits[code] - largest) * net_voice.sharpness) * 8388608.0f;

        weights[code] = power >= 0.0f ? (uint32_t)(power + 0.5f) : 0;
        total += weights[code];
    }
    if (total == 0) return NET_SILENCE;
    share = number * total >> 32;
    for (code = 0; share >= weights[code]; code++) share -= weights[code];
    return code;
}

/* What the network says of the sample after the last one. */
static void net_step(void)
{
    net_prepare(net_voice.code, net_voice.label, NET_COLUMN);
    net_run();
}

int net_begin(int label, uint64_t seed, float sharpness)
{
    if (label < 0 || label >= NET_CLASSES) return -1;
    net_reset();
    net_voice.state = seed;
    net_voice.sharpness = sharpness;
    net_voice.label = label;
    net_voice.code = NET_SILENCE;
    return 0;
}

int16_t net_next(void)
{
    net_step();
    net_voice.code = net_choose(NET_LOGITS, net_number());
    return net_decode(net_voice.code);
}

void net_hear(const int16_t *samples, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        net_step();
        net_voice.code = net_encode(samples[i]);
    }
}

int net_generate(int label, uint64_t seed, float sharpness, int16_t *samples, int count)
{
    int i;

    if (samples == NULL || count < 1 || net_begin(label, seed, sharpness) != 0) return -1;
    for (i = 0; i < count; i++) samples[i] = net_next();
    return 0;
}
