/* x tanh(log(1 + exp(x))): tanh(log(1 + e)) is (e^2 + 2 e) / (e^2 + 2 e + 2). Beyond 20 it is x. */
NET_ALWAYS_INLINE float net_mish(float x)
{
    const float e = net_exp(x < 20.0f ? x : 20.0f), n = e * (e + 2.0f);

    return x * (n / (n + 2.0f));
}
