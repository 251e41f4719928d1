extern const char *const net_class_names[NET_CLASSES];

/* Name a picture: rgb is height lines of width pixels of three bytes, upright.
 * Writes the probability of every class to `scores`, [NET_CLASSES], and returns the likeliest class;
 * -1 where an argument is bad (a side outside 1 ... NET_MAX_SIDE, a null pointer).
 * Nothing here is reentrant: one static arena of NET_ARENA bytes serves all calls. */
int net_classify(const uint8_t *rgb, int width, int height, float *scores);

/* The parts of it. images: [NET_HEIGHT][NET_WIDTH][3].  logits: [NET_CLASSES]. */
void net_prepare(const uint8_t *rgb, int width, int height, NET_INPUT *images);
@forward@;
