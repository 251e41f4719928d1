#define FORMAT "binary PPM (P6, 255) with regions behind it"
#define MOST 1000000

/* Behind a picture, in the same file: how many regions, and X1 Y1 X2 Y2 of each, in its pixels. */
static int tell(FILE *file, const char *name, const uint8_t *rgb, int width, int height)
{
    static net_detection found[NET_MAX_DETECTIONS];
    double(*regions)[4];
    int count, i, k, whole = 1;

    if (fscanf(file, "%d", &count) != 1 || count < 0 || count > MOST) return -1;
    regions = malloc(((size_t)count + 1) * sizeof *regions);
    if (regions == NULL) return -1;
    for (i = 0; i < count; i++)
        for (k = 0; k < 4; k++) whole &= fscanf(file, "%lf", &regions[i][k]) == 1;
    (void)getc(file); /* the end of the line */
    if (whole)
        tell_found(name, found, net_detect_in(rgb, width, height, (const double(*)[4])regions, count,
                                              threshold, found, NET_MAX_DETECTIONS));
    free(regions);
    return whole ? 1 : -1;
}
