/* What becomes of sums: see int8/requantize.c and float32/activate.c. */
typedef struct {
    const int32_t *multiplier, *negative_multiplier, *shift; /* [channels]: bytes are wanted */
    const float *scale;         /* [channels]: float32 is wanted of int32 */
    const float *factor;        /* [channels]: bytes, in round_in_float.c */
    uint8_t zero_point, low, high;
    uint8_t leaky;              /* negative_multiplier is not multiplier everywhere */
    uint8_t one_rounding;       /* in round_as_reference.c */
    uint8_t small;              /* all shifts are 33 or more, as vector forms demand: factors < 1/4 */
    net_activation activation;  /* float32 is wanted of float32 */
    int size;                   /* bytes of a result */
} net_results;
