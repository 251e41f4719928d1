/* An example: each line of standard input, translated, on a line of its own. Of a network that knows
 * several target languages, the number of one may be named on the command line; it is 0 otherwise.
 * With "--tokens" in front, lines are numbers: the tokens of the translation.
 * With "--kernels NAME" in front of that, the kernels of that name are used. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

static char line[NET_MAX_TEXT + 2], translation[NET_MAX_TARGET * NET_LONGEST + 1];

int main(int argc, char **argv)
{
    int32_t source[NET_MAX_SOURCE], tokens[NET_MAX_TARGET];
    int numbers = 0, language = 0, i;

    if (argc > 2 && strcmp(argv[1], "--kernels") == 0) {
        if (net_kernels(argv[2]) == NULL) {
            fprintf(stderr, "%s: no kernels %s here\n", argv[0], argv[2]);
            return 1;
        }
        argc -= 2;
        argv += 2;
    }
    if (argc > 1 && strcmp(argv[1], "--tokens") == 0) {
        numbers = 1;
        argc--;
        argv++;
    }
    if (argc > 1) language = atoi(argv[1]);
    while (fgets(line, sizeof line, stdin) != NULL) {
        size_t length = strlen(line);

        if (length > 0 && line[length - 1] == '\n') length--;
        if (numbers) {
            int count;

            if (net_source_tokens(line, (int)length, language, source) < 0) return 1;
            count = net_search(source, tokens);
            for (i = 0; i < count; i++) printf(i ? " %d" : "%d", (int)tokens[i]);
            printf("\n");
        } else {
            if (net_translate(line, (int)length, language, translation, sizeof translation) < 0)
                return 1;
            puts(translation);
        }
        fflush(stdout);
    }
    return 0;
}
