
/* With -DNET_FRAMES: a camera's frame as it lies in memory, without a copy, by the camera rule. */
enum {
    NET_FRAME_RGB888,         /* three bytes: red, green, blue */
    NET_FRAME_BGR888,         /* three bytes: blue, green, red */
    NET_FRAME_RGB565,         /* two bytes, the low one first */
    NET_FRAME_RGB565_SWAPPED, /* two bytes, the high one first */
    NET_FRAME_YUYV,           /* of two pixels Y, U, Y, V */
    NET_FRAME_UYVY,           /* of two pixels U, Y, V, Y */
    NET_FRAME_NV12,           /* a plane of Y, and one of U, V for squares of four */
    NET_FRAME_NV21,           /* a plane of Y, and one of V, U for squares of four */
    NET_FRAME_GREY            /* a byte */
};

typedef struct {
    int format;            /* NET_FRAME_... */
    int width, height;     /* in pixels, 1 ... NET_MAX_SIDE */
    size_t stride;         /* bytes from one line to the next */
    const uint8_t *data;   /* the first line, upright */
    size_t chroma_stride;  /* of NV12 and NV21, which have a second plane, */
    const uint8_t *chroma; /* and where it begins; else 0 and NULL */
} net_frame;

#ifdef NET_FRAMES
/* Prepare a frame as net_prepare does a picture; gives 0, or -1 for what is no frame. */
int net_prepare_frame(const net_frame *frame, NET_INPUT *images);
@own@#endif
