/* A result held between two bounds. */
NET_ALWAYS_INLINE int32_t net_pair_clamp(int32_t y, int32_t low, int32_t high)
{
    return y < low ? low : y > high ? high : y;
}
