/* What proof.c answers where the network takes sound: 'P' count samples. */
static int16_t *read_samples(int32_t *count)
{
    int16_t *samples;

    if (fread(count, sizeof *count, 1, requests) != 1 || *count < 1) return NULL;
    samples = malloc((size_t)*count * sizeof *samples);
    if (samples == NULL || fread(samples, sizeof *samples, (size_t)*count, requests) ==
        (size_t)*count) return samples;
    free(samples);
    return NULL;
}

static int prepare(void)
{
    int32_t count;
    int16_t *samples = read_samples(&count);

    if (samples == NULL) return 0;
    net_prepare(samples, count, in0);
    free(samples);
    fwrite(in0, sizeof in0, 1, answers);
    return 1;
}
