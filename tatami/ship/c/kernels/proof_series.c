/* What proof.c answers where the network takes series: 'P' steps numbers. */
static float *read_series(int32_t *steps)
{
    float *series;
    size_t count;

    if (fread(steps, sizeof *steps, 1, requests) != 1 || *steps < 1) return NULL;
    count = (size_t)*steps * NET_CHANNELS;
    series = malloc(count * sizeof *series);
    if (series == NULL || fread(series, sizeof *series, count, requests) == count) return series;
    free(series);
    return NULL;
}

static int prepare(void)
{
    int32_t steps;
    float *series = read_series(&steps);

    if (series == NULL) return 0;
    net_prepare(series, steps, in0);
    free(series);
    fwrite(in0, sizeof in0, 1, answers);
    return 1;
}
