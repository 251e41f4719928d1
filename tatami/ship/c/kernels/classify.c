int net_classify(const uint8_t *rgb, int width, int height, float *scores)
{
    int best = 0, i;

    if (rgb == NULL || scores == NULL || width < 1 || height < 1 || width > NET_MAX_SIDE ||
        height > NET_MAX_SIDE)
        return -1;
    net_prepare(rgb, width, height, NET_IMAGES);
    if (net_run() != 0) return -2; /* it begins with a barrier */
    net_probabilities(NET_LOGITS, scores);
    for (i = 1; i < NET_CLASSES; i++)
        if (scores[i] > scores[best]) best = i;
    return best;
}
