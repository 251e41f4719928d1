static uint32_t net_hash_uint8_t(const uint8_t *values, size_t count)
{
    uint32_t hash = UINT32_C(2166136261);
    size_t i;

    for (i = 0; i < count; i++) hash = (hash ^ values[i]) * UINT32_C(16777619);
    return hash;
}
