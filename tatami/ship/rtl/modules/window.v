// From the place of a window to the addresses of the nine banks, and from their words to nine taps.
//
// Two ways to read: by place, tap (r, c) is one group of the pixel (y + r, x + c); by depth, tap t is
// group t of nine of one pixel. `turn` is how far the banks are turned by the group (and by the pixel,
// by depth): the word of turn 0 lies in bank `turn`.
`default_nettype none
module window #(parameter AD = 12) (
    input  wire            clk,
    input  wire            depth,
    input  wire [AD-1:0]   pitch, groups,
    input  wire [7:0]      fill,           // what lies outside
    // a step, stage 1
    input  wire [AD-1:0]   at,
    input  wire [3:0]      turn,
    input  wire [1:0]      ym, xm,
    input  wire [8:0]      outside,        // a bit a tap
    // stage 2, and the words of stage 3
    output reg  [9*AD-1:0] address,
    input  wire [9*32-1:0] words,
    // stage 4
    output reg  [9*32-1:0] taps
);
    genvar b, t;
    reg [3:0] turn_2, turn_3;
    reg [1:0] ym_2, ym_3, xm_2, xm_3;
    reg [8:0] outside_2, outside_3;
    always @(posedge clk) begin
        turn_2 <= turn; turn_3 <= turn_2;
        ym_2 <= ym; ym_3 <= ym_2;
        xm_2 <= xm; xm_3 <= xm_2;
        outside_2 <= outside; outside_3 <= outside_2;
    end
    generate for (b = 0; b < 9; b = b + 1) begin : bank
        localparam [31:0] B = b;
        // which word of the nine lies here: as a pixel of the 3 x 3, row and column
        wire [4:0] turned = {1'b0, B[3:0]} - {1'b0, turn};
        wire [3:0] u = turned[4] ? turned[3:0] + 4'd9 : turned[3:0];
        wire [1:0] r = u >= 4'd6 ? 2'd2 : u >= 4'd3 ? 2'd1 : 2'd0;
        wire [3:0] cu = u - {2'b0, r} - {1'b0, r, 1'b0};
        wire [1:0] c = cu[1:0];
        wire unused = ^cu[3:2];
        wire [AD-1:0] far = (r < ym ? pitch : {AD{1'b0}}) + (c < xm ? groups : {AD{1'b0}});
        always @(posedge clk) address[b*AD +: AD] <= at + (depth ? {{(AD-4){1'b0}}, u} : far);
    end endgenerate
    generate for (t = 0; t < 9; t = t + 1) begin : seen
        localparam [31:0] T = t, TY = t / 3, TX = t % 3;
        wire [2:0] ys = {1'b0, ym_3} + TY[2:0], xs = {1'b0, xm_3} + TX[2:0];
        wire [2:0] yw = ys - 3'd3, xw = xs - 3'd3;
        wire [1:0] r = ys >= 3'd3 ? yw[1:0] : ys[1:0], c = xs >= 3'd3 ? xw[1:0] : xs[1:0];
        wire unused = yw[2] ^ xw[2];
        wire [3:0] u = depth ? T[3:0] : {2'b0, r} + {1'b0, r, 1'b0} + {2'b0, c};
        wire [3:0] s;
        mod9 where (.a(u), .b(turn_3), .sum(s));
        always @(posedge clk)
            taps[t*32 +: 32] <= outside_3[t] ? {4{fill}} : words[{5'b0, s}*32 +: 32];
    end endgenerate
endmodule
`default_nettype wire
