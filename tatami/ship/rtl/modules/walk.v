// From one place of a window to the next, in the order of reading. A place is
//
//     {out row, out column, how often repeated (rows, columns),
//      row, column of the window's corner, row mod 3, column mod 3, address of rows, of columns}
//
// Each place is repeated along either axis before the window moves on: a nearest resize.
`default_nettype none
module walk #(parameter AD = 12, parameter W = 84 + 2 * AD) (
    input  wire [15:0]   last_column,      // of the result
    input  wire [7:0]    repeat_y, repeat_x,   // times, less 1
    input  wire [15:0]   step_y, step_x,   // pixels
    input  wire [1:0]    step_ym, step_xm, // the same mod 3
    input  wire [AD-1:0] step_row, step_column, // and in whole thirds
    input  wire [AD-1:0] pitch, groups,    // a third of rows, of columns
    input  wire [15:0]   first_x,          // where each row begins
    input  wire [1:0]    first_xm,
    input  wire [W-1:0]  from,
    output wire [W-1:0]  to
);
    wire [15:0] oy, ox, y, x;
    wire [7:0] ry, rx;
    wire [1:0] ym, xm, ym_next, xm_next;
    wire [AD-1:0] row, column, row_next, column_next;
    assign {oy, ox, ry, rx, y, x, ym, xm, row, column} = from;
    thirds #(.AD(AD)) down (.mod(ym), .address(row), .step_mod(step_ym), .step_address(step_row),
        .third(pitch), .next_mod(ym_next), .next_address(row_next));
    thirds #(.AD(AD)) right (.mod(xm), .address(column), .step_mod(step_xm),
        .step_address(step_column), .third(groups), .next_mod(xm_next), .next_address(column_next));
    wire wrap = ox == last_column;
    wire move_x = rx == repeat_x, move_y = ry == repeat_y;
    wire [7:0] ry_next = move_y ? 8'd0 : ry + 8'd1;
    wire [7:0] rx_next = move_x ? 8'd0 : rx + 8'd1;
    assign to = {
        wrap ? oy + 16'd1 : oy,
        wrap ? 16'd0 : ox + 16'd1,
        wrap ? ry_next : ry,
        wrap ? 8'd0 : rx_next,
        wrap && move_y ? y + step_y : y,
        wrap ? first_x : move_x ? x + step_x : x,
        wrap && move_y ? ym_next : ym,
        wrap ? first_xm : move_x ? xm_next : xm,
        wrap && move_y ? row_next : row,
        wrap ? {AD{1'b0}} : move_x ? column_next : column};
endmodule
`default_nettype wire
