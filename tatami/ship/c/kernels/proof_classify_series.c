/* 'V' steps numbers: the probability of every class of a series. */
static int classify_series(void)
{
    static float scores[NET_CLASSES];
    int32_t steps;
    float *series = read_series(&steps);

    if (series == NULL) return 0;
    net_classify_series(series, steps, scores);
    free(series);
    fwrite(scores, sizeof scores, 1, answers);
    return 1;
}
