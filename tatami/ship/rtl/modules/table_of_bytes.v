// Any function of a byte: 256 bytes, four to a word, that a command brings; RQ bytes a cycle. A result
// leaves a cycle after it comes, through the table or past it.
`default_nettype none
module table_of_bytes #(parameter RQ = 4) (
    input  wire            clk,
    input  wire            rst,
    input  wire            write,
    input  wire [5:0]      write_word,
    input  wire [31:0]     write_data,
    input  wire            through,        // of the layer
    input  wire            in_valid,
    input  wire [RQ*8-1:0] in,
    output reg             out_valid,
    output reg  [RQ*8-1:0] out
);
    genvar q;
    always @(posedge clk) out_valid <= in_valid && !rst;
    generate for (q = 0; q < RQ; q = q + 1) begin : port
        reg [31:0] words [0:63];           // a copy for each byte of a cycle
        wire [7:0] x = in[q*8 +: 8];
        wire [31:0] word = words[x[7:2]];
        always @(posedge clk) begin
            if (write) words[write_word] <= write_data;
            out[q*8 +: 8] <= through ? word[{x[1:0], 3'b0} +: 8] : x;
        end
    end endgenerate
endmodule
`default_nettype wire
