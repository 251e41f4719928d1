/* Name a frame; as net_classify. */
int net_classify_frame(const net_frame *frame, float *scores);
