// One step along an axis of a map that lies in thirds: of a row (or column) its number mod 3, which
// chooses the bank, and the address of its third. A step of s is s mod 3 and s / 3 thirds.
`default_nettype none
module thirds #(parameter AD = 12) (
    input  wire [1:0]    mod,
    input  wire [AD-1:0] address,
    input  wire [1:0]    step_mod,         // s mod 3
    input  wire [AD-1:0] step_address,     // (s / 3) * third
    input  wire [AD-1:0] third,            // what one third is in addresses
    output wire [1:0]    next_mod,
    output wire [AD-1:0] next_address
);
    wire [2:0] sum = {1'b0, mod} + {1'b0, step_mod};
    wire over = sum >= 3'd3;
    wire [2:0] less = sum - 3'd3;
    wire unused = less[2];
    assign next_mod = over ? less[1:0] : sum[1:0];
    assign next_address = address + step_address + (over ? third : {AD{1'b0}});
endmodule
`default_nettype wire
