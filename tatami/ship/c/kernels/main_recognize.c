/* An example: what the network hears. For each WAV file of 16 bits and one channel named on the
 * command line a line "FILE COUNT", then COUNT lines "SCORE LABEL NAME", the likeliest class first.
 * For "-", raw samples of 16 bits come from standard input without an end, and a line "SECONDS SCORE
 * LABEL NAME" is written whenever the likeliest class changes: try
 *     arecord -t raw -f S16_LE -r RATE | PROGRAM -
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

static unsigned number_at(const unsigned char *bytes, int count)
{
    unsigned number = 0;

    while (count-- > 0) number = number << 8 | bytes[count];
    return number;
}

/* The samples of a WAV file of 16 bits, one channel and the network's rate; NULL for any other. */
static int16_t *read_wav(const char *name, int *count)
{
    FILE *file = fopen(name, "rb");
    unsigned char head[24];
    int16_t *samples = NULL;
    int known = 0, i;

    if (file == NULL) return NULL;
    if (fread(head, 1, 12, file) == 12 && memcmp(head, "RIFF", 4) == 0 &&
        memcmp(head + 8, "WAVE", 4) == 0)
        while (fread(head, 1, 8, file) == 8) {
            const unsigned length = number_at(head + 4, 4);

            if (memcmp(head, "fmt ", 4) == 0 && length >= 16 && fread(head, 1, 16, file) == 16) {
                known = number_at(head, 2) == 1 && number_at(head + 2, 2) == 1 &&
                    number_at(head + 4, 4) == NET_RATE && number_at(head + 14, 2) == 16;
                if (fseek(file, (long)(length - 16 + length % 2), SEEK_CUR) != 0) break;
                continue;
            }
            if (memcmp(head, "data", 4) == 0 && known && length >= 2 && length < 1u << 28) {
                unsigned char *bytes = malloc(length);

                *count = (int)(length / 2);
                samples = malloc((size_t)*count * sizeof *samples);
                if (bytes != NULL && samples != NULL && fread(bytes, 1, length, file) == length)
                    for (i = 0; i < *count; i++)
                        samples[i] = (int16_t)(uint16_t)number_at(bytes + 2 * i, 2);
                else {
                    free(samples);
                    samples = NULL;
                }
                free(bytes);
                break;
            }
            if (fseek(file, (long)(length + length % 2), SEEK_CUR) != 0) break;
        }
    fclose(file);
    return samples;
}

static int tell(const char *name)
{
    static float scores[NET_CLASSES];
    int count = 0, best, i, k;
    int16_t *samples = read_wav(name, &count);

    if (samples == NULL) {
        fprintf(stderr, "%s: not a WAV file of 16 bits, one channel and %d Hz\n", name, NET_RATE);
        return 1;
    }
    best = net_recognize(samples, count, scores);
    free(samples);
    printf("%s %d\n", name, NET_CLASSES);
    for (i = 0; i < NET_CLASSES; i++) {
        for (k = 0; k < NET_CLASSES; k++)
            if (scores[k] > scores[best] || scores[best] < 0.0f) best = k;
        printf("%.9g %d %s\n", (double)scores[best], best, net_class_names[best]);
        scores[best] = -1.0f; /* told */
    }
    fflush(stdout);
    return 0;
}

static void follow(void)
{
    static float scores[NET_CLASSES];
    int16_t samples[NET_STEP];
    long steps = 0;
    int last = -1, best;

    while (fread(samples, sizeof *samples, NET_STEP, stdin) == NET_STEP) {
        steps++;
        if (net_listen(samples, NET_STEP) == 0 || (best = net_decide(scores)) < 0 || best == last)
            continue;
        last = best;
        printf("%.2f %.9g %d %s\n", (double)steps * NET_STEP / NET_RATE, (double)scores[best], best,
            net_class_names[best]);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    int failed = 0, i;

    if (argc < 2) {
        fprintf(stderr, "usage: %s SOUND.wav ... | -\n", argv[0]);
        return 2;
    }
    for (i = 1; i < argc; i++)
        if (strcmp(argv[i], "-") == 0)
            follow();
        else
            failed |= tell(argv[i]);
    return failed ? 2 : 0;
}
