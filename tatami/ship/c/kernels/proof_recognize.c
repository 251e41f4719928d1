/* 'R' count samples: the probability of every class of a whole sound. */
static int recognize(void)
{
    static float scores[NET_CLASSES];
    int32_t count;
    int16_t *samples = read_samples(&count);

    if (samples == NULL) return 0;
    net_recognize(samples, count, scores);
    free(samples);
    fwrite(scores, sizeof scores, 1, answers);
    return 1;
}
