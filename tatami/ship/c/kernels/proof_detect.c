/* 'D' threshold width height pixels: a count, then as many net_detection. */
static int detect(void)
{
    static net_detection found[NET_MAX_DETECTIONS];
    int32_t sides[2], count;
    float threshold;
    uint8_t *rgb;

    if (fread(&threshold, sizeof threshold, 1, requests) != 1) return 0;
    rgb = read_picture(sides);
    if (rgb == NULL) return 0;
    count = net_detect(rgb, sides[0], sides[1], threshold, found, NET_MAX_DETECTIONS);
    free(rgb);
    fwrite(&count, sizeof count, 1, answers);
    if (count > 0) fwrite(found, sizeof *found, (size_t)count, answers);
    return 1;
}
