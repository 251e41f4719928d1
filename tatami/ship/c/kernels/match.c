int net_embed(const uint8_t *rgb, int width, int height, float *embedding)
{
    int i;

    if (rgb == NULL || embedding == NULL || width < 1 || height < 1 || width > NET_MAX_SIDE ||
        height > NET_MAX_SIDE)
        return -1;
    net_prepare(rgb, width, height, NET_IMAGES);
    if (net_run() != 0) return -2; /* it begins with a barrier */
    for (i = 0; i < NET_NUMBERS; i++) embedding[i] = NET_EMBEDDING[i];
    return 0;
}

float net_distance(const float *first, const float *second)
{
    double sum = 0.0;
    int i;

    for (i = 0; i < NET_NUMBERS; i++) {
        const float apart = first[i] - second[i];
        sum += (double)(apart < 0.0f ? -apart : apart);
    }
    return (float)sum;
}

float net_same(float distance) { return net_sigmoid(NET_EVEN - distance); }

int net_match(const uint8_t *rgb, int width, int height, const float *enrolled, int count,
              float *distances)
{
    static float found[NET_NUMBERS];
    int best = 0, i;

    if (enrolled == NULL || distances == NULL || count < 1) return -1;
    if (net_embed(rgb, width, height, found) != 0) return -1;
    for (i = 0; i < count; i++) {
        distances[i] = net_distance(found, enrolled + (size_t)i * NET_NUMBERS);
        if (distances[i] < distances[best]) best = i;
    }
    return best;
}
