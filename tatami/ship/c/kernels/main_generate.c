/* An example: a sound of a class as a WAV file of 16 bits. The class is a name or a number; the same
 * seed makes the same sound on every machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

static int put(FILE *file, unsigned long number, int count)
{
    for (; count > 0; count--, number >>= 8)
        if (putc((int)(number & 255), file) == EOF) return 0;
    return 1;
}

static int write_head(FILE *file, unsigned long bytes)
{
    return fputs("RIFF", file) >= 0 && put(file, 36 + bytes, 4) &&
        fputs("WAVEfmt ", file) >= 0 && put(file, 16, 4) && put(file, 1, 2) && put(file, 1, 2) &&
        put(file, NET_RATE, 4) && put(file, 2UL * NET_RATE, 4) && put(file, 2, 2) &&
        put(file, 16, 2) && fputs("data", file) >= 0 && put(file, bytes, 4);
}

static int class_of(const char *text)
{
    char *end;
    long number;
    int i;

    for (i = 0; i < NET_CLASSES; i++)
        if (strcmp(text, net_class_names[i]) == 0) return i;
    number = strtol(text, &end, 10);
    return end != text && *end == '\0' && number >= 0 && number < NET_CLASSES ? (int)number : -1;
}

int main(int argc, char **argv)
{
    const int label = argc == 5 ? class_of(argv[1]) : -1;
    const unsigned long seed = argc == 5 ? strtoul(argv[2], NULL, 10) : 0;
    const long count = argc == 5 ? (long)(atof(argv[3]) * NET_RATE + 0.5) : 0;
    FILE *file;
    long i;
    int fine;

    if (label < 0 || count < 1 || count > 600L * NET_RATE) {
        fprintf(stderr, "usage: %s CLASS SEED SECONDS SOUND.wav\nclasses:", argv[0]);
        for (i = 0; i < NET_CLASSES; i++) fprintf(stderr, " %s", net_class_names[i]);
        fprintf(stderr, "\n");
        return 2;
    }
    file = fopen(argv[4], "wb");
    if (file == NULL || !write_head(file, 2UL * (unsigned long)count)) {
        fprintf(stderr, "%s: cannot be written\n", argv[4]);
        return 2;
    }
    net_begin(label, seed, 1.0f);
    for (i = 0, fine = 1; i < count && fine; i++)
        fine = put(file, (unsigned long)net_next() & 0xFFFF, 2);
    if (fclose(file) != 0 || !fine) {
        fprintf(stderr, "%s: cannot be written\n", argv[4]);
        return 2;
    }
    return 0;
}
