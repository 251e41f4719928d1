/* Where a picture goes on the network's input: the picture rule, section 1, and 5 for darknet's. */
typedef struct {
    int left, top, width, height; /* where the resized picture lies on the network's input */
    double x, y;                  /* where its left and upper edges lie, for boxes */
} net_placement;

static net_placement net_place(int width, int height)
{
    net_placement place = {0, 0, NET_WIDTH, NET_HEIGHT, 0.0, 0.0};

#if NET_LETTERBOX
    if ((int64_t)NET_WIDTH * height <= (int64_t)NET_HEIGHT * width)
        place.height = (int)(((int64_t)2 * height * NET_WIDTH + (NET_DARKNET ? 0 : width)) / (2 * width));
    else
        place.width = (int)(((int64_t)2 * width * NET_HEIGHT + (NET_DARKNET ? 0 : height)) / (2 * height));
    if (place.height < 1) place.height = 1;
    if (place.width < 1) place.width = 1;
    place.left = (NET_WIDTH - place.width) / 2;
    place.top = (NET_HEIGHT - place.height) / 2;
    place.x = NET_DARKNET ? (NET_WIDTH - place.width) / 2.0 : place.left;
    place.y = NET_DARKNET ? (NET_HEIGHT - place.height) / 2.0 : place.top;
#else
    (void)width;
    (void)height;
#endif
    return place;
}
