extern const char *const net_class_names[NET_CLASSES];

/* Name a whole sound: count samples of 16 bits, NET_RATE a second, of which the network looks at
 * NET_SAMPLES around the middle. Writes the probability of every class to `scores`, [NET_CLASSES],
 * and returns the likeliest class; -1 where an argument is bad (no sample, a null pointer).
 * Nothing here is reentrant: one static arena of NET_ARENA bytes serves all calls, and one memory
 * of the sound that was heard. */
int net_recognize(const int16_t *samples, int count, float *scores);

/* The same for sound without an end. net_reset() forgets what was heard. net_listen() takes samples
 * up, any number of them, and returns how many frames of NET_STEP samples came to an end.
 * net_decide() looks at the newest NET_FRAMES frames, and answers as net_recognize(); -1 before there
 * are so many. */
void net_reset(void);
int net_listen(const int16_t *samples, int count);
int net_decide(float *scores);

/* The parts of it. frames: [NET_FRAMES][NET_FEATURES].  logits: [NET_CLASSES]. */
void net_prepare(const int16_t *samples, int count, NET_INPUT *frames);
@forward@;
