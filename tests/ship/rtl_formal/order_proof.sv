// Order is kept: a larger sum never gives a smaller byte, so a max pool may take the largest sum.
// Here from product to byte, for one shift; sum_order_proof.sv has the rest, from sum to product.
module order_proof #(parameter [5:0] SHIFT = 1, parameter P = 63) (
    input signed [P-1:0] first, second,
    input [7:0] zero, low, high
);
    wire signed [9:0] held_1, held_2;
    wire [7:0] y_1, y_2;
    shift_and_hold #(.P(P)) shift_1 (.product(first), .shift(SHIFT), .held(held_1));
    shift_and_hold #(.P(P)) shift_2 (.product(second), .shift(SHIFT), .held(held_2));
    round_and_clamp round_1 (.held(held_1), .zero(zero), .low(low), .high(high), .y(y_1));
    round_and_clamp round_2 (.held(held_2), .zero(zero), .low(low), .high(high), .y(y_2));
    always @* begin
        assume (low <= high);
        assume (first <= second);
        assert (y_1 <= y_2);
    end
endmodule
