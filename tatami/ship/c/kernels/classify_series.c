/* The series rule, docs/series-rule.md: fitted around the middle, (number - mean) * scale. */
void net_prepare(const float *series, int steps, NET_INPUT *input)
{
    const int missing = NET_STEPS - steps;
    const int before = missing > 0 ? missing / 2 : 0;
    const int skipped = missing < 0 ? -missing / 2 : 0;
    int t, c;

    for (t = 0; t < NET_STEPS; t++) {
        const int step = t - before + skipped;
        const int inside = step >= 0 && step < steps;

        for (c = 0; c < NET_CHANNELS; c++) {
            const float given = inside ? series[(size_t)step * NET_CHANNELS + c] : net_mean[c];
            const float value = (given - net_mean[c]) * net_scale[c];
#if NET_INPUT_IS_BYTES
            net_quantize(NET_INPUT_SCALE, NET_INPUT_ZERO_POINT, &value, 1, input++);
#else
            *input++ = value;
#endif
        }
    }
}

int net_classify_series(const float *series, int steps, float *scores)
{
    int best = 0, i;

    if (series == NULL || scores == NULL || steps < 1) return -1;
    net_prepare(series, steps, NET_SERIES_IN);
    if (net_run() != 0) return -2; /* it begins with a barrier */
    net_probabilities(NET_LOGITS, scores);
    for (i = 1; i < NET_CLASSES; i++)
        if (scores[i] > scores[best]) best = i;
    return best;
}
