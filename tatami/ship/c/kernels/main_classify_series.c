/* An example: what the network makes of CSV files, named on the command line. A row is a step: as
 * many numbers as the network has channels, in its order, parted by commas, semicolons or tabs. A
 * first row that is no numbers is passed over. A network of one step takes each row as a series of
 * its own. For each series a line "FILE:ROW COUNT", ROW being where it begins, then COUNT lines
 * "SCORE LABEL NAME", the likeliest class first.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

/* The next row that is not empty, without its end; NULL where there is none. */
static char *read_row(FILE *file, long *row)
{
    static char *line = NULL;
    static size_t room = 0;
    size_t length = 0;
    int letter, dark = 0;

    while ((letter = getc(file)) != EOF || length > 0) {
        if (length + 1 >= room) {
            char *more = realloc(line, room = room * 2 + 256);

            if (more == NULL) return NULL;
            line = more;
        }
        if (letter != '\n' && letter != EOF) {
            dark |= !isspace(letter);
            line[length++] = (char)letter;
            continue;
        }
        line[length] = '\0';
        length = 0;
        ++*row;
        if (dark) return line;
        if (letter == EOF) return NULL;
    }
    return NULL;
}

/* The numbers of a row; 0 where it is not NET_CHANNELS finite ones. */
static int read_numbers(const char *row, float *numbers)
{
    int c;

    for (c = 0; c < NET_CHANNELS; c++) {
        char *end;
        const double value = strtod(row, &end);

        if (end == row || !(value >= -@largest@ && value <= @largest@)) return 0;
        numbers[c] = (float)value;
        while (*end == ' ' || *end == '\r') end++;
        if (c + 1 < NET_CHANNELS && *end != ',' && *end != ';' && *end != '\t') return 0;
        row = c + 1 < NET_CHANNELS ? end + 1 : end;
    }
    return *row == '\0';
}

static void tell(const char *name, long row, const float *series, int steps)
{
    static float scores[NET_CLASSES];
    int best = net_classify_series(series, steps, scores), i, k;

    printf("%s:%ld %d\n", name, row, NET_CLASSES);
    for (i = 0; i < NET_CLASSES; i++) {
        for (k = 0; k < NET_CLASSES; k++)
            if (scores[k] > scores[best] || scores[best] < 0.0f) best = k;
        printf("%.9g %d %s\n", (double)scores[best], best, net_class_names[best]);
        scores[best] = -1.0f; /* told */
    }
    fflush(stdout);
}

static int tell_all(const char *name)
{
    FILE *file = fopen(name, "rb");
    float *series = NULL;
    long row = 0, first = 0;
    int steps = 0, room = 0, bad = file == NULL, read = 0;
    char *line;

    while (!bad && (line = read_row(file, &row)) != NULL) {
        if (steps == room) {
            float *more = realloc(series, (size_t)(room = room * 2 + 64) * NET_CHANNELS *
                                  sizeof *series);

            if (more == NULL) {
                bad = 1;
                break;
            }
            series = more;
        }
        if (!read_numbers(line, series + (size_t)steps * NET_CHANNELS)) {
            bad = read++ > 0; /* the first row may be a header */
            continue;
        }
        read++;
        if (steps == 0) first = row;
        if (NET_STEPS == 1)
            tell(name, row, series, 1);
        else
            steps++;
    }
    if (bad || (NET_STEPS == 1 ? read < 1 : steps < 1)) {
        fprintf(stderr, "%s:%ld: not rows of %d numbers\n", name, row, NET_CHANNELS);
        bad = 1;
    } else if (NET_STEPS > 1)
        tell(name, first, series, steps);
    free(series);
    if (file != NULL) fclose(file);
    return bad;
}

int main(int argc, char **argv)
{
    int failed = 0, i;

    if (argc < 2) {
        fprintf(stderr, "usage: %s SERIES.csv ...\n", argv[0]);
        return 2;
    }
    for (i = 1; i < argc; i++) failed |= tell_all(argv[i]);
    return failed ? 2 : 0;
}
