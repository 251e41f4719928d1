/* 'E' width height pixels: the embedding. */
static int match(void)
{
    static float embedding[NET_NUMBERS];
    int32_t sides[2];
    uint8_t *rgb = read_picture(sides);

    if (rgb == NULL) return 0;
    net_embed(rgb, sides[0], sides[1], embedding);
    free(rgb);
    fwrite(embedding, sizeof embedding, 1, answers);
    return 1;
}
