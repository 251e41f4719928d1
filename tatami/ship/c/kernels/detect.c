/* What the maps say of a picture of width x height: the best `capacity` detections. */
static int net_read_maps(const float *const *maps, int width, int height, float score_threshold,
                         net_detection *out, int capacity)
{
    return net_suppress(net_decode(maps, score_threshold), net_place(width, height), width, height,
                        out, capacity);
}

/* Run on what was prepared. */
static int net_detect_prepared(int width, int height, float score_threshold, net_detection *out,
                               int capacity)
{
    if (net_run() != 0) return -2; /* it begins with a barrier */
    return net_read_maps(net_maps, width, height, score_threshold, out, capacity);
}

int net_detect(const uint8_t *rgb, int width, int height, float score_threshold,
               net_detection *out, int capacity)
{
    if (rgb == NULL || width < 1 || height < 1 || width > NET_MAX_SIDE || height > NET_MAX_SIDE ||
        capacity < 0 || (out == NULL && capacity > 0) || isnan(score_threshold))
        return -1;
    net_prepare(rgb, width, height, NET_IMAGES);
    return net_detect_prepared(width, height, score_threshold, out, capacity);
}

#ifdef NET_FRAMES
int net_detect_frame(const net_frame *frame, float score_threshold, net_detection *out,
                     int capacity)
{
    if (capacity < 0 || (out == NULL && capacity > 0) || isnan(score_threshold)) return -1;
    if (net_prepare_frame(frame, NET_IMAGES) != 0) return -1;
    return net_detect_prepared(frame->width, frame->height, score_threshold, out, capacity);
}
#endif
