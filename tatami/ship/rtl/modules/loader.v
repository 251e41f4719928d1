// Maps from outside into the map memory, a word a cycle: planes of `per_pixel` words a pixel, each in
// the order of reading. A word is offered to the map memory a cycle after its beat is there, and stays
// until its bank is free.
`default_nettype none
module loader #(
    parameter BUS = 8,
    parameter AD = 12
) (
    input  wire             clk,
    input  wire             rst,
    input  wire             start,
    input  wire [6*32-1:0]  command,
    output wire             idle,
    input  wire             m_valid,
    output wire             m_ready,
    input  wire [BUS*8-1:0] m_data,
    output reg              load,
    output reg  [3:0]       bank,
    output reg  [AD-1:0]    address,
    output reg  [31:0]      data,
    input  wire             taken
);
    localparam WORDS = BUS / 4;
    localparam WD = WORDS > 1 ? $clog2(WORDS) : 1;
    localparam [31:0] LAST = WORDS - 1;
    reg [AD-1:0] base, pitch, groups;
    reg [15:0] last_row, last_column, last_plane, per_pixel, written;
    reg [1:0] first_ym;
    wire unused = ^command;
    reg resting;
    assign idle = resting && !load;

    // -- beats to words -----------------------------------------------------------------------------------
    reg [WD-1:0] place;
    wire step;
    wire last_word;                        // of the command: the rest of its beat is nothing
    wire word_end = place == LAST[WD-1:0] || last_word;
    assign m_ready = step && word_end;
    wire [31:0] word;
    generate if (WORDS > 1) begin : several
        assign word = m_data[{{(32-WD){1'b0}}, place}*32 +: 32];
    end else begin : one
        assign word = m_data;
    end endgenerate

    // -- where each lies ----------------------------------------------------------------------------------
    reg [15:0] plane, y, x, w;
    reg [15:0] number, plane_number;       // of the group
    reg [AD-1:0] group, plane_group, row, column;
    reg [1:0] ym, xm;
    reg [3:0] g9, plane_g9;
    wire w_last = w == per_pixel - 16'd1, x_last = x == last_column, y_last = y == last_row;
    assign last_word = w_last && x_last && y_last && plane == last_plane;
    wire [1:0] ym_next, xm_next;
    wire [AD-1:0] row_next, column_next;
    wire [3:0] g9_next, pixel_turn, turn;
    thirds #(.AD(AD)) down (.mod(ym), .address(row), .step_mod(2'd1), .step_address({AD{1'b0}}),
        .third(pitch), .next_mod(ym_next), .next_address(row_next));
    thirds #(.AD(AD)) right (.mod(xm), .address(column), .step_mod(2'd1), .step_address({AD{1'b0}}),
        .third(groups), .next_mod(xm_next), .next_address(column_next));
    mod9 word_turn (.a(g9), .b(4'd1), .sum(g9_next));
    assign pixel_turn = {2'b0, ym} + {1'b0, ym, 1'b0} + {2'b0, xm};
    mod9 whole_turn (.a(pixel_turn), .b(g9), .sum(turn));
    assign step = m_valid && !resting && (!load || taken);
    always @(posedge clk) begin
        if (rst) begin
            resting <= 1'b1; load <= 1'b0; place <= {WD{1'b0}};
        end else begin
            if (taken) load <= 1'b0;
            if (start) begin
                resting <= 1'b0;
                base <= command[AD-1:0];
                pitch <= command[32 +: AD];
                groups <= command[48 +: AD];
                last_row <= command[64 +: 16] - 16'd1;
                last_column <= command[80 +: 16] - 16'd1;
                last_plane <= command[96 +: 16] - 16'd1;
                per_pixel <= command[112 +: 16];
                first_ym <= command[129:128];
                written <= command[175:160];
                plane <= 16'd0; y <= 16'd0; x <= 16'd0; w <= 16'd0;
                number <= 16'd0; plane_number <= 16'd0;
                group <= {AD{1'b0}}; plane_group <= {AD{1'b0}};
                row <= command[AD-1:0]; column <= {AD{1'b0}};
                ym <= command[129:128]; xm <= 2'd0;
                g9 <= command[135:132]; plane_g9 <= command[135:132];
                place <= {WD{1'b0}};
            end else if (step) begin
                place <= word_end ? {WD{1'b0}} : place + 1'b1;
                load <= number < written;
                bank <= turn;
                address <= row + column + group;
                data <= word;
                w <= w_last ? 16'd0 : w + 16'd1;
                number <= w_last ? plane_number : number + 16'd1;
                group <= w_last ? plane_group : group + 1'b1;
                g9 <= w_last ? plane_g9 : g9_next;
                if (w_last) begin
                    x <= x_last ? 16'd0 : x + 16'd1;
                    xm <= x_last ? 2'd0 : xm_next;
                    column <= x_last ? {AD{1'b0}} : column_next;
                end
                if (w_last && x_last) begin
                    y <= y_last ? 16'd0 : y + 16'd1;
                    ym <= y_last ? first_ym : ym_next;
                    row <= y_last ? base : row_next;
                end
                if (w_last && x_last && y_last) begin
                    plane <= plane + 16'd1;
                    plane_number <= number + 16'd1;
                    number <= number + 16'd1;
                    plane_group <= group + 1'b1;
                    group <= group + 1'b1;
                    plane_g9 <= g9_next;
                    g9 <= g9_next;
                    if (last_word) resting <= 1'b1;
                end
            end
        end
    end
endmodule
`default_nettype wire
