/* -0 is 0 here, as it is wherever numbers are compared. */
static uint32_t net_hash_float(const float *values, size_t count)
{
    uint32_t hash = UINT32_C(2166136261);
    size_t i;

    for (i = 0; i < count; i++) {
        const float value = values[i] + 0.0f;
        uint32_t word;
        memcpy(&word, &value, sizeof word);
        hash = (hash ^ word) * UINT32_C(16777619);
    }
    return hash;
}
