/* An example: the classes of binary PPM pictures, named on the command line or, for "-", one after
 * another on standard input. For each picture a line "PICTURE COUNT", then a line
 * "SCORE LABEL NAME" for each of the COUNT likeliest classes, best first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

@ppm@
static int classify_all(FILE *file, const char *name, int top)
{
    static float scores[NET_CLASSES];
    int width, height, read, best, i, k;
    uint8_t *rgb;

    while ((read = read_picture(file, &rgb, &width, &height)) == 1) {
        best = net_classify(rgb, width, height, scores);
        free(rgb);
        printf("%s %d\n", name, best < 0 ? -1 : top);
        for (i = 0; i < top && best >= 0; i++) {
            for (k = 0; k < NET_CLASSES; k++)
                if (scores[k] > scores[best] || scores[best] < 0.0f) best = k;
            printf("%.9g %d %s\n", (double)scores[best], best, net_class_names[best]);
            scores[best] = -1.0f; /* told */
        }
        fflush(stdout);
    }
    if (read < 0) fprintf(stderr, "%s: not a whole binary PPM (P6, 255) of a legal size\n", name);
    return read < 0;
}

int main(int argc, char **argv)
{
    int top = NET_CLASSES < 5 ? NET_CLASSES : 5, i = 1, failed = 0;

    if (argc > 3 && strcmp(argv[1], "--top") == 0) {
        top = atoi(argv[2]);
        if (top < 1 || top > NET_CLASSES) argc = 1;
        i = 3;
    }
    if (i >= argc) {
        fprintf(stderr, "usage: %s [--top COUNT] PICTURE.ppm ... | -\n", argv[0]);
        return 2;
    }
    for (; i < argc; i++) {
        FILE *file = strcmp(argv[i], "-") == 0 ? stdin : fopen(argv[i], "rb");
        if (file == NULL) {
            perror(argv[i]);
            failed = 1;
            continue;
        }
        failed |= classify_all(file, argv[i], top);
        if (file != stdin) fclose(file);
    }
    return failed ? 2 : 0;
}
