// A register where ON is 1, a wire where it is 0.
`default_nettype none
module optional_register #(parameter W = 1, parameter ON = 1) (
    input  wire         clk,
    input  wire [W-1:0] d,
    output wire [W-1:0] q
);
    generate
        if (ON != 0) begin : held
            reg [W-1:0] kept;
            always @(posedge clk) kept <= d;
            assign q = kept;
        end else begin : passed
            wire unused = clk;
            assign q = d;
        end
    endgenerate
endmodule
`default_nettype wire
