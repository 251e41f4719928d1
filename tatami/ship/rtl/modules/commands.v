// Takes in commands, a word a cycle, and hands each one on, whole and in order, when the engines for
// which it waits are idle. While an engine works the next command is taken in already; a table waits
// after its header until the layer that may use the one before is done.
`default_nettype none
module commands #(parameter WORDS = 24) (
    input  wire                clk,
    input  wire                rst,
    input  wire                c_valid,
    output wire                c_ready,
    input  wire [31:0]         c_data,
    input  wire                layer_idle,
    input  wire                load_idle,
    input  wire                empty,          // nothing is left that has not left the core
    output reg  [WORDS*32-1:0] payload,
    output wire                layer_start,
    output wire                load_start,
    output wire                table_write,    // `c_data` is a word of a table
    output wire [5:0]          table_word,
    output reg                 done,
    output wire                begins,         // the first word of a program
    output wire                waits_for_load  // a layer that could run if it had its map
);
    localparam [7:0] END = 8'd0, LAYER = 8'd1, LOAD = 8'd2, TABLE = 8'd3;
    localparam [1:0] HEADER = 2'd0, BODY = 2'd1, ISSUE = 2'd2, HOLD = 2'd3;
    reg [1:0] state;
    reg [7:0] code, left, place;
    reg wait_layer, wait_load;
    assign c_ready = state == HEADER || state == BODY;
    wire take = c_valid && c_ready;
    wire is_layer = code == LAYER, is_load = code == LOAD, is_table = code == TABLE, is_end = code == END;
    wire layer_clear = layer_idle || !(wait_layer || is_layer || is_end);
    wire load_clear = load_idle || !(wait_load || is_load || is_end);
    wire go = state == ISSUE && layer_clear && load_clear && (!is_end || empty);
    assign layer_start = go && is_layer;
    assign load_start = go && is_load;
    assign table_write = state == BODY && c_valid && is_table;
    assign table_word = place[5:0];
    assign waits_for_load = state == ISSUE && is_layer && layer_clear && !load_clear;
    reg running;
    assign begins = take && !running;
    // of a header: the flags for the wrapper mean nothing here
    wire [15:0] body = c_data[15:0];
    always @(posedge clk) begin
        if (rst) begin
            state <= HEADER; done <= 1'b0; running <= 1'b0;
        end else case (state)
        HEADER: if (take) begin
            code <= body[7:0];
            left <= body[15:8];
            place <= 8'd0;
            wait_layer <= c_data[16];
            wait_load <= c_data[17];
            done <= 1'b0;
            running <= 1'b1;
            state <= body[15:8] == 8'd0 ? ISSUE : body[7:0] == TABLE ? HOLD : BODY;
        end
        HOLD: if (layer_idle) state <= BODY;
        BODY: if (take) begin
            if (place < WORDS && !is_table) payload[place*32 +: 32] <= c_data;
            place <= place + 8'd1;
            left <= left - 8'd1;
            if (left == 8'd1) state <= ISSUE;
        end
        default: if (go) begin
            state <= HEADER;
            if (is_end) begin done <= 1'b1; running <= 1'b0; end
        end
        endcase
    end
endmodule
`default_nettype wire
