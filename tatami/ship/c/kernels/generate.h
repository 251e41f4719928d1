extern const char *const net_class_names[NET_CLASSES];

/* Make sound, a sample of 16 bits after the other, NET_RATE a second. net_begin() begins a sound of
 * a class anew; equal seeds make equal sounds. The network's logits are multiplied by `sharpness`
 * before a sample is drawn: 1 draws as it has learned, more draws likelier samples. It returns -1
 * for a class that there is not. net_next() makes the next sample. net_hear() takes up `count`
 * samples that are there already, after which net_next() goes on. net_generate() is net_begin() and
 * `count` times net_next(); it returns -1 where an argument is bad.
 * Nothing here is reentrant: one static arena of NET_ARENA bytes serves all calls, and one memory of
 * the sound that was made, from which alone the next sample is told. */
int net_begin(int label, uint64_t seed, float sharpness);
int16_t net_next(void);
void net_hear(const int16_t *samples, int count);
int net_generate(int label, uint64_t seed, float sharpness, int16_t *samples, int count);

/* The parts of it: the mu law, and the network, to which a call gives one sample and the class.
 * images: [1 + NET_CLASSES].  logits: [NET_CODES]. */
int net_encode(int16_t sample);
int16_t net_decode(int code);
void net_prepare(int code, int label, NET_INPUT *images);
@forward@;
