/* The newest frames as the network's input: (feature - mean) * scale. */
static void net_take(NET_INPUT *frames)
{
    int t, f;

    for (t = 0; t < NET_FRAMES; t++) {
        const int16_t *features = net_sound.features[(net_sound.next + t) % NET_FRAMES];

        for (f = 0; f < NET_FEATURES; f++) {
            const float value = ((float)features[f] - NET_MEAN) * NET_SCALE;
#if NET_INPUT_IS_BYTES
            net_quantize(NET_INPUT_SCALE, NET_INPUT_ZERO_POINT, &value, 1, frames++);
#else
            *frames++ = value;
#endif
        }
    }
}

static void net_silence(int count)
{
    static const int16_t silence[64];

    for (; count > 0; count -= 64) net_listen(silence, count < 64 ? count : 64);
}

void net_prepare(const int16_t *samples, int count, NET_INPUT *frames)
{
    const int missing = NET_SAMPLES - count;

    net_reset();
    if (missing >= 0) {
        net_silence(missing / 2);
        net_listen(samples, count);
        net_silence(missing - missing / 2);
    } else
        net_listen(samples + -missing / 2, NET_SAMPLES);
    net_take(frames);
}

static int net_answer(float *scores)
{
    int best = 0, i;

    if (net_run() != 0) return -2; /* it begins with a barrier */
    net_probabilities(NET_LOGITS, scores);
    for (i = 1; i < NET_CLASSES; i++)
        if (scores[i] > scores[best]) best = i;
    return best;
}

int net_recognize(const int16_t *samples, int count, float *scores)
{
    if (samples == NULL || scores == NULL || count < 1) return -1;
    net_prepare(samples, count, NET_FRAMES_IN);
    return net_answer(scores);
}

int net_decide(float *scores)
{
    if (scores == NULL || net_sound.frames < NET_FRAMES) return -1;
    net_take(NET_FRAMES_IN);
    return net_answer(scores);
}
