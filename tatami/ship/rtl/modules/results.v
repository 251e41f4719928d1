// Sums that are whole, held and handed on RQ at a time, pixel by pixel; then requantized. The sequencer
// lets no sums become whole before those held have gone.
//
//     stage 9 sums | 10 held | R: RQ of them, with their factors | requantized
`default_nettype none
module results #(
    parameter LANES = 16,
    parameter PIXELS = 1,
    parameter RQ = 4,
    parameter RQ_REGISTERS = 3,
    parameter ACC = 32
) (
    input  wire                        clk,
    input  wire                        rst,
    input  wire                        pool,
    input  wire                        raw,
    input  wire [7:0]                  zero, low, high,
    input  wire                        take_9,
    input  wire [PIXELS*LANES*ACC-1:0] sums_9,
    input  wire [2:0]                  tile_9,
    input  wire [7:0]                  words_9,    // how many times RQ of a pixel leave
    input  wire [1:0]                  pixels_9,   // how many pixels
    // where the factors lie
    output wire [2:0]                  tile_r,
    output wire [7:0]                  word_r,
    input  wire [RQ*68-1:0]            factors_r,
    output reg                         sums_valid, // raw
    output wire [RQ*32-1:0]            sums,
    output wire                        bytes_valid,
    output wire [RQ*8-1:0]             bytes
);
    localparam STEPS = LANES / RQ;
    localparam SELECT = PIXELS * STEPS;            // parts that may leave
    localparam SD = SELECT > 1 ? $clog2(SELECT) : 1;
    genvar l, q;
    // with a fused pool the pixels of a cycle are of one window
    wire [PIXELS*LANES*ACC-1:0] whole;
    generate if (PIXELS == 2) begin : pooled
        for (l = 0; l < LANES; l = l + 1) begin : lane
            wire signed [ACC-1:0] a = sums_9[l*ACC +: ACC], b = sums_9[(LANES+l)*ACC +: ACC];
            assign whole[l*ACC +: ACC] = pool && b > a ? b : a;
            assign whole[(LANES+l)*ACC +: ACC] = b;
        end
    end else begin : single
        wire unused = pool;
        assign whole = sums_9;
    end endgenerate

    reg [PIXELS*LANES*ACC-1:0] held;
    reg [2:0] tile;
    reg [7:0] words, word;
    reg [1:0] pixels;                              // still to go, this one included
    reg second;                                    // pixel
    wire giving = pixels != 2'd0;
    wire word_last = word == words - 8'd1;
    always @(posedge clk) begin
        if (rst) pixels <= 2'd0;
        else if (take_9) begin
            held <= whole; tile <= tile_9; words <= words_9; pixels <= pixels_9;
            word <= 8'd0; second <= 1'b0;
        end else if (giving) begin
            word <= word_last ? 8'd0 : word + 8'd1;
            if (word_last) begin
                pixels <= pixels - 2'd1;
                second <= 1'b1;
            end
        end
    end
    assign tile_r = tile;
    assign word_r = word;
    wire [RQ*ACC-1:0] part;
    generate if (SELECT > 1) begin : several
        wire [7:0] select = second ? word + STEPS[7:0] : word;
        wire unused = ^select[7:SD];
        assign part = held[{24'b0, {(8-SD){1'b0}}, select[SD-1:0]}*RQ*ACC +: RQ*ACC];
    end else begin : one
        wire unused = second;
        assign part = held;
    end endgenerate

    // -- R ---------------------------------------------------------------------------------------------
    reg bytes_in;
    reg [RQ*ACC-1:0] sum;
    reg [RQ*68-1:0] factor;
    always @(posedge clk) begin
        sums_valid <= giving && raw && !rst;
        bytes_in <= giving && !raw && !rst;
        sum <= part;
        factor <= factors_r;
    end
    wire [RQ-1:0] valid;
    generate for (q = 0; q < RQ; q = q + 1) begin : one_of
        wire [ACC-1:0] mine = sum[q*ACC +: ACC];
        wire [67:0] by = factor[q*68 +: 68];
        if (ACC < 32) begin : extended
            assign sums[q*32 +: 32] = {{(32-ACC){mine[ACC-1]}}, mine};
        end else begin : same
            assign sums[q*32 +: 32] = mine;
        end
        requantize #(.A(ACC), .REGISTERS(RQ_REGISTERS)) unit (.clk(clk), .in_valid(bytes_in),
            .sum(mine), .m_pos(by[67:37]), .m_neg(by[36:6]), .shift(by[5:0]),
            .zero(zero), .low(low), .high(high), .out_valid(valid[q]), .y(bytes[q*8 +: 8]));
    end endgenerate
    assign bytes_valid = valid[0];
    generate if (RQ > 1) begin : rest
        wire unused = ^valid[RQ-1:1];
    end endgenerate
endmodule
`default_nettype wire
