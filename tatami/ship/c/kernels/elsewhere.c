/* What something beside the processor computes. A source of its own, which is linked with this one,
 * defines how an input is given to it, and how a result is taken: 0, or why there is none. The first
 * result that is taken lets it run. Values lie as everywhere, as (rows, columns, channels). */
void net_engine_give(int input, const void *samples);
int net_engine_take(int result, void *samples);
