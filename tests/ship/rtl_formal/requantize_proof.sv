// The whole unit, registers and all, is section 3 of docs/integer-arithmetic.md REGISTERS cycles late,
// one result a cycle: as nothing goes back, that holds always if
// it holds once from any state, REGISTERS cycles later. Sums are narrow here: the width of a multiplication is a parameter of it.
module requantize_proof #(
    parameter A = 3, parameter REGISTERS = 3,
    parameter [30:0] BITS = 31'h4003_0001,     // which bits a factor may have
    parameter [5:0] SHIFTS = 6'h3f
) (
    input clk, in_valid,
    input signed [A-1:0] sum,
    input [30:0] any_pos, any_neg,
    input [5:0] any_shift,
    input [7:0] zero, low, high
);
    wire [30:0] m_pos = any_pos & BITS, m_neg = any_neg & BITS;
    wire [5:0] shift = any_shift & SHIFTS;
    reg [23:0] before;
    wire out_valid;
    wire [7:0] y;
    requantize #(.A(A), .REGISTERS(REGISTERS)) unit (
        .clk(clk), .in_valid(in_valid), .sum(sum), .m_pos(m_pos), .m_neg(m_neg), .shift(shift),
        .zero(zero), .low(low), .high(high), .out_valid(out_valid), .y(y));

    wire signed [67:0] factor = $signed({37'b0, sum < 0 ? m_neg : m_pos});
    wire signed [67:0] half = 68'sd1 <<< (shift - 1);
    wire signed [67:0] product = sum * factor;
    wire signed [67:0] placed = ((product + half) >>> shift) + $signed({60'b0, zero});
    wire signed [67:0] above = placed < $signed({60'b0, low}) ? $signed({60'b0, low}) : placed;
    wire signed [67:0] want = above > $signed({60'b0, high}) ? $signed({60'b0, high}) : above;

    reg [7:0] wanted [1:REGISTERS];
    reg [REGISTERS:1] valid;
    integer i;
    always @(posedge clk) begin
        before <= {zero, low, high};
        wanted[1] <= want[7:0];
        valid[1] <= in_valid;
        for (i = 1; i < REGISTERS; i = i + 1) begin
            wanted[i + 1] <= wanted[i];
            valid[i + 1] <= valid[i];
        end
    end
    always @* begin
        assume (low <= high);
        assume (before == {zero, low, high});
        assume (shift >= 1 && shift <= 62);
        assert (out_valid == valid[REGISTERS]);
        assert (y == wanted[REGISTERS]);
    end
endmodule
