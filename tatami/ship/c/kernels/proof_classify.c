/* 'S' width height pixels: the probability of every class. */
static int classify(void)
{
    static float scores[NET_CLASSES];
    int32_t sides[2];
    uint8_t *rgb = read_picture(sides);

    if (rgb == NULL) return 0;
    net_classify(rgb, sides[0], sides[1], scores);
    free(rgb);
    fwrite(scores, sizeof scores, 1, answers);
    return 1;
}
