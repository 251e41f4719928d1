// Goes through a transfer, `count` blocks of `bytes` bytes that begin `stride` bytes apart, in bursts:
// none has more than BURST beats, crosses a boundary of 4 KiB, or leaves its block.
// Addresses, bytes and strides are multiples of BUS; a transfer has at least a beat.
`default_nettype none
module axi_blocks #(
    parameter BUS = 8,                     // bytes a beat
    parameter BURST = 16                   // beats, at most 256; BURST * BUS <= 4096
) (
    input  wire        clk,
    input  wire        rst,
    input  wire        valid,              // a transfer
    output wire        ready,
    input  wire [31:0] address,
    input  wire [31:0] bytes,
    input  wire [31:0] count,
    input  wire [31:0] stride,
    output wire        offered,            // a burst, until it is taken
    input  wire        taken,
    output reg  [31:0] at,
    output reg  [8:0]  beats,
    output reg         last,               // of the transfer
    output wire        idle
);
    localparam LB = $clog2(BUS);
    localparam [31:0] MOST = BURST;
    localparam [12:0] PAGE = 13'd4096 >> LB;
    localparam [1:0] IDLE = 2'd0, MEASURE = 2'd1, OFFER = 2'd2;
    reg [1:0] state;
    reg [31:0] begin_at;                   // of the next block
    reg [31:0] whole, step;                // bytes of a block; from a block to the next
    reg [31:0] left;                       // bytes of this block, this burst among them
    reg [31:0] more;                       // blocks after this one
    assign ready = state == IDLE;
    assign idle = state == IDLE && !valid;
    assign offered = state == OFFER;

    wire [31:0] left_beats = left >> LB;
    wire [12:0] page_beats = PAGE - ({1'b0, at[11:0]} >> LB);
    wire [8:0] capped = left_beats > MOST ? MOST[8:0] : left_beats[8:0];
    wire [8:0] fitting = {4'b0, capped} > page_beats ? page_beats[8:0] : capped;
    wire block_ends = left_beats == {23'b0, fitting};
    reg last_of_block;
    wire [31:0] length = {23'b0, beats} << LB;
    always @(posedge clk) begin
        if (rst) state <= IDLE;
        else case (state)
        IDLE: if (valid) begin
            at <= address;
            begin_at <= address + stride;
            whole <= bytes;
            step <= stride;
            left <= bytes;
            more <= count - 32'd1;
            state <= MEASURE;
        end
        MEASURE: begin
            beats <= fitting;
            last_of_block <= block_ends;
            last <= block_ends && more == 32'd0;
            state <= OFFER;
        end
        default: if (taken) begin
            if (last_of_block) begin
                at <= begin_at;
                begin_at <= begin_at + step;
                left <= whole;
                more <= more - 32'd1;
            end else begin
                at <= at + length;
                left <= left - length;
            end
            state <= last ? IDLE : MEASURE;
        end
        endcase
    end
endmodule
`default_nettype wire
