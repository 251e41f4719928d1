// The last bit is the half: floor((a + 1) / 2) of a = floor(v / 2^(s-1)) is floor(v / 2^s + 1/2).
`default_nettype none
module round_and_clamp (
    input  wire signed [9:0] held,
    input  wire [7:0]        zero,
    input  wire [7:0]        low,
    input  wire [7:0]        high,
    output wire [7:0]        y
);
    // -256 ... 256, then -256 ... 511
    wire signed [9:0] rounded = $signed({held[9], held[9:1]}) + $signed({9'b0, held[0]});
    wire signed [10:0] placed = $signed({rounded[9], rounded}) + $signed({3'b0, zero});
    assign y = placed < $signed({3'b0, low}) ? low
             : placed > $signed({3'b0, high}) ? high
             : placed[7:0];
endmodule
`default_nettype wire
