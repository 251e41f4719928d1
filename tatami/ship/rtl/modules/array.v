// The array of one pixel: LANES sums, each of 36 products a cycle, added up over the steps of a window;
// and the largest of the sums of a fused pool. Order is kept from a sum to its byte, so the largest sum
// gives the largest byte (docs/integer-arithmetic.md, section 3).
//
//     stage 4 taps, weights | 5 products | 6 sums of a tap | 7 sums of a step | 8 sum | 9 largest
//
// A layer of words (a pool, an add, a copy) has one value a channel of a group in place of products,
// for the four lanes of that group; they are added up or the largest is kept.
`default_nettype none
module array #(
    parameter LANES = 16,
    parameter ACC = 32,
    parameter PACK = 1
) (
    input  wire                  clk,
    input  wire [9*32-1:0]       taps_4,
    input  wire [LANES*36*8-1:0] weights_4,
    input  wire                  by_word,      // of the layer
    input  wire                  keep_largest,
    input  wire [4*ACC-1:0]      values_7,     // of a layer of words
    input  wire [7:0]            word_7,       // for which lanes
    input  wire                  step_7,       // there is one
    input  wire                  first_7,      // of a sum
    input  wire [LANES*ACC-1:0]  start_7,
    input  wire                  last_8,       // the sum is whole
    input  wire                  pool_first_8, // and the first of its pool
    output wire [LANES*ACC-1:0]  best_9
);
    genvar l, t, c;
    // -- products --------------------------------------------------------------------------------------
    wire [LANES*36*16-1:0] product;
    generate for (l = 0; l < LANES; l = l + 2) begin : lanes
        for (t = 0; t < 36; t = t + 1) begin : product_of
            packed_product #(.MODE(PACK == 1 ? 25 : PACK)) two (.clk(clk), .x(taps_4[t*8 +: 8]),
                .w0(weights_4[(l*36+t)*8 +: 8]), .w1(weights_4[((l+1)*36+t)*8 +: 8]),
                .p0(product[(l*36+t)*16 +: 16]), .p1(product[((l+1)*36+t)*16 +: 16]));
        end
    end endgenerate
    // -- sums ------------------------------------------------------------------------------------------
    generate for (l = 0; l < LANES; l = l + 1) begin : lane
        localparam [31:0] L = l;
        reg signed [17:0] tap_sum [0:8];
        for (t = 0; t < 9; t = t + 1) begin : tap
            wire signed [17:0] p [0:3];
            for (c = 0; c < 4; c = c + 1) begin : channel
                localparam I = l * 36 + t * 4 + c;
                assign p[c] = {{2{product[I*16+15]}}, product[I*16 +: 16]};
            end
            always @(posedge clk) tap_sum[t] <= (p[0] + p[1]) + (p[2] + p[3]);
        end
        reg signed [21:0] step_sum;
        always @(posedge clk) step_sum <=
            ((wide(tap_sum[0]) + wide(tap_sum[1])) + (wide(tap_sum[2]) + wide(tap_sum[3])))
            + ((wide(tap_sum[4]) + wide(tap_sum[5])) + (wide(tap_sum[6]) + wide(tap_sum[7])))
            + wide(tap_sum[8]);
        reg signed [ACC-1:0] sum, best;
        wire signed [ACC-1:0] value = values_7[(l%4)*ACC +: ACC];
        wire mine = word_7 == L[9:2];
        wire signed [ACC-1:0] more = by_word ? (mine ? value : {ACC{1'b0}})
                                             : {{(ACC-22){step_sum[21]}}, step_sum};
        wire signed [ACC-1:0] before = first_7 ? start_7[l*ACC +: ACC] : sum;
        always @(posedge clk) begin
            if (step_7) sum <= keep_largest ? (before > more ? before : more) : before + more;
            if (last_8) best <= !pool_first_8 && best > sum ? best : sum;
        end
        assign best_9[l*ACC +: ACC] = best;
    end endgenerate

    function signed [21:0] wide(input signed [17:0] value_of);
        wide = {{4{value_of[17]}}, value_of};
    endfunction
endmodule
`default_nettype wire
