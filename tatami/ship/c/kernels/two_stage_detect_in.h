/* What is in some regions of a picture: rgb is height lines of width pixels of three bytes, upright;
 * regions are x1, y1, x2, y2 in its pixels, the likelier first.
 * Writes at most `capacity` detections, best first, and returns how many; -1 where an argument is
 * bad (a side outside 1 ... NET_MAX_SIDE, a null pointer, a negative number).
 * Not reentrant: one static memory serves all calls. */
int net_detect_in(const uint8_t *rgb, int width, int height, const double (*regions)[4], int count,
                  float score_threshold, net_detection *out, int capacity);
