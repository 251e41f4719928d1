/* 'G' label count sharpness seed heard samples: count samples of that seed, after the heard ones.
 * 'P' code label: the network's input. */
static int generate(void)
{
    int32_t head[3], i;
    float sharpness;
    uint64_t seed;
    int16_t sample;

    if (fread(head, sizeof head, 1, requests) != 1 ||
        fread(&sharpness, sizeof sharpness, 1, requests) != 1 ||
        fread(&seed, sizeof seed, 1, requests) != 1 || net_begin(head[0], seed, sharpness) != 0)
        return 0;
    for (i = 0; i < head[2]; i++) {
        if (fread(&sample, sizeof sample, 1, requests) != 1) return 0;
        net_hear(&sample, 1);
    }
    for (i = 0; i < head[1]; i++) {
        sample = net_next();
        fwrite(&sample, sizeof sample, 1, answers);
    }
    return 1;
}

static int prepare(void)
{
    int32_t head[2];

    if (fread(head, sizeof head, 1, requests) != 1) return 0;
    net_prepare(head[0], head[1], in0);
    fwrite(in0, sizeof in0, 1, answers);
    return 1;
}
