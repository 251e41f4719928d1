// The parameters of the last eight tiles, by the lowest bits of the tile's number: a tile's row of them
// comes through the ring before its weights. Eight, as the results of a few tiles may be on their way.
// Written a cycle later, read in the same.
`default_nettype none
module parameters #(
    parameter LANES = 16,
    parameter RQ = 4,
    parameter ACC = 32
) (
    input  wire                 clk,
    input  wire                 write_4,       // `row_4` is a row of parameters
    input  wire [2:0]           tile_4,
    input  wire [LANES*128-1:0] row_4,         // 16 bytes a lane
    input  wire [2:0]           tile_7,        // where a sum begins
    output wire [LANES*ACC-1:0] start_7,
    input  wire [2:0]           tile_r,        // whose results leave
    input  wire [7:0]           word_r,        // which RQ lanes of them
    output wire [RQ*68-1:0]     factors_r      // {multiplier, negative multiplier, shift} a lane
);
    localparam STEPS = LANES / RQ;
    localparam SD = STEPS > 1 ? $clog2(STEPS) : 1;
    reg [LANES*ACC-1:0] starts [0:7];
    reg [LANES*68-1:0] factors [0:7];
    wire [LANES*ACC-1:0] start;
    wire [LANES*68-1:0] factor;
    genvar l;
    generate for (l = 0; l < LANES; l = l + 1) begin : lane
        wire [127:0] of = row_4[l*128 +: 128];
        assign start[l*ACC +: ACC] = of[ACC-1:0];
        assign factor[l*68 +: 68] = {of[62:32], of[94:64], of[101:96]};
        wire unused = ^{of[127:102], of[95], of[63], of[31:0]};
    end endgenerate
    always @(posedge clk) if (write_4) begin
        starts[tile_4] <= start;
        factors[tile_4] <= factor;
    end
    assign start_7 = starts[tile_7];
    wire [LANES*68-1:0] chosen = factors[tile_r];
    generate if (STEPS > 1) begin : several
        wire unused = ^word_r[7:SD];
        assign factors_r = chosen[{24'b0, {(8-SD){1'b0}}, word_r[SD-1:0]}*RQ*68 +: RQ*68];
    end else begin : one
        wire unused = ^word_r;
        assign factors_r = chosen;
    end endgenerate
endmodule
`default_nettype wire
