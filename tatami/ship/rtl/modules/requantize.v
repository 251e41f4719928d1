// From a sum to a byte, to the bit as docs/integer-arithmetic.md, section 3, has it:
//
//     y = min(max(zero + ((sum * m + 2^(shift-1)) >> shift), low), high)
//
// with m = m_neg where sum < 0, which is a leaky ReLU, and m_pos elsewhere.
//
// One result a cycle, REGISTERS of them (3 or 5) from in_valid to out_valid:
//
//     3:  operands | two products |                       | byte
//     5:  operands | two products | product | held | byte         for a higher clock
//
// The multiplier is cut after 17 bits, so that each product is one DSP48E1 up to A = 25, one DSP48E2
// up to A = 27, and one multiplier of an ECP5 up to A = 18. zero, low and high are a layer's: they
// must not change while a result is on its way.
`default_nettype none
module requantize #(
    parameter A = 32,               // bits of a sum, its sign included: 2 ... 32
    parameter REGISTERS = 3
) (
    input  wire                clk,
    input  wire                in_valid,
    input  wire signed [A-1:0] sum,
    input  wire [30:0]         m_pos,
    input  wire [30:0]         m_neg,
    input  wire [5:0]          shift,          // 1 ... 62
    input  wire [7:0]          zero,
    input  wire [7:0]          low,
    input  wire [7:0]          high,           // low <= high
    output wire                out_valid,
    output wire [7:0]          y
);
    localparam DEEP = REGISTERS == 5;
    localparam P = A + 31;                     // |sum| <= 2^(A-1) and m < 2^31

    // -- operands, then two products ---------------------------------------------------------------
    reg signed [A-1:0]  sum_1;
    reg [30:0]          m_1;
    reg [5:0]           shift_1, shift_2;
    reg                 valid_1, valid_2;
    reg signed [A+16:0] lower_2;
    reg signed [A+13:0] upper_2;
    always @(posedge clk) begin
        valid_1 <= in_valid;
        sum_1   <= sum;
        m_1     <= sum[A-1] ? m_neg : m_pos;
        shift_1 <= shift;
        valid_2 <= valid_1;
        lower_2 <= sum_1 * $signed({1'b0, m_1[16:0]});
        upper_2 <= sum_1 * $signed({1'b0, m_1[30:17]});
        shift_2 <= shift_1;
    end

    // -- product, shifted and held, byte: with or without registers between ------------------------
    wire signed [P-1:0] product_3;
    wire [5:0]          shift_3;
    wire                valid_3, valid_4;
    wire signed [9:0]   held_4;
    wire signed [P-1:0] product = $signed({upper_2, 17'b0}) + $signed({{14{lower_2[A+16]}}, lower_2});
    optional_register #(.W(P + 7), .ON(DEEP)) third (
        .clk(clk), .d({product, shift_2, valid_2}), .q({product_3, shift_3, valid_3}));

    wire signed [9:0] held;
    shift_and_hold #(.P(P)) shifter (.product(product_3), .shift(shift_3), .held(held));
    optional_register #(.W(11), .ON(DEEP)) fourth (
        .clk(clk), .d({held, valid_3}), .q({held_4, valid_4}));

    wire [7:0] byte_4;
    round_and_clamp last (.held(held_4), .zero(zero), .low(low), .high(high), .y(byte_4));
    optional_register #(.W(9), .ON(1)) fifth (
        .clk(clk), .d({byte_4, valid_4}), .q({y, out_valid}));
endmodule
`default_nettype wire
