#define OPTION "--top"
#define FORMAT "binary PPM (P6, 255)"
#define VALUE "COUNT"

static int top = NET_CLASSES < 5 ? NET_CLASSES : 5;

static int set_option(const char *text)
{
    top = atoi(text);
    return top >= 1 && top <= NET_CLASSES;
}

/* A line "SCORE LABEL NAME" for each of the COUNT likeliest classes. */
static int tell(FILE *file, const char *name, const uint8_t *rgb, int width, int height)
{
    static float scores[NET_CLASSES];
    int best = net_classify(rgb, width, height, scores), i, k;

    (void)file;
    printf("%s %d\n", name, best < 0 ? -1 : top);
    for (i = 0; i < top && best >= 0; i++) {
        for (k = 0; k < NET_CLASSES; k++)
            if (scores[k] > scores[best] || scores[best] < 0.0f) best = k;
        printf("%.9g %d %s\n", (double)scores[best], best, net_class_names[best]);
        scores[best] = -1.0f; /* told */
    }
    return 1;
}
