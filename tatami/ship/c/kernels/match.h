/* Embed a picture: rgb is height lines of width pixels of three bytes, upright. Writes what the
 * network makes of it to `embedding`, [NET_NUMBERS], and returns 0; -1 where an argument is bad (a
 * side outside 1 ... NET_MAX_SIDE, a null pointer). To enroll something, keep its embedding.
 * Nothing here is reentrant: one static arena of NET_ARENA bytes serves all calls. */
int net_embed(const uint8_t *rgb, int width, int height, float *embedding);

/* How far two embeddings are apart, and the probability that what is so far apart is the same. */
float net_distance(const float *first, const float *second);
float net_same(float distance);

/* Match a picture with `count` enrolled embeddings, [count][NET_NUMBERS]: writes its distance from
 * each to `distances`, [count], and returns the nearest, of equal ones the first; -1 where an
 * argument is bad. */
int net_match(const uint8_t *rgb, int width, int height, const float *enrolled, int count,
              float *distances);

/* The parts of it. images: [NET_HEIGHT][NET_WIDTH][3].  embedding: [NET_NUMBERS]. */
void net_prepare(const uint8_t *rgb, int width, int height, NET_INPUT *images);
@forward@;
