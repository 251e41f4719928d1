// Where results go: RQ bytes at a time, in the order tile, pixel, word; RQ / 4 words of neighboring
// groups, which lie in neighboring banks. A word is in its bank two cycles after its bytes came.
`default_nettype none
module writer #(
    parameter LANES = 16,
    parameter RQ = 4,
    parameter AD = 12
) (
    input  wire               clk,
    input  wire               start,       // a layer: the counters begin anew
    // of the layer
    input  wire               to_map,
    input  wire [7:0]         full_words,  // how many times RQ bytes make a pixel of a full tile
    input  wire               always_full, // a pixel of the last tile, too
    input  wire [15:0]        groups_written,
    input  wire [15:0]        last_row, last_column,
    input  wire [AD-1:0]      base, pitch, groups,
    input  wire [1:0]         step_ym, step_xm,   // to the next row, column that is written, mod 3
    input  wire [AD-1:0]      step_row, step_column,   // and in whole thirds
    input  wire [1:0]         first_ym, first_xm,
    input  wire [3:0]         first_g9,    // of the first group, mod 9
    // results
    input  wire               valid,
    input  wire [RQ*8-1:0]    bytes,
    // to the map memory
    output reg  [RQ/4-1:0]    write,
    output reg  [RQ/4*4-1:0]  bank,
    output reg  [RQ/4*AD-1:0] address,
    output reg  [RQ*8-1:0]    data
);
    localparam RW = RQ / 4;
    localparam [31:0] PER_TILE = LANES / 4, PER_TILE_9 = PER_TILE % 9, RW_9 = RW % 9, RW_32 = RW;
    localparam [31:0] SHIFT = $clog2(RW);
    reg [7:0] word;                        // of the pixel
    reg [15:0] left;                       // groups from this tile on
    reg [AD-1:0] group, tile_group;        // of the word, and of the tile's first
    reg [3:0] g9, tile_g9;
    reg [15:0] x, y;
    reg [1:0] ym, xm;
    reg [AD-1:0] row, column;
    wire [15:0] in_words = (left + RW_32[15:0] - 16'd1) >> SHIFT;
    wire [7:0] words = always_full || in_words >= {8'd0, full_words} ? full_words : in_words[7:0];
    wire word_last = word == words - 8'd1, x_last = x == last_column, y_last = y == last_row;
    wire [1:0] ym_next, xm_next;
    wire [AD-1:0] row_next, column_next;
    wire [3:0] g9_next, tile_g9_next;
    thirds #(.AD(AD)) down (.mod(ym), .address(row), .step_mod(step_ym), .step_address(step_row),
        .third(pitch), .next_mod(ym_next), .next_address(row_next));
    thirds #(.AD(AD)) right (.mod(xm), .address(column), .step_mod(step_xm), .step_address(step_column),
        .third(groups), .next_mod(xm_next), .next_address(column_next));
    mod9 word_turn (.a(g9), .b(RW_9[3:0]), .sum(g9_next));
    mod9 tile_turn (.a(tile_g9), .b(PER_TILE_9[3:0]), .sum(tile_g9_next));
    always @(posedge clk) begin
        if (start) begin
            word <= 8'd0; left <= groups_written;
            group <= {AD{1'b0}}; tile_group <= {AD{1'b0}}; g9 <= first_g9; tile_g9 <= first_g9;
            x <= 16'd0; y <= 16'd0; ym <= first_ym; xm <= first_xm; row <= base; column <= {AD{1'b0}};
        end else if (valid) begin
            word <= word_last ? 8'd0 : word + 8'd1;
            group <= word_last ? tile_group : group + RW_32[AD-1:0];
            g9 <= word_last ? tile_g9 : g9_next;
            if (word_last) begin
                x <= x_last ? 16'd0 : x + 16'd1;
                xm <= x_last ? first_xm : xm_next;
                column <= x_last ? {AD{1'b0}} : column_next;
                if (x_last) begin
                    y <= y_last ? 16'd0 : y + 16'd1;
                    ym <= y_last ? first_ym : ym_next;
                    row <= y_last ? base : row_next;
                    if (y_last) begin
                        left <= left - PER_TILE[15:0];
                        tile_group <= tile_group + PER_TILE[AD-1:0];
                        tile_g9 <= tile_g9_next;
                        group <= tile_group + PER_TILE[AD-1:0];
                        g9 <= tile_g9_next;
                    end
                end
            end
        end
    end
    // -- the words' banks --------------------------------------------------------------------------------
    wire [3:0] pixel_turn, turn;
    assign pixel_turn = {2'b0, ym} + {1'b0, ym, 1'b0} + {2'b0, xm};
    mod9 whole_turn (.a(pixel_turn), .b(g9), .sum(turn));
    genvar i;
    generate for (i = 0; i < RW; i = i + 1) begin : of
        localparam [31:0] I = i;
        wire [3:0] mine;
        mod9 own_turn (.a(turn), .b(I[3:0]), .sum(mine));
        wire [15:0] number = {8'd0, word} * RW_32[15:0] + I[15:0];
        always @(posedge clk) begin
            write[i] <= valid && to_map && !start && number < left;
            bank[i*4 +: 4] <= mine;
            address[i*AD +: AD] <= row + column + group + I[AD-1:0];
        end
    end endgenerate
    always @(posedge clk) data <= bytes;
endmodule
`default_nettype wire
