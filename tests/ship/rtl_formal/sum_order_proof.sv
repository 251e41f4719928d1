// A larger sum never gives a smaller product, although sums below 0 have a factor of their own.
// Narrow sums and factors: the argument does not depend on their widths.
module sum_order_proof #(parameter S = 5, parameter M = 5, parameter P = S + M + 1) (
    input signed [S-1:0] a, b,
    input [M-1:0] m_pos, m_neg
);
    wire signed [P-1:0] first = a * $signed({1'b0, a < 0 ? m_neg : m_pos});
    wire signed [P-1:0] second = b * $signed({1'b0, b < 0 ? m_neg : m_pos});
    always @* begin
        assume (a <= b);
        assert (first <= second);
    end
endmodule
