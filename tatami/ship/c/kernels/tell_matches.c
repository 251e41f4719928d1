#define OPTION "--enroll"
#define FORMAT "binary PPM (P6, 255)"
#define VALUE "COUNT"
#define MOST 256 /* embeddings that the example keeps */

static float enrolled[MOST][NET_NUMBERS];
static int wanted = 1, kept = 0;

static int set_option(const char *text)
{
    wanted = atoi(text);
    return wanted >= 1 && wanted <= MOST;
}

/* The first COUNT pictures are enrolled, without a line. Each that follows has a line "DISTANCE
 * SCORE NUMBER" for each of those, in their order. */
static int tell(FILE *file, const char *name, const uint8_t *rgb, int width, int height)
{
    static float distances[MOST];
    int bad, i;

    (void)file;
    if (kept < wanted) {
        bad = net_embed(rgb, width, height, enrolled[kept]) != 0;
        printf("%s %d\n", name, bad ? -1 : 0);
        if (!bad) kept++;
        return 1;
    }
    bad = net_match(rgb, width, height, enrolled[0], kept, distances) < 0;
    printf("%s %d\n", name, bad ? -1 : kept);
    for (i = 0; i < kept && !bad; i++)
        printf("%.9g %.9g %d\n", (double)distances[i], (double)net_same(distances[i]), i);
    return 1;
}
