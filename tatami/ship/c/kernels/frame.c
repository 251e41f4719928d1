/* A picture as it lies in memory: lines of RGB; with -DNET_FRAMES also what a camera gives, by the
 * camera rule. */
typedef struct {
    const uint8_t *data, *chroma; /* chroma: the second plane, of the formats that have one */
    size_t stride, chroma_stride; /* bytes from one line to the next */
    int format;                   /* 0 is RGB */
} net_lines;

#ifdef NET_FRAMES
/* Bytes of a pixel in the first plane, by the format. */
static const uint8_t net_frame_bytes[] = {3, 3, 2, 2, 2, 2, 1, 1, 1};

static int net_is_frame(const net_frame *frame)
{
    int two;

    if (frame == NULL || frame->data == NULL || frame->format < 0 ||
        frame->format >= (int)sizeof net_frame_bytes)
        return 0;
    if (frame->width < 1 || frame->height < 1 || frame->width > NET_MAX_SIDE ||
        frame->height > NET_MAX_SIDE)
        return 0;
    two = frame->format == NET_FRAME_NV12 || frame->format == NET_FRAME_NV21;
    if (two && (frame->chroma == NULL || frame->chroma_stride < 2 * (size_t)((frame->width + 1) / 2)))
        return 0;
    /* a line of pairs ends with a whole pair */
    if (frame->format == NET_FRAME_YUYV || frame->format == NET_FRAME_UYVY)
        return frame->stride >= 4 * (size_t)((frame->width + 1) / 2);
    return frame->stride >= net_frame_bytes[frame->format] * (size_t)frame->width;
}

/* The sum is moved up to where no number is negative: a shift of those is not the same everywhere. */
static uint8_t net_from_256(int sum)
{
    const int value = ((sum + 128 + 65536) >> 8) - 256;

    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static const uint8_t *net_from_yuv(int y, int u, int v, uint8_t *rgb)
{
    const int luma = 298 * (y - 16);

    rgb[0] = net_from_256(luma + 409 * (v - 128));
    rgb[1] = net_from_256(luma - 100 * (u - 128) - 208 * (v - 128));
    rgb[2] = net_from_256(luma + 516 * (u - 128));
    return rgb;
}

static const uint8_t *net_from_565(unsigned high, unsigned low, uint8_t *rgb)
{
    const unsigned red = high >> 3, green = (high & 7) << 3 | low >> 5, blue = low & 31;

    rgb[0] = (uint8_t)((red * 527 + 23) >> 6); /* of 31 the nearest of 255 */
    rgb[1] = (uint8_t)((green * 259 + 33) >> 6);
    rgb[2] = (uint8_t)((blue * 527 + 23) >> 6);
    return rgb;
}
#endif

/* The pixel of a row and a column, red, green and blue: where it lies, or in rgb. */
static const uint8_t *net_pixel(const net_lines *source, int row, int column, uint8_t *rgb)
{
    const uint8_t *line = source->data + (size_t)row * source->stride;
#ifdef NET_FRAMES
    const uint8_t *at;

    switch (source->format) {
    case NET_FRAME_BGR888:
        at = line + 3 * (size_t)column;
        rgb[0] = at[2];
        rgb[1] = at[1];
        rgb[2] = at[0];
        return rgb;
    case NET_FRAME_RGB565:
        at = line + 2 * (size_t)column;
        return net_from_565(at[1], at[0], rgb);
    case NET_FRAME_RGB565_SWAPPED:
        at = line + 2 * (size_t)column;
        return net_from_565(at[0], at[1], rgb);
    case NET_FRAME_YUYV:
        at = line + 4 * (size_t)(column / 2);
        return net_from_yuv(at[2 * (column % 2)], at[1], at[3], rgb);
    case NET_FRAME_UYVY:
        at = line + 4 * (size_t)(column / 2);
        return net_from_yuv(at[1 + 2 * (column % 2)], at[0], at[2], rgb);
    case NET_FRAME_NV12:
    case NET_FRAME_NV21:
        at = source->chroma + (size_t)(row / 2) * source->chroma_stride + 2 * (size_t)(column / 2);
        if (source->format == NET_FRAME_NV12) return net_from_yuv(line[column], at[0], at[1], rgb);
        return net_from_yuv(line[column], at[1], at[0], rgb);
    case NET_FRAME_GREY:
        rgb[0] = rgb[1] = rgb[2] = line[column];
        return rgb;
    default: break;
    }
#else
    (void)rgb;
#endif
    return line + 3 * (size_t)column;
}
