/* A whole number of a PPM header, after blanks and comments; -1 where there is none. */
static int read_number(FILE *file)
{
    int c = getc(file), number = 0;

    while (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '#') {
        if (c == '#')
            while (c != '\n' && c != EOF) c = getc(file);
        else
            c = getc(file);
    }
    if (c < '0' || c > '9') return -1;
    for (; c >= '0' && c <= '9' && number < 100000; c = getc(file)) number = 10 * number + c - '0';
    return number; /* the one blank after the number is read, too */
}

/* 1: a picture was read; 0: the end; -1: not a picture. */
static int read_picture(FILE *file, uint8_t **rgb, int *width, int *height)
{
    const int p = getc(file);
    size_t size;

    *rgb = NULL;
    if (p == EOF) return 0;
    if (p != 'P' || getc(file) != '6') return -1;
    *width = read_number(file);
    *height = read_number(file);
    if (*width < 1 || *height < 1 || *width > NET_MAX_SIDE || *height > NET_MAX_SIDE) return -1;
    if (read_number(file) != 255) return -1;
    size = (size_t)*width * (size_t)*height * 3;
    *rgb = malloc(size);
    if (*rgb == NULL || fread(*rgb, 1, size, file) != size) {
        free(*rgb);
        return -1;
    }
    return 1;
}
