/* Run on what was prepared. */
static int net_classify_prepared(float *scores)
{
    int best = 0, i;

    if (net_run() != 0) return -2; /* it begins with a barrier */
    net_probabilities(NET_LOGITS, scores);
    for (i = 1; i < NET_CLASSES; i++)
        if (scores[i] > scores[best]) best = i;
    return best;
}

int net_classify(const uint8_t *rgb, int width, int height, float *scores)
{
    if (rgb == NULL || scores == NULL || width < 1 || height < 1 || width > NET_MAX_SIDE ||
        height > NET_MAX_SIDE)
        return -1;
    net_prepare(rgb, width, height, NET_IMAGES);
    return net_classify_prepared(scores);
}

#ifdef NET_FRAMES
int net_classify_frame(const net_frame *frame, float *scores)
{
    if (scores == NULL || net_prepare_frame(frame, NET_IMAGES) != 0) return -1;
    return net_classify_prepared(scores);
}
#endif
