// shift_and_hold and round_and_clamp are section 3 of docs/integer-arithmetic.md, written here in
// 68 bits, where nothing overflows: for one shift, for every product that a sum can give.
module round_proof #(parameter [5:0] SHIFT = 1, parameter P = 63) (
    input signed [P-1:0] product,
    input [7:0] zero, low, high
);
    wire signed [9:0] held;
    wire [7:0] y;
    shift_and_hold #(.P(P)) first (.product(product), .shift(SHIFT), .held(held));
    round_and_clamp second (.held(held), .zero(zero), .low(low), .high(high), .y(y));

    wire signed [67:0] half = 68'sd1 <<< (SHIFT - 1);
    wire signed [67:0] wide = {{(68-P){product[P-1]}}, product};
    wire signed [67:0] placed = ((wide + half) >>> SHIFT) + $signed({60'b0, zero});
    wire signed [67:0] above = placed < $signed({60'b0, low}) ? $signed({60'b0, low}) : placed;
    wire signed [67:0] want = above > $signed({60'b0, high}) ? $signed({60'b0, high}) : above;
    always @* begin
        assume (low <= high);
        assert (want == $signed({60'b0, y}));
    end
endmodule
