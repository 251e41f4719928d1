#ifndef NET_H
#define NET_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

@constants@

/* Translate text of `length` bytes, usually UTF-8; language counts the target languages from 0, and
 * is 0 where there is one. The translation and a 0 after it go to `to`, which has room for `room`
 * bytes. Returns its length, or -1 where an argument is bad or there is no room.
 * Not reentrant: one static memory serves all calls. */
int net_translate(const char *text, int length, int language, char *to, int room);

/* The same of tokens: those of the source, NET_MAX_SOURCE of them, filled up with 0, to those of the
 * translation, NET_MAX_TARGET at most. Returns how many there are. */
int net_search(const int32_t *source, int32_t *tokens);

/* The text rule alone: the tokens of a source, NET_MAX_SOURCE of them, filled up with 0. Returns how
 * many are not, or -1 where an argument is bad or there is no memory. */
int net_source_tokens(const char *text, int length, int language, int32_t *source);

/* Choose the kernels of both networks by name, as "portable"; NULL: the best. Returns their name, or
 * NULL where the processor has none of it. */
const char *net_kernels(const char *name);

#ifdef __cplusplus
}
#endif

#endif
