/* An example: the detections of binary PPM pictures, named on the command line or, for "-", one
 * after another on standard input. For each picture a line "PICTURE COUNT", then a line
 * "SCORE X1 Y1 X2 Y2 LABEL NAME" for each detection, best first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

@ppm@
static int detect_all(FILE *file, const char *name, float threshold)
{
    static net_detection found[NET_MAX_DETECTIONS];
    int width, height, read, count, i;
    uint8_t *rgb;

    while ((read = read_picture(file, &rgb, &width, &height)) == 1) {
        count = net_detect(rgb, width, height, threshold, found, NET_MAX_DETECTIONS);
        free(rgb);
        printf("%s %d\n", name, count);
        for (i = 0; i < count; i++)
            printf("%.9g %.9g %.9g %.9g %.9g %d %s\n", (double)found[i].score,
                   (double)found[i].x1, (double)found[i].y1, (double)found[i].x2,
                   (double)found[i].y2, found[i].label, net_class_names[found[i].label]);
        fflush(stdout);
    }
    if (read < 0) fprintf(stderr, "%s: not a whole binary PPM (P6, 255) of a legal size\n", name);
    return read < 0;
}

int main(int argc, char **argv)
{
    float threshold = NET_SCORE_THRESHOLD;
    int i = 1, failed = 0;

    if (argc > 3 && strcmp(argv[1], "--threshold") == 0) {
        char *end;
        threshold = (float)strtod(argv[2], &end);
        if (*end != '\0' || end == argv[2]) argc = 1;
        i = 3;
    }
    if (i >= argc) {
        fprintf(stderr, "usage: %s [--threshold SCORE] PICTURE.ppm ... | -\n", argv[0]);
        return 2;
    }
    for (; i < argc; i++) {
        FILE *file = strcmp(argv[i], "-") == 0 ? stdin : fopen(argv[i], "rb");
        if (file == NULL) {
            perror(argv[i]);
            failed = 1;
            continue;
        }
        failed |= detect_all(file, argv[i], threshold);
        if (file != stdin) fclose(file);
    }
    return failed ? 2 : 0;
}
