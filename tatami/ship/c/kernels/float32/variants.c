/* Which tile of float32 the variant in use has. */
static const net_conv_kernels *net_float_kernels(void)
{
    static const net_conv_kernels portable = {net_tile_float_portable, net_store_float_portable, 8, 1, 0, 0};
#if NET_X86
    static const net_conv_kernels avx512 = {net_tile_float_avx512, net_store_float_avx512, 14, 2, 0, 1};
    static const net_conv_kernels avx2 = {net_tile_float_avx2, net_store_float_avx2, 12, 1, 0, 0};

    if (net_variant == NET_AVX512VNNI || net_variant == NET_AVX512) return &avx512;
    if (net_variant == NET_AVX2) return &avx2;
#endif
    return &portable;
}
