// One stream out of memory: a transfer's bursts are asked for only where the FIFO has room for all of
// their beats, so a beat that comes back never waits, and never keeps another stream's from coming.
`default_nettype none
module axi_reader #(
    parameter BUS = 8,
    parameter BURST = 16,
    parameter DEPTH = 6                    // log2 of the beats of its FIFO, at least log2(BURST)
) (
    input  wire             clk,
    input  wire             rst,
    input  wire             valid,         // transfers, as axi_blocks has them
    output wire             ready,
    input  wire [31:0]      address,
    input  wire [31:0]      bytes,
    input  wire [31:0]      count,
    input  wire [31:0]      stride,
    output wire             wants,         // a burst, until it is taken
    input  wire             taken,
    output wire [31:0]      at,
    output wire [8:0]       beats,
    input  wire             push,          // a beat has come
    input  wire [BUS*8-1:0] data,
    output wire             o_valid,
    input  wire             o_ready,
    output wire [BUS*8-1:0] o_data,
    output wire             idle           // nothing is left of any transfer
);
    wire offered, last, blocks_idle;
    axi_blocks #(.BUS(BUS), .BURST(BURST)) blocks (.clk(clk), .rst(rst), .valid(valid), .ready(ready),
        .address(address), .bytes(bytes), .count(count), .stride(stride), .offered(offered),
        .taken(taken), .at(at), .beats(beats), .last(last), .idle(blocks_idle));
    // entries that neither hold a beat nor wait for one
    localparam [DEPTH:0] ALL = {1'b1, {DEPTH{1'b0}}};
    localparam UP = DEPTH > 8 ? DEPTH + 1 : 9;
    reg [DEPTH:0] room;
    wire pop = o_valid && o_ready;
    wire [UP-1:0] room_wide = {{(UP-DEPTH-1){1'b0}}, room};
    wire [UP-1:0] beats_wide = {{(UP-9){1'b0}}, beats};
    wire [UP-1:0] room_next = room_wide - (taken ? beats_wide : {UP{1'b0}})
                            + {{(UP-1){1'b0}}, pop};
    assign wants = offered && room_wide >= beats_wide;
    always @(posedge clk) if (rst) room <= ALL; else room <= room_next[DEPTH:0];
    wire [DEPTH:0] entries, held;
    axi_fifo #(.W(BUS*8), .DEPTH(DEPTH)) fifo (.clk(clk), .rst(rst), .push(push), .in(data),
        .valid(o_valid), .pop(pop), .out(o_data), .ready_entries(entries), .held(held));
    assign idle = blocks_idle && room == ALL;
    wire unused = last ^ (^entries) ^ (^held) ^ (^room_next);
endmodule
`default_nettype wire
