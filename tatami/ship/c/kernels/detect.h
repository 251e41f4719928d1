/* A box in pixels of the picture, edges and not centers; label counts from 0. */
typedef struct {
    float x1, y1, x2, y2;
    float score;
    int label;
} net_detection;

extern const char *const net_class_names[NET_CLASSES];

/* Find boxes in a picture: rgb is height lines of width pixels of three bytes, upright.
 * Writes at most `capacity` detections, best first, and returns how many; -1 where an argument is
 * bad (a side outside 1 ... NET_MAX_SIDE, a null pointer, a negative capacity).
 * Nothing here is reentrant: one static arena of NET_ARENA bytes serves all calls. */
int net_detect(const uint8_t *rgb, int width, int height, float score_threshold,
               net_detection *out, int capacity);

/* The parts of it. images: [NET_HEIGHT][NET_WIDTH][3].
 * map0, map1 ...: [NET_MAP0_ROWS][NET_MAP0_COLUMNS][NET_MAP0_CHANNELS] and so on. */
void net_prepare(const uint8_t *rgb, int width, int height, NET_INPUT *images);
@forward@;
