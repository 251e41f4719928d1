// The write port: a stream into memory. A burst is begun only when all of its beats are here, so that
// nobody on the way waits for the engine.
`default_nettype none
module axi_write_port #(
    parameter BUS = 8,
    parameter BURST = 16,
    parameter ADDRESS = 32,
    parameter DEPTH = 6                    // log2 of the beats of its FIFO
) (
    input  wire               clk,
    input  wire               rst,
    input  wire               stop,
    input  wire [ADDRESS-1:0] base,
    input  wire               valid,       // transfers, as axi_blocks has them
    output wire               ready,
    input  wire [31:0]        address,
    input  wire [31:0]        bytes,
    input  wire [31:0]        count,
    input  wire [31:0]        stride,
    input  wire               i_valid,
    output wire               i_ready,
    input  wire [BUS*8-1:0]   i_data,
    output reg  [15:0]        finished,    // transfers whose last burst was answered
    output wire               idle,        // no transfer is under way, no burst unanswered
    output wire               quiet,       // no burst unanswered
    output reg                failed,
    output wire               beat,        // a beat is written
    output wire [ADDRESS-1:0] awaddr,
    output wire [7:0]         awlen,
    output wire               awvalid,
    input  wire               awready,
    output wire [BUS*8-1:0]   wdata,
    output wire               wlast,
    output wire               wvalid,
    input  wire               wready,
    input  wire [1:0]         bresp,
    input  wire               bvalid,
    output wire               bready
);
    localparam D = 3;                      // log2 of the bursts under way
    wire offered, last, blocks_idle, taken;
    wire [31:0] at;
    wire [8:0] beats;
    axi_blocks #(.BUS(BUS), .BURST(BURST)) blocks (.clk(clk), .rst(rst), .valid(valid), .ready(ready),
        .address(address), .bytes(bytes), .count(count), .stride(stride), .offered(offered),
        .taken(taken), .at(at), .beats(beats), .last(last), .idle(blocks_idle));
    wire [DEPTH:0] entries, held;
    wire here;
    assign i_ready = !held[DEPTH];
    wire pop = wvalid && wready;
    axi_fifo #(.W(BUS*8), .DEPTH(DEPTH)) fifo (.clk(clk), .rst(rst), .push(i_valid && i_ready),
        .in(i_data), .valid(here), .pop(pop), .out(wdata), .ready_entries(entries), .held(held));

    // -- a burst: its address and its beats, each when it is accepted -----------------------------------
    localparam UP = DEPTH > 8 ? DEPTH + 1 : 9;
    reg telling;
    reg [8:0] left;                        // beats of this burst
    reg [31:0] place;
    reg [8:0] length;
    reg [D:0] asked, answered;
    wire [D:0] under_way = asked - answered;
    wire whole = {{(UP-DEPTH-1){1'b0}}, entries} >= {{(UP-9){1'b0}}, beats};
    assign taken = offered && whole && !telling && left == 9'd0 && !under_way[D] && !stop && !rst;
    reg [(1<<D)-1:0] ends;                 // of each burst, whether it is its transfer's last
    always @(posedge clk) begin
        if (rst) begin
            telling <= 1'b0; left <= 9'd0; asked <= 0; answered <= 0; finished <= 16'd0; failed <= 1'b0;
        end else begin
            if (taken) begin
                telling <= 1'b1; left <= beats; asked <= asked + 1'b1;
                ends[asked[D-1:0]] <= last;
            end else begin
                if (awready) telling <= 1'b0;
                if (pop) left <= left - 9'd1;
            end
            if (bvalid) begin
                answered <= answered + 1'b1;
                if (ends[answered[D-1:0]]) finished <= finished + 16'd1;
                if (bresp[1]) failed <= 1'b1;
            end
        end
        if (taken) begin
            place <= at;
            length <= beats - 9'd1;
        end
    end
    assign awvalid = telling;
    assign awlen = length[7:0];
    generate if (ADDRESS > 32) begin : long
        assign awaddr = base + {{(ADDRESS-32){1'b0}}, place};
    end else begin : short
        assign awaddr = base + place[ADDRESS-1:0];
    end endgenerate
    assign wvalid = left != 9'd0;          // they are all here
    assign wlast = left == 9'd1;
    assign beat = pop;
    assign bready = 1'b1;
    assign quiet = asked == answered && left == 9'd0 && !telling;
    assign idle = blocks_idle && quiet && held == 0;
    wire unused = bresp[0] ^ here ^ length[8];
endmodule
`default_nettype wire
