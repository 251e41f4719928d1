// floor(product / 2^(shift-1)), held between -512 and 511: one bit more than the result has before
// it is rounded. As a shift fills with the sign, a shift beyond P bits gives 0 or -1, which is the
// floor. What is held back lies beyond every byte: it becomes `low` or `high` whatever `zero` is.
`default_nettype none
module shift_and_hold #(parameter P = 63) (
    input  wire signed [P-1:0] product,
    input  wire [5:0]          shift,          // 1 ... 62
    output wire signed [9:0]   held
);
    wire signed [P-1:0] whole = product >>> (shift - 6'd1);
    wire fits = whole[P-1:9] == {(P-9){whole[P-1]}};
    assign held = fits ? whole[9:0] : {whole[P-1], {9{!whole[P-1]}}};
endmodule
`default_nettype wire
