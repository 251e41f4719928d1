/* Which tile and which store of bytes the variant in use has. */
static const net_conv_kernels *net_int8_kernels(void)
{
    static const net_conv_kernels portable = {net_tile_int8_portable, net_store_int8_portable, 8, 1,
                                              0, 0};
#if NET_X86
    static const net_conv_kernels vnni = {net_tile_int8_avx512vnni, net_store_int8_avx512, 14, 2, 0, 1};
    static const net_conv_kernels avx512 = {net_tile_int8_avx512, net_store_int8_avx512, 8, 1, 0, 0};
    static const net_conv_kernels avx2 = {net_tile_int8_avx2, net_store_int8_avx2, 12, 1, 0, 0};

#if NET_AMX_TILES
    static const net_conv_kernels amx = {net_tile_int8_amx, net_store_int8_avx512, 14, 2, 0, 0};

    if (net_matrices) {
        net_forget_shapes();
        return &amx;
    }
#endif
    if (net_variant == NET_AVX512VNNI) return &vnni;
    if (net_variant == NET_AVX512) return &avx512;
    if (net_variant == NET_AVX2) return &avx2;
#endif
#if NET_ARM_DOTPROD
    static const net_conv_kernels dotprod = {net_tile_int8_dotprod, net_store_int8_neon, 8, 1,
                                             1, 0};

    if (net_variant == NET_DOTPROD) return &dotprod;
#endif
#if NET_ARM_NEON
    static const net_conv_kernels neon = {net_tile_int8_neon, net_store_int8_neon, 8, 1, 1, 0};

    if (net_variant == NET_NEON) return &neon;
#endif
#if NET_ARM_DSP
    static const net_conv_kernels dsp = {net_tile_int8_dsp, net_store_int8_portable, 8, 1, 0, 0};

    if (net_variant == NET_DSP) return &dsp;
#endif
#if NET_WASM_SIMD
    static const net_conv_kernels simd128 = {net_tile_int8_simd128, net_store_int8_simd128, 6, 1, 0, 0};

    if (net_variant == NET_SIMD128) return &simd128;
#endif
    return &portable;
}
