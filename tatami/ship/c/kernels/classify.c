/* exp(x - largest) / sum of exp(x - largest), added up class by class: tatami/ops/exponential.py. */
static void net_probabilities(const float *logits, float *scores)
{
    float largest = logits[0], sum = 0.0f;
    int i;

    for (i = 1; i < NET_CLASSES; i++)
        if (logits[i] > largest) largest = logits[i];
    for (i = 0; i < NET_CLASSES; i++) {
        scores[i] = net_exp(logits[i] - largest);
        sum += scores[i];
    }
    for (i = 0; i < NET_CLASSES; i++) scores[i] /= sum;
}

int net_classify(const uint8_t *rgb, int width, int height, float *scores)
{
    int best = 0, i;

    if (rgb == NULL || scores == NULL || width < 1 || height < 1 || width > NET_MAX_SIDE ||
        height > NET_MAX_SIDE)
        return -1;
    net_prepare(rgb, width, height, NET_IMAGES);
    net_run(); /* which begins with a barrier */
    net_probabilities(NET_LOGITS, scores);
    for (i = 1; i < NET_CLASSES; i++)
        if (scores[i] > scores[best]) best = i;
    return best;
}
