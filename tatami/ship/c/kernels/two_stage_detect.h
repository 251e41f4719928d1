/* Find boxes in a picture: rgb is height lines of width pixels of three bytes, upright.
 * Writes at most `capacity` detections, best first, and returns how many; -1 where an argument is
 * bad (a side outside 1 ... NET_MAX_SIDE, a null pointer, a negative capacity).
 * Not reentrant: one static memory serves all calls. */
int net_detect(const uint8_t *rgb, int width, int height, float score_threshold,
               net_detection *out, int capacity);
