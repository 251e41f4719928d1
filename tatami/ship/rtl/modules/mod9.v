// a + b mod 9, of two numbers of 0 ... 8.
`default_nettype none
module mod9 (
    input  wire [3:0] a, b,
    output wire [3:0] sum
);
    wire [4:0] whole = {1'b0, a} + {1'b0, b};
    wire [4:0] less = whole - 5'd9;
    assign sum = less[4] ? whole[3:0] : less[3:0];
endmodule
`default_nettype wire
