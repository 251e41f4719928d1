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
