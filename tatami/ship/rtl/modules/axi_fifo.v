// A FIFO in a synchronous memory. What is pushed at one edge can be taken two edges later.
// Whoever pushes sees to it that there is room: `held` tells.
`default_nettype none
module axi_fifo #(
    parameter W = 64,                      // bits
    parameter DEPTH = 6                    // log2 of the entries
) (
    input  wire         clk,
    input  wire         rst,
    input  wire         push,
    input  wire [W-1:0] in,
    output wire         valid,
    input  wire         pop,               // only while valid
    output reg  [W-1:0] out,
    output wire [DEPTH:0] ready_entries,   // that can be taken
    output wire [DEPTH:0] held             // those, and what has just come
);
    reg [W-1:0] entries [0:(1 << DEPTH)-1];
    reg [DEPTH:0] pushed, visible, popped;
    wire [DEPTH:0] next = pop ? popped + 1'b1 : popped;
    assign ready_entries = visible - popped;
    assign valid = visible != popped;
    assign held = pushed - popped;
    always @(posedge clk) begin
        if (push) entries[pushed[DEPTH-1:0]] <= in;
        out <= entries[next[DEPTH-1:0]];
    end
    always @(posedge clk) begin
        if (rst) begin
            pushed <= 0; visible <= 0; popped <= 0;
        end else begin
            if (push) pushed <= pushed + 1'b1;
            visible <= pushed;             // by then the entry is in its memory
            popped <= next;
        end
    end
endmodule
`default_nettype wire
