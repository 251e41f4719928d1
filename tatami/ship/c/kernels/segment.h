extern const char *const net_class_names[NET_CLASSES];

/* Name every pixel of a picture: rgb is height lines of width pixels of three bytes, upright.
 * Writes the class of each pixel to `labels`, [height][width], and returns 0; -1, and writes nothing,
 * where an argument is bad (a side outside 1 ... NET_MAX_SIDE, a null pointer).
 * Nothing here is reentrant: one static arena of NET_ARENA bytes serves all calls. */
int net_segment(const uint8_t *rgb, int width, int height, uint8_t *labels);

/* The parts of it. images: [NET_HEIGHT][NET_WIDTH][3].  logits: [NET_ROWS][NET_COLUMNS][NET_CLASSES],
 * of the middle of the input. */
void net_prepare(const uint8_t *rgb, int width, int height, NET_INPUT *images);
@forward@;
