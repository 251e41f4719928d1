/* Find boxes in a frame, in its pixels; as net_detect. */
int net_detect_frame(const net_frame *frame, float score_threshold, net_detection *out,
                     int capacity);
