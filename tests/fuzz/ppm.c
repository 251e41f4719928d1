/* libFuzzer: any bytes as a picture file, read by the example, and detected where it is a picture. */
#define _POSIX_C_SOURCE 200809L
#define main example
#include "main.c"
#undef main

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static net_detection found[NET_MAX_DETECTIONS];
    int width, height;
    uint8_t *rgb;
    FILE *file;

    if (size == 0) return 0;
    file = fmemopen((void *)(uintptr_t)data, size, "rb");
    if (file == NULL) return 0;
    while (read_picture(file, &rgb, &width, &height) == 1) {
        if (net_detect(rgb, width, height, 0.3f, found, NET_MAX_DETECTIONS) < 0) abort();
        free(rgb);
    }
    fclose(file);
    return 0;
}
