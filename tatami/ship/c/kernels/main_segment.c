/* An example: the classes of all pixels of binary PPM pictures, named on the command line or, for
 * "-", one after another on standard input. For each picture a binary PGM on standard output, whose
 * bytes are the numbers of the classes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

@ppm@
static int segment_all(FILE *file, const char *name)
{
    int width, height, read, failed = 0;
    uint8_t *rgb;

    while (!failed && (read = read_picture(file, &rgb, &width, &height)) == 1) {
        const size_t pixels = (size_t)width * (size_t)height;
        uint8_t *labels = malloc(pixels);

        failed = labels == NULL || net_segment(rgb, width, height, labels) != 0;
        free(rgb);
        if (!failed) {
            printf("P5\n%d %d\n255\n", width, height);
            failed = fwrite(labels, 1, pixels, stdout) != pixels;
            failed |= fflush(stdout) != 0;
        }
        free(labels);
    }
    if (failed) fprintf(stderr, "%s: no memory, or nowhere to write\n", name);
    else if (read < 0)
        fprintf(stderr, "%s: not a whole binary PPM (P6, 255) of a legal size\n", name);
    return failed || read < 0;
}

int main(int argc, char **argv)
{
    int i, failed = 0;

    if (argc < 2) {
        fprintf(stderr, "usage: %s PICTURE.ppm ... | -\n", argv[0]);
        return 2;
    }
    for (i = 1; i < argc; i++) {
        FILE *file = strcmp(argv[i], "-") == 0 ? stdin : fopen(argv[i], "rb");
        if (file == NULL) {
            perror(argv[i]);
            failed = 1;
            continue;
        }
        failed |= segment_all(file, argv[i]);
        if (file != stdin) fclose(file);
    }
    return failed ? 2 : 0;
}
