/* WebAssembly: what proof.c needs of a C library's files, where there are none. Its standard input
 * and output are memory, which whoever calls fills and reads; nothing is imported.
 *
 * The caller: net_requests(size) gives the place for `size` bytes of requests; net_answer() answers
 * them and returns 1, or 0 for a bad request; net_answers() and net_answered() say where the answers
 * lie and how many bytes they have, until net_requests is called again. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NET_EXPORT(name) __attribute__((export_name(#name)))

struct _IO_FILE {
    uint8_t *bytes;
    size_t at, size; /* read or written so far; there is room for */
};

static FILE net_files[2];
FILE *const stdin = &net_files[0];
FILE *const stdout = &net_files[1];

uint8_t *net_requests(size_t size);
int net_answer(void);
const uint8_t *net_answers(void);
size_t net_answered(void);
int main(int argc, char **argv);

NET_EXPORT(requests) uint8_t *net_requests(size_t size)
{
    free(stdout->bytes);
    free(stdin->bytes);
    memset(net_files, 0, sizeof net_files);
    stdin->bytes = malloc(size);
    stdin->size = stdin->bytes == NULL ? 0 : size;
    return stdin->bytes;
}

NET_EXPORT(answer) int net_answer(void) { return main(0, NULL) == 0; }

NET_EXPORT(answers) const uint8_t *net_answers(void) { return stdout->bytes; }

NET_EXPORT(answered) size_t net_answered(void) { return stdout->at; }

static void net_append(FILE *file, const void *from, size_t bytes)
{
    if (file->size - file->at < bytes) {
        const size_t room = 2 * (file->at + bytes);
        uint8_t *more = realloc(file->bytes, room);

        if (more == NULL) abort();
        file->bytes = more;
        file->size = room;
    }
    memcpy(file->bytes + file->at, from, bytes);
    file->at += bytes;
}

/* The functions of stdio.h that proof.c calls, or that compilers make of those calls. */

size_t fread(void *restrict to, size_t size, size_t count, FILE *restrict file)
{
    const size_t left = file->size - file->at;

    if (size == 0 || left / size < count) return 0; /* half a request is none */
    memcpy(to, file->bytes + file->at, size * count);
    file->at += size * count;
    return count;
}

size_t fwrite(const void *restrict from, size_t size, size_t count, FILE *restrict file)
{
    net_append(file, from, size * count);
    return count;
}

int fputs(const char *restrict text, FILE *restrict file)
{
    net_append(file, text, strlen(text));
    return 0;
}

int fputc(int byte, FILE *file)
{
    const uint8_t one = (uint8_t)byte;

    net_append(file, &one, 1);
    return one;
}

int putc(int byte, FILE *file) { return fputc(byte, file); }

int getc(FILE *file) { return file->at < file->size ? file->bytes[file->at++] : EOF; }

char *fgets(char *restrict line, int room, FILE *restrict file)
{
    int length = 0, byte = 0;

    while (length + 1 < room && byte != '\n' && (byte = getc(file)) != EOF)
        line[length++] = (char)byte;
    line[length] = '\0';
    return length > 0 ? line : NULL;
}

int fflush(FILE *file) { return file == NULL ? EOF : 0; }

int fclose(FILE *file) { return fflush(file); }

FILE *fopen(const char *restrict path, const char *restrict mode)
{
    (void)path;
    (void)mode;
    return NULL;
}
