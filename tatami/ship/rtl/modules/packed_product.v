// Two products of one activation byte with two weights out of one multiplier, a cycle later:
// p0 = x * w0 and p1 = x * w1, exact for every byte and every weight, -128 included.
//
// MODE 25, for a DSP48E1 or E2, which multiplies 25 (27) by 18 bits:
//     x * (w1 * 2^16 + w0) = p1 * 2^16 + p0
// As |p0| <= 255 * 128 < 2^15, its 16 bits lie by themselves below p1; where p0 is negative it has
// taken 1 from p1, which its sign bit gives back.
//
// MODE 18, for a multiplier of 18 by 18 bits, as an ECP5 has:
//     x * (w1 * 2^9 + w0) = p1 * 2^9 + p0
// The products overlap in 7 bits. The lowest 7 bits of p1, from a small multiplication of 7 by 7 bits,
// are taken off; what remains of p1 is a multiple of 2^7, so that it begins at bit 16 as above.
//
// MODE 0: two multiplications.
`default_nettype none
module packed_product #(
    parameter MODE = 25
) (
    input  wire               clk,
    input  wire [7:0]         x,
    input  wire signed [7:0]  w0,
    input  wire signed [7:0]  w1,
    output wire signed [15:0] p0,
    output wire signed [15:0] p1
);
    wire signed [8:0] factor = $signed({1'b0, x});
    generate
        if (MODE == 25) begin : apart
            wire signed [24:0] both = $signed({w1[7], w1, 16'b0}) + $signed({{17{w0[7]}}, w0});
            reg signed [32:0] product;
            always @(posedge clk) product <= both * factor;
            assign p0 = product[15:0];
            assign p1 = product[31:16] + {15'b0, product[15]};
            wire unused = product[32];
        end else if (MODE == 18) begin : over
            wire signed [17:0] both = $signed({w1[7], w1, 9'b0}) + $signed({{10{w0[7]}}, w0});
            wire [6:0] lowest = ({7{w1[0]}} & x[6:0]) + ({7{w1[1]}} & {x[5:0], 1'b0})
                              + ({7{w1[2]}} & {x[4:0], 2'b0}) + ({7{w1[3]}} & {x[3:0], 3'b0})
                              + ({7{w1[4]}} & {x[2:0], 4'b0}) + ({7{w1[5]}} & {x[1:0], 5'b0})
                              + ({7{w1[6]}} & {x[0], 6'b0});
            reg signed [25:0] product;
            reg [6:0] below;
            always @(posedge clk) begin
                product <= both * factor;
                below <= lowest;
            end
            wire signed [25:0] clear = product - $signed({10'b0, below, 9'b0});
            assign p0 = clear[15:0];
            assign p1 = {clear[24:16] + {8'b0, clear[15]}, below};
            wire unused = clear[25];
        end else begin : single
            reg signed [15:0] first, second;
            always @(posedge clk) begin
                first <= w0 * factor;
                second <= w1 * factor;
            end
            assign p0 = first;
            assign p1 = second;
        end
    endgenerate
endmodule
`default_nettype wire
