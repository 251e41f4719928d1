// The read port: three streams share it burst by burst. Stream 0, the program, comes first where it
// has nothing left and last elsewhere; the other two take turns. All bursts have one identifier, so
// beats come back in the order of asking, and a list of who asked says whose they are.
`default_nettype none
module axi_read_port #(
    parameter BUS = 8,
    parameter ADDRESS = 32                 // bits of an address
) (
    input  wire               clk,
    input  wire               rst,
    input  wire               stop,        // ask for nothing more
    input  wire [ADDRESS-1:0] base,        // a multiple of 4096
    input  wire [2:0]         wants,
    input  wire               hungry,      // stream 0 has nothing left
    input  wire [95:0]        at,
    input  wire [26:0]        beats,
    output wire [2:0]         taken,
    output wire [2:0]         push,
    output wire [BUS*8-1:0]   data,
    output wire               idle,        // nothing asked for is still to come
    output reg                failed,      // a beat came with an error
    output wire               waits,       // a burst is asked for, and not accepted yet
    output wire [ADDRESS-1:0] araddr,
    output wire [7:0]         arlen,
    output wire               arvalid,
    input  wire               arready,
    input  wire [BUS*8-1:0]   rdata,
    input  wire [1:0]         rresp,
    input  wire               rlast,
    input  wire               rvalid,
    output wire               rready
);
    localparam D = 4;                      // log2 of the bursts under way
    // -- who is next ------------------------------------------------------------------------------------
    reg turn;                              // stream 2 before stream 1
    wire first = wants[0] && (hungry || wants[2:1] == 2'b00);
    wire [2:0] chosen = first ? 3'b001
                      : (wants[1] && !(turn && wants[2])) ? 3'b010
                      : wants[2] ? 3'b100 : 3'b000;
    reg [D:0] asked, answered;
    wire [D:0] under_way = asked - answered;
    reg asking;
    reg [31:0] place;
    reg [8:0] length;
    wire free = !asking || arready;
    assign taken = (free && !under_way[D] && !stop && !rst) ? chosen : 3'b000;
    wire take = taken != 3'b000;
    always @(posedge clk) begin
        if (rst) begin
            asking <= 1'b0; turn <= 1'b0;
        end else begin
            if (free) asking <= take;
            if (taken[2:1] != 2'b00) turn <= taken[1];
        end
        if (take) begin
            place  <= chosen[0] ? at[31:0]   : chosen[1] ? at[63:32]   : at[95:64];
            length <= (chosen[0] ? beats[8:0] : chosen[1] ? beats[17:9] : beats[26:18]) - 9'd1;
        end
    end
    assign arvalid = asking;
    assign waits = asking && !arready;
    assign arlen = length[7:0];
    generate if (ADDRESS > 32) begin : long
        assign araddr = base + {{(ADDRESS-32){1'b0}}, place};
    end else begin : short
        assign araddr = base + place[ADDRESS-1:0];
    end endgenerate

    // -- whose beats come -------------------------------------------------------------------------------
    reg [2:0] owner [0:(1 << D)-1];
    wire [2:0] now = owner[answered[D-1:0]];
    always @(posedge clk) begin
        if (take) owner[asked[D-1:0]] <= chosen;
        if (rst) begin
            asked <= 0; answered <= 0; failed <= 1'b0;
        end else begin
            if (take) asked <= asked + 1'b1;
            if (rvalid && rlast) answered <= answered + 1'b1;
            if (rvalid && rresp[1]) failed <= 1'b1;
        end
    end
    assign rready = 1'b1;                  // there is room: it was kept
    assign push = rvalid ? now : 3'b000;
    assign data = rdata;
    assign idle = asked == answered;
    wire unused = rresp[0] ^ length[8];
endmodule
`default_nettype wire
