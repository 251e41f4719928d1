/* 'M' width height pixels: the class of every pixel. */
static int segment(void)
{
    int32_t sides[2];
    uint8_t *rgb = read_picture(sides), *labels;
    size_t pixels;

    if (rgb == NULL) return 0;
    pixels = (size_t)sides[0] * (size_t)sides[1];
    labels = malloc(pixels);
    if (labels != NULL && net_segment(rgb, sides[0], sides[1], labels) == 0)
        fwrite(labels, 1, pixels, answers);
    free(labels);
    free(rgb);
    return labels != NULL;
}
