// The loops of a layer, a step of the array a cycle:
//
//     tiles of LANES channels { units of pixels, in the order of reading { pixels of a fused pool {
//     pieces of a window larger than 3 x 3 { groups of channels } } } }
//
// A unit is PIXELS places of the window, or one place of a fused 2 x 2 pool. Of each step it says where
// the window of each pixel lies (stage 1), which row of constants is read, and what becomes of the sum.
//
// A step waits where its row of weights is not here yet; the last one of a unit also until the results
// before it have left the register that holds them, and until there is room for its own to leave.
`default_nettype none
module sequencer #(
    parameter LANES = 16,
    parameter PIXELS = 1,
    parameter RQ = 4,
    parameter AD = 12,
    parameter RING = 9,
    parameter FIFO = 6
) (
    input  wire                 clk,
    input  wire                 rst,
    input  wire                 start,         // the layer is there from now on
    output wire                 idle,
    // of the layer
    input  wire                 depth, by_word, two, pool, leaves, keep, by_tile, same,
    input  wire [15:0]          rows, columns, // of the source
    input  wire [15:0]          out_rows, out_columns,
    input  wire [AD-1:0]        base, second,  // of the source; of another one, from there on
    input  wire [AD-1:0]        pitch, groups,
    input  wire [15:0]          tiles, steps, out_groups,
    input  wire [3:0]           first_g9, second_g9,
    input  wire [7:0]           kernel_rows, kernel_columns, last_piece_y, last_piece_x,
    input  wire [AD-1:0]        piece_row, piece_column,
    input  wire [7:0]           piece_y, piece_x,
    input  wire [7:0]           stride_y, stride_x,
    input  wire [1:0]           stride_ym, stride_xm,
    input  wire [AD-1:0]        stride_row, stride_column,
    input  wire [15:0]          first_y, first_x,
    input  wire [1:0]           first_ym, first_xm,
    input  wire [7:0]           repeat_y, repeat_x,
    // the ring
    input  wire [RING:0]        written,
    output reg  [RING-1:0]      row_3,
    output reg                  free_4,
    // a step, stage 1: for each pixel
    output reg  [PIXELS*AD-1:0] at_1,
    output reg  [PIXELS*4-1:0]  turn_1,
    output reg  [PIXELS*2-1:0]  ym_1, xm_1,
    output reg  [PIXELS*9-1:0]  outside_1,
    // and for all
    output reg  [8:0]           counts_4,      // which taps are under the kernel
    output wire                 parameters_4,  // the row is one of parameters
    output wire [2:0]           tile_4, tile_7, tile_9,
    output wire                 second_5,      // source
    output wire                 step_7, first_7, last_8, pool_first_8, take_9,
    output wire [7:0]           word_7, words_9,
    output wire [1:0]           pixels_9,
    // results on their way
    input  wire                 result_left,   // the pipeline
    input  wire                 popped,        // the FIFO
    // a cycle each
    output wire                 runs, waits_for_weights, waits_for_room
);
    localparam W = 84 + 2 * AD;
    localparam RW = RQ / 4;
    localparam [31:0] PER_TILE = LANES / 4, PER_TILE_9 = PER_TILE % 9, STEPS = LANES / RQ,
        RW_32 = RW, SHIFT = $clog2(RW), ROOM = 1 << FIFO;
    localparam [1:0] IDLE = 2'd0, PARAMETERS = 2'd1, RUN = 2'd2, DRAIN = 2'd3;
    genvar i, t;

    // -- loops ---------------------------------------------------------------------------------------------
    reg [1:0] state;
    reg [15:0] tile, left;                 // groups of the result, from this tile on
    reg [1:0] sub;                         // cycle of a fused pool
    reg [7:0] py, px;
    reg [15:0] k;
    reg other;                             // source
    reg [RING:0] row, tile_row, layer_row; // of the ring
    wire [15:0] words_now = left >= PER_TILE[15:0] ? PER_TILE[15:0] : left;
    wire [15:0] steps_now = by_tile ? words_now : steps;
    wire k_last = k == steps_now - 16'd1;
    wire source_last = !two || other;
    wire px_last = px == last_piece_x, py_last = py == last_piece_y;
    wire piece_end = k_last && source_last;
    wire sum_end = piece_end && px_last && py_last;
    wire [1:0] last_sub = !pool ? 2'd0 : PIXELS == 2 ? 2'd1 : 2'd3;
    wire sub_last = sub == last_sub;
    wire unit_end = sum_end && sub_last;
    wire tile_last = tile == tiles - 16'd1;
    wire unit_last;                        // of the tile
    wire needs_row = !by_word;

    // -- what may stop a step ------------------------------------------------------------------------------
    wire row_here = row != written;
    reg [7:0] gap;                         // cycles until the held results have left
    reg [FIFO:0] room;                     // entries of the FIFO
    reg [7:0] on_way;                      // results between here and their end
    wire [15:0] in_words = (words_now + RW_32[15:0] - 16'd1) >> SHIFT;
    wire [7:0] words = leaves ? STEPS[7:0] : in_words[7:0];
    wire [1:0] pixels;
    wire [7:0] results = pixels[1] ? {words[6:0], 1'b0} : words;
    wire room_here = !leaves || {{(31-FIFO){1'b0}}, room} >= {24'd0, results};
    wire weights_here = row_here || !needs_row;
    wire held_gone = gap == 8'd0;
    wire go = state == RUN && weights_here && (!unit_end || (held_gone && room_here));
    wire go_parameters = state == PARAMETERS && row_here;
    wire emit = go && unit_end;
    assign runs = go;
    assign waits_for_weights = (state == PARAMETERS && !row_here) || (state == RUN && !weights_here);
    assign waits_for_room = state == RUN && weights_here && unit_end && held_gone && !room_here;
    wire [31:0] after = {{(31-FIFO){1'b0}}, room} + {31'd0, popped}
                      - (emit && leaves ? {24'd0, results} : 32'd0);
    always @(posedge clk) begin
        if (rst) begin
            gap <= 8'd0; room <= ROOM[FIFO:0]; on_way <= 8'd0;
        end else begin
            gap <= emit ? results - 8'd1 : held_gone ? 8'd0 : gap - 8'd1;
            room <= after[FIFO:0];
            on_way <= on_way + (emit ? results : 8'd0) - {7'd0, result_left};
        end
    end
    wire unused = ^{after[31:FIFO+1], in_words[15:8], k[15:8]};

    // -- where the windows lie -----------------------------------------------------------------------------
    reg [PIXELS*W-1:0] places;
    wire [PIXELS*W-1:0] following;
    wire [W-1:0] origin = {16'd0, 16'd0, 8'd0, 8'd0, first_y, first_x, first_ym, first_xm, base, {AD{1'b0}}};
    wire [W-1:0] last_place = pool ? places[0 +: W] : places[(PIXELS-1)*W +: W];
    wire [W-1:0] after_unit;
    walk #(.AD(AD)) onward (.last_column(out_columns - 16'd1), .repeat_y(repeat_y), .repeat_x(repeat_x),
        .step_y({8'd0, stride_y}), .step_x({8'd0, stride_x}), .step_ym(stride_ym), .step_xm(stride_xm),
        .step_row(stride_row), .step_column(stride_column), .pitch(pitch), .groups(groups),
        .first_x(first_x), .first_xm(first_xm), .from(last_place), .to(after_unit));
    assign unit_last = after_unit[W-1 -: 16] >= out_rows;
    assign following[0 +: W] = start || unit_last ? origin : after_unit;
    wire [PIXELS-1:0] inside;              // pixels that there are
    generate for (i = 0; i < PIXELS; i = i + 1) begin : place
        if (i > 0) begin : next
            walk #(.AD(AD)) onward (.last_column(out_columns - 16'd1),
                .repeat_y(repeat_y), .repeat_x(repeat_x),
                .step_y({8'd0, stride_y}), .step_x({8'd0, stride_x}),
                .step_ym(stride_ym), .step_xm(stride_xm),
                .step_row(stride_row), .step_column(stride_column), .pitch(pitch), .groups(groups),
                .first_x(first_x), .first_xm(first_xm),
                .from(following[(i-1)*W +: W]), .to(following[i*W +: W]));
        end
        assign inside[i] = places[(i+1)*W-1 -: 16] != out_rows;
    end endgenerate
    wire unused_inside = ^inside;
    generate if (PIXELS == 2) begin : two_pixels
        assign pixels = !pool && inside[1] ? 2'd2 : 2'd1;
    end else begin : one_pixel
        assign pixels = 2'd1;
    end endgenerate

    // -- groups ---------------------------------------------------------------------------------------------
    reg [AD-1:0] k_address, tile_group, piece_row_now, piece_column_now;
    reg [7:0] piece_y_now, piece_x_now;
    reg [7:0] under_y, under_x;            // of the kernel, at the piece's corner
    reg [3:0] g9, tile_g9;
    wire [3:0] g9_next, tile_g9_next, g9_now, g9_step;
    assign g9_step = depth ? 4'd0 : 4'd1;
    mod9 group_turn (.a(g9), .b(g9_step), .sum(g9_next));
    mod9 tile_turn (.a(tile_g9), .b(PER_TILE_9[3:0]), .sum(tile_g9_next));
    mod9 source_turn (.a(g9), .b(other ? second_g9 : 4'd0), .sum(g9_now));

    assign idle = state == IDLE;
    wire final_row = unit_last && sub_last && (!same || (px_last && py_last));
    wire [RING:0] row_next = row + 1'b1;
    always @(posedge clk) begin
        if (rst) begin
            state <= IDLE; row <= 0;
        end else case (state)
        IDLE: if (start) begin
            state <= PARAMETERS;
            tile <= 16'd0; left <= out_groups;
            sub <= 2'd0; py <= 8'd0; px <= 8'd0; k <= 16'd0; other <= 1'b0;
            layer_row <= row;
            places <= following;
            k_address <= {AD{1'b0}}; tile_group <= {AD{1'b0}};
            piece_row_now <= {AD{1'b0}}; piece_column_now <= {AD{1'b0}};
            piece_y_now <= 8'd0; piece_x_now <= 8'd0; under_y <= 8'd0; under_x <= 8'd0;
            g9 <= first_g9; tile_g9 <= first_g9;
        end
        PARAMETERS: if (row_here) begin
            row <= row_next; tile_row <= row_next;
            state <= RUN;
        end
        RUN: if (go) begin
            if (two) other <= !other;
            if (source_last) begin
                k <= k_last ? 16'd0 : k + 16'd1;
                k_address <= k_last ? {AD{1'b0}} : k_address + (depth ? 9 : 1);
                g9 <= k_last ? tile_g9 : g9_next;
            end
            if (needs_row) row <= (sum_end && !(unit_last && sub_last)) || (piece_end && same && !sum_end)
                ? tile_row : row_next;
            if (piece_end) begin
                px <= px_last ? 8'd0 : px + 8'd1;
                piece_column_now <= px_last ? {AD{1'b0}} : piece_column_now + piece_column;
                piece_x_now <= px_last ? 8'd0 : piece_x_now + piece_x;
                under_x <= px_last ? 8'd0 : under_x + 8'd3;
                if (px_last) begin
                    py <= py_last ? 8'd0 : py + 8'd1;
                    piece_row_now <= py_last ? {AD{1'b0}} : piece_row_now + piece_row;
                    piece_y_now <= py_last ? 8'd0 : piece_y_now + piece_y;
                    under_y <= py_last ? 8'd0 : under_y + 8'd3;
                end
            end
            if (sum_end) sub <= sub_last ? 2'd0 : sub + 2'd1;
            if (unit_end) places <= following;
            if (unit_end && unit_last) begin
                tile <= tile + 16'd1;
                left <= left - PER_TILE[15:0];
                if (by_tile) begin
                    tile_group <= tile_group + PER_TILE[AD-1:0];
                    tile_g9 <= tile_g9_next;
                    g9 <= tile_g9_next;
                end
                state <= tile_last ? DRAIN : PARAMETERS;
                if (tile_last && keep) row <= layer_row;
            end
        end
        default: if (on_way == 8'd0) state <= IDLE;
        endcase
    end

    // -- stage 1 --------------------------------------------------------------------------------------------
    wire [AD-1:0] offset = k_address + tile_group + piece_row_now + piece_column_now
                         + (other ? second : {AD{1'b0}});
    generate for (i = 0; i < PIXELS; i = i + 1) begin : pixel
        localparam [31:0] I = i;
        wire [W-1:0] mine = pool ? places[0 +: W] : places[i*W +: W];
        wire [15:0] y = mine[2*AD+4+16 +: 16], x = mine[2*AD+4 +: 16];
        wire [1:0] ym = mine[2*AD+2 +: 2], xm = mine[2*AD +: 2];
        wire unused_place = ^mine[W-1:2*AD+36];
        wire [1:0] ym_now, xm_now;
        wire [AD-1:0] row_now, column_now;
        // the pixel of a pool's four: with two at once they lie beside each other
        wire down = pool && (PIXELS == 2 ? sub[0] : sub[1]);
        wire right = pool && (PIXELS == 2 ? I[0] : sub[0]);
        thirds #(.AD(AD)) below (.mod(ym), .address(mine[AD +: AD]), .step_mod({1'b0, down}),
            .step_address({AD{1'b0}}), .third(pitch), .next_mod(ym_now), .next_address(row_now));
        thirds #(.AD(AD)) beside (.mod(xm), .address(mine[0 +: AD]), .step_mod({1'b0, right}),
            .step_address({AD{1'b0}}), .third(groups), .next_mod(xm_now), .next_address(column_now));
        wire [15:0] y_now = y + {15'd0, down} + {8'd0, piece_y_now};
        wire [15:0] x_now = x + {15'd0, right} + {8'd0, piece_x_now};
        wire [2:0] row_out, column_out;    // of the window; below 0 is far beyond
        for (t = 0; t < 3; t = t + 1) begin : side
            localparam [31:0] T = t;
            wire [15:0] row_of = y_now + T[15:0], column_of = x_now + T[15:0];
            assign row_out[t] = row_of >= rows;
            assign column_out[t] = column_of >= columns;
        end
        wire [3:0] number = {2'b0, ym_now} + {1'b0, ym_now, 1'b0} + {2'b0, xm_now};
        wire [3:0] turn;
        mod9 pixel_turn (.a(g9_now), .b(depth ? number : 4'd0), .sum(turn));
        always @(posedge clk) begin
            at_1[i*AD +: AD] <= row_now + column_now + offset;
            turn_1[i*4 +: 4] <= turn;
            ym_1[i*2 +: 2] <= ym_now;
            xm_1[i*2 +: 2] <= xm_now;
        end
        for (t = 0; t < 9; t = t + 1) begin : tap
            localparam R = t / 3, C = t % 3;
            always @(posedge clk) outside_1[i*9+t] <= depth ? row_out[0] || column_out[0]
                                                            : row_out[R] || column_out[C];
        end
    end endgenerate

    // -- what travels with a step ---------------------------------------------------------------------------
    reg [8:0] counts_1, counts_2, counts_3;
    generate for (t = 0; t < 9; t = t + 1) begin : count
        localparam [31:0] R = t / 3, C = t % 3;
        wire [7:0] y_under = under_y + R[7:0], x_under = under_x + C[7:0];
        always @(posedge clk) counts_1[t] <= y_under < kernel_rows && x_under < kernel_columns;
    end endgenerate
    localparam CW = 28;
    reg [CW-1:0] passing_1, passing_2, passing_3, passing_4, passing_5, passing_6, passing_7, passing_8, passing_9;
    reg [RING-1:0] row_1, row_2;
    reg free_1, free_2, free_3;
    wire sum_first = k == 16'd0 && !other && px == 8'd0 && py == 8'd0;
    always @(posedge clk) begin
        passing_1 <= {go_parameters, emit, go && sum_end, go && sum_first, sub == 2'd0, other, pixels,
                   tile[2:0], words, k[7:0], go};
        if (rst) {passing_1[CW-1 -: 4], passing_1[0]} <= 5'd0;
        passing_2 <= passing_1; passing_3 <= passing_2; passing_4 <= passing_3; passing_5 <= passing_4;
        passing_6 <= passing_5; passing_7 <= passing_6; passing_8 <= passing_7; passing_9 <= passing_8;
        counts_2 <= counts_1; counts_3 <= counts_2; counts_4 <= counts_3;
        row_1 <= row[RING-1:0]; row_2 <= row_1; row_3 <= row_2;
        free_1 <= !keep && !rst && (go_parameters || (go && needs_row && final_row));
        free_2 <= free_1; free_3 <= free_2; free_4 <= free_3;
    end
    assign parameters_4 = passing_4[27];
    assign take_9 = passing_9[26];
    assign last_8 = passing_8[25];
    assign step_7 = passing_7[0];
    assign first_7 = passing_7[24];
    assign pool_first_8 = passing_8[23];
    assign second_5 = passing_5[22];
    assign pixels_9 = passing_9[21:20];
    assign tile_4 = passing_4[19:17];
    assign tile_7 = passing_7[19:17];
    assign tile_9 = passing_9[19:17];
    assign words_9 = passing_9[16:9];
    assign word_7 = passing_7[8:1];
    wire unused_steps = ^{passing_9, passing_8[22:0]};
endmodule
`default_nettype wire
