/* What proof.c answers where the network takes pictures: 'P' width height pixels. */
static uint8_t *read_picture(int32_t *sides)
{
    uint8_t *rgb;
    size_t size;

    if (fread(sides, sizeof *sides, 2, requests) != 2) return NULL;
    if (sides[0] < 1 || sides[1] < 1 || sides[0] > NET_MAX_SIDE || sides[1] > NET_MAX_SIDE)
        return NULL;
    size = (size_t)sides[0] * (size_t)sides[1] * 3;
    rgb = malloc(size);
    if (rgb == NULL || fread(rgb, 1, size, requests) == size) return rgb;
    free(rgb);
    return NULL;
}

static int prepare(void)
{
    int32_t sides[2];
    uint8_t *rgb = read_picture(sides);

    if (rgb == NULL) return 0;
    net_prepare(rgb, sides[0], sides[1], in0);
    free(rgb);
    fwrite(in0, sizeof in0, 1, answers);
    return 1;
}
