// Layers of words: of each of a group's four channels the largest byte under the window, times a factor.
// A pool, an add of two maps (a factor each) and a copy are made of it.
//
//     stage 4 taps | 5 largest | 6 product | 7
`default_nettype none
module words #(parameter ACC = 32) (
    input  wire               clk,
    input  wire [9*32-1:0]    taps_4,
    input  wire [8:0]         counts_4,        // which taps are under the window
    input  wire signed [22:0] factor_5,
    output wire [4*ACC-1:0]   values_7
);
    genvar c;
    generate for (c = 0; c < 4; c = c + 1) begin : channel
        reg [7:0] largest, best;
        integer t;
        always @* begin
            best = 8'd0;
            for (t = 0; t < 9; t = t + 1)
                if (counts_4[t] && taps_4[t*32+c*8 +: 8] > best) best = taps_4[t*32+c*8 +: 8];
        end
        reg signed [31:0] product_6, product_7;
        always @(posedge clk) begin
            largest <= best;
            product_6 <= $signed({1'b0, largest}) * factor_5;
            product_7 <= product_6;
        end
        wire [31:0] wide = product_7;
        wire unused = ^wide;
        assign values_7[c*ACC +: ACC] = wide[ACC-1:0];
    end endgenerate
endmodule
`default_nettype wire
