#define OPTION "--threshold"
#define VALUE "SCORE"

static float threshold = NET_SCORE_THRESHOLD;

static int set_option(const char *text)
{
    char *end;

    threshold = (float)strtod(text, &end);
    return *end == '\0' && end != text;
}

/* A line "SCORE X1 Y1 X2 Y2 LABEL NAME" for each detection. */
static void tell_found(const char *name, const net_detection *found, int count)
{
    int i;

    printf("%s %d\n", name, count);
    for (i = 0; i < count; i++)
        printf("%.9g %.9g %.9g %.9g %.9g %d %s\n", (double)found[i].score, (double)found[i].x1,
               (double)found[i].y1, (double)found[i].x2, (double)found[i].y2, found[i].label,
               net_class_names[found[i].label]);
}

@tell@