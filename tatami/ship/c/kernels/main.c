/* An example: what the network makes of binary PPM pictures, named on the command line or, for "-",
 * one after another on standard input. For each picture a line "PICTURE COUNT", then COUNT lines,
 * best first, as tell() says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

@ppm@
@tell@
static int tell_all(FILE *file, const char *name)
{
    int width, height, read;
    uint8_t *rgb;

    while ((read = read_picture(file, &rgb, &width, &height)) == 1) {
        read = tell(file, name, rgb, width, height);
        free(rgb);
        fflush(stdout);
        if (read < 0) break;
    }
    if (read < 0) fprintf(stderr, "%s: not a whole " FORMAT " of a legal size\n", name);
    return read < 0;
}

int main(int argc, char **argv)
{
    int i = 1, failed = 0;

    if (argc > 3 && strcmp(argv[1], OPTION) == 0) {
        if (!set_option(argv[2])) argc = 1;
        i = 3;
    }
    if (i >= argc) {
        fprintf(stderr, "usage: %s [" OPTION " " VALUE "] PICTURE.ppm ... | -\n", argv[0]);
        return 2;
    }
    for (; i < argc; i++) {
        FILE *file = strcmp(argv[i], "-") == 0 ? stdin : fopen(argv[i], "rb");
        if (file == NULL) {
            perror(argv[i]);
            failed = 1;
            continue;
        }
        failed |= tell_all(file, argv[i]);
        if (file != stdin) fclose(file);
    }
    return failed ? 2 : 0;
}
