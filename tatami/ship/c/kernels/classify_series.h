extern const char *const net_class_names[NET_CLASSES];

/* Name a series: steps lines of NET_CHANNELS numbers, of which the network looks at NET_STEPS around
 * the middle. Writes the probability of every class to `scores`, [NET_CLASSES], and returns the
 * likeliest class; -1 where an argument is bad (no step, a null pointer).
 * Nothing here is reentrant: one static arena of NET_ARENA bytes serves all calls. */
int net_classify_series(const float *series, int steps, float *scores);

/* The parts of it. input: [NET_STEPS][NET_CHANNELS].  logits: [NET_CLASSES]. */
void net_prepare(const float *series, int steps, NET_INPUT *input);
@forward@;
