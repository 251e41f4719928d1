// Two products of one byte with two weights: where PACKED, by one multiplier of 25 x 9 bits, which
// one DSP block has. x * (a * 2^16 + b) holds x * b in its lower half, and x * a above it, less 1 where
// x * b is negative. |x * b| <= 255 * 128 < 2^15.
`default_nettype none
module pair #(parameter PACKED = 1) (
    input  wire               clk,
    input  wire [7:0]         x,
    input  wire signed [7:0]  a, b,
    output wire signed [15:0] xa, xb       // a cycle later
);
    wire signed [8:0] sx = $signed({1'b0, x});
    generate if (PACKED != 0) begin : packed_pair
        reg signed [33:0] product;
        wire signed [24:0] both = $signed({a[7], a, 16'b0}) + $signed({{17{b[7]}}, b});
        always @(posedge clk) product <= both * sx;
        wire unused = ^product[33:32];
        assign xb = product[15:0];
        assign xa = product[31:16] + {15'b0, product[15]};
    end else begin : plain_pair
        reg signed [15:0] pa, pb;
        wire signed [16:0] wide_a = a * sx, wide_b = b * sx;
        wire unused = wide_a[16] ^ wide_b[16];
        always @(posedge clk) begin
            pa <= wide_a[15:0];
            pb <= wide_b[15:0];
        end
        assign xa = pa;
        assign xb = pb;
    end endgenerate
endmodule
`default_nettype wire
