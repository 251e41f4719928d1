// Tatami's engine: LANES output channels x PIXELS pixels x 36 products (3 x 3 taps of four channels, or
// 36 channels of one tap) a cycle. Commands say what; constants, maps in and maps out are streams.
//
//     constants -> ring -> parameters ----+----------.
//                       '-------------------v          v
//     maps in -> loader -> maps -> window -> array -> results -> table -> writer -> maps
//     commands -> sequencer ---^                                     '-> outlet -> maps out
//
// docs/integer-arithmetic.md is what it computes; commands.py says what each stream brings and what each
// field of a command means. A step of the array is a cycle. After the last step of a window the sums are
// whole in cycle 9 (stages are numbered in the names), the requantizers take the first of them in cycle
// 11, and its byte is in the map memory RQ_REGISTERS + 3 cycles later.
`default_nettype none
module tatami_core #(
    parameter LANES = 16,                  // output channels at once: a multiple of RQ and of BUS
    parameter PIXELS = 1,                  // pixels at once: 1 or 2
    parameter RQ = 4,                      // requantizers: 4, 8, 16; at most BUS
    parameter RQ_REGISTERS = 3,            // 3 or 5
    parameter BUS = 8,                     // bytes a beat; divides LANES * 36
    parameter ACC = 32,                    // bits of a sum: 23 ... 32
    parameter MAP = 4096,                  // words of 4 bytes in each of nine banks, at most 65,536
    parameter RING = 9,                    // log2 of the rows of constants
    parameter FIFO = 6,                    // log2 of the results that may wait to leave
    parameter PACK = 1                     // two products a multiplier: 1 of 25 x 18 bits, 18 of 18 x 18; 0: one
) (
    input  wire             clk,
    input  wire             rst,
    input  wire             c_valid,       // commands
    output wire             c_ready,
    input  wire [31:0]      c_data,
    input  wire             w_valid,       // constants
    output wire             w_ready,
    input  wire [BUS*8-1:0] w_data,
    input  wire             m_valid,       // maps in
    output wire             m_ready,
    input  wire [BUS*8-1:0] m_data,
    output wire             o_valid,       // maps and sums out
    input  wire             o_ready,
    output wire [BUS*8-1:0] o_data,
    output wire             done,
    output reg  [31:0]      count_cycles, count_run, count_weights, count_maps, count_out
);
    localparam AD = $clog2(MAP);
    localparam WORDS = 24;                 // of a command
    localparam [31:0] STEPS = LANES / RQ;
    genvar p;

    // -- commands ---------------------------------------------------------------------------------------------
    wire [WORDS*32-1:0] payload;
    wire layer_start, load_start, layer_idle, load_idle, empty, begins, waits_for_load;
    wire sequencer_idle, table_write;
    wire [5:0] table_word;
    commands #(.WORDS(WORDS)) command (.clk(clk), .rst(rst), .c_valid(c_valid), .c_ready(c_ready),
        .c_data(c_data), .layer_idle(layer_idle), .load_idle(load_idle), .empty(empty),
        .payload(payload), .layer_start(layer_start), .load_start(load_start),
        .table_write(table_write), .table_word(table_word), .done(done),
        .begins(begins), .waits_for_load(waits_for_load));
    reg [WORDS*32-1:0] d;                  // the layer
    reg begin_layer;
    always @(posedge clk) begin
        if (layer_start) d <= payload;
        begin_layer <= layer_start && !rst;
    end
    assign layer_idle = sequencer_idle && !begin_layer;

    // -- a layer's fields; commands.py has the same ------------------------------------------------------------
    wire depth = d[0], by_word = d[1], keep_largest = d[2], two = d[3], pool = d[4], raw = d[5],
         to_map = d[6], to_stream = d[7], keep = d[8], by_tile = d[9], same = d[10],
         through_table = d[11];
    wire [15:0] rows = d[1*32 +: 16], columns = d[1*32+16 +: 16];
    wire [15:0] out_rows = d[2*32 +: 16], out_columns = d[2*32+16 +: 16];
    wire [AD-1:0] base = d[3*32 +: AD], second = d[4*32 +: AD];
    wire [AD-1:0] pitch = d[5*32 +: AD], groups = d[5*32+16 +: AD];
    wire [15:0] tiles = d[6*32 +: 16], steps = d[6*32+16 +: 16];
    wire [15:0] out_words = d[7*32 +: 16];
    wire [3:0] first_g9 = d[7*32+16 +: 4], second_g9 = d[7*32+20 +: 4];
    wire [7:0] kernel_rows = d[8*32 +: 8], kernel_columns = d[8*32+8 +: 8];
    wire [7:0] last_piece_y = d[8*32+16 +: 8], last_piece_x = d[8*32+24 +: 8];
    wire [AD-1:0] piece_row = d[9*32 +: AD], piece_column = d[9*32+16 +: AD];
    wire [7:0] piece_y = d[10*32 +: 8], piece_x = d[10*32+8 +: 8];
    wire [7:0] repeat_y = d[10*32+16 +: 8], repeat_x = d[10*32+24 +: 8];
    wire [7:0] stride_y = d[11*32 +: 8], stride_x = d[11*32+8 +: 8];
    wire [1:0] stride_ym = d[11*32+16 +: 2], stride_xm = d[11*32+18 +: 2];
    wire [AD-1:0] stride_row = d[12*32 +: AD], stride_column = d[12*32+16 +: AD];
    wire [15:0] first_y = d[13*32 +: 16], first_x = d[13*32+16 +: 16];
    wire [1:0] first_ym = d[14*32 +: 2], first_xm = d[14*32+2 +: 2];
    wire [1:0] out_ym = d[14*32+4 +: 2], out_xm = d[14*32+6 +: 2];
    wire [3:0] out_g9 = d[14*32+8 +: 4];
    wire [1:0] out_step_ym = d[14*32+12 +: 2], out_step_xm = d[14*32+14 +: 2];
    wire [AD-1:0] out_base = d[15*32 +: AD];
    wire [AD-1:0] out_pitch = d[16*32 +: AD], out_groups = d[16*32+16 +: AD];
    wire [7:0] fill = d[17*32 +: 8], zero = d[17*32+8 +: 8], low = d[17*32+16 +: 8], high = d[17*32+24 +: 8];
    wire signed [22:0] factor = d[18*32 +: 23], second_factor = d[19*32 +: 23];
    wire [AD-1:0] out_step_row = d[20*32 +: AD], out_step_column = d[20*32+16 +: AD];
    wire unused = ^d;

    // -- constants ----------------------------------------------------------------------------------------------
    wire [RING:0] written;
    wire [RING-1:0] row_3;
    wire free_4;
    wire [LANES*36*8-1:0] row_4;
    ring #(.LANES(LANES), .BUS(BUS), .DEPTH(RING)) constants (.clk(clk), .rst(rst), .w_valid(w_valid),
        .w_ready(w_ready), .w_data(w_data), .written(written), .free(free_4), .row(row_3), .data(row_4));

    // -- sequencer ----------------------------------------------------------------------------------------------
    wire [PIXELS*AD-1:0] at_1;
    wire [PIXELS*4-1:0] turn_1;
    wire [PIXELS*2-1:0] ym_1, xm_1;
    wire [PIXELS*9-1:0] outside_1;
    wire [8:0] counts_4;
    wire parameters_4, second_5, step_7, first_7, last_8, pool_first_8, take_9, popped;
    wire [2:0] tile_4, tile_7, tile_9;
    wire [7:0] word_7, words_9;
    wire [1:0] pixels_9;
    wire sums_valid, bytes_valid, runs, waits_for_weights, waits_for_room;
    sequencer #(.LANES(LANES), .PIXELS(PIXELS), .RQ(RQ), .AD(AD), .RING(RING), .FIFO(FIFO)) loops (
        .clk(clk), .rst(rst), .start(begin_layer), .idle(sequencer_idle),
        .depth(depth), .by_word(by_word), .two(two), .pool(pool), .leaves(raw || to_stream), .keep(keep),
        .by_tile(by_tile), .same(same), .rows(rows), .columns(columns),
        .out_rows(out_rows), .out_columns(out_columns), .base(base), .second(second),
        .pitch(pitch), .groups(groups), .tiles(tiles), .steps(steps), .out_groups(out_words),
        .first_g9(first_g9), .second_g9(second_g9),
        .kernel_rows(kernel_rows), .kernel_columns(kernel_columns),
        .last_piece_y(last_piece_y), .last_piece_x(last_piece_x),
        .piece_row(piece_row), .piece_column(piece_column), .piece_y(piece_y), .piece_x(piece_x),
        .stride_y(stride_y), .stride_x(stride_x), .stride_ym(stride_ym), .stride_xm(stride_xm),
        .stride_row(stride_row), .stride_column(stride_column), .first_y(first_y), .first_x(first_x),
        .first_ym(first_ym), .first_xm(first_xm), .repeat_y(repeat_y), .repeat_x(repeat_x),
        .written(written), .row_3(row_3), .free_4(free_4), .at_1(at_1), .turn_1(turn_1),
        .ym_1(ym_1), .xm_1(xm_1), .outside_1(outside_1), .counts_4(counts_4),
        .parameters_4(parameters_4), .tile_4(tile_4), .tile_7(tile_7), .tile_9(tile_9),
        .second_5(second_5), .step_7(step_7), .first_7(first_7), .last_8(last_8), .pool_first_8(pool_first_8),
        .take_9(take_9), .word_7(word_7), .words_9(words_9), .pixels_9(pixels_9),
        .result_left(sums_valid || bytes_valid), .popped(popped),
        .runs(runs), .waits_for_weights(waits_for_weights), .waits_for_room(waits_for_room));
    wire [LANES*ACC-1:0] start_7;
    wire [2:0] tile_r;
    wire [7:0] word_r;
    wire [RQ*68-1:0] factors_r;
    parameters #(.LANES(LANES), .RQ(RQ), .ACC(ACC)) of_tiles (.clk(clk), .write_4(parameters_4),
        .tile_4(tile_4), .row_4(row_4[LANES*128-1:0]), .tile_7(tile_7), .start_7(start_7),
        .tile_r(tile_r), .word_r(word_r), .factors_r(factors_r));

    // -- maps, and the array of each pixel ----------------------------------------------------------------------
    wire [PIXELS*9*AD-1:0] address_2;
    wire [PIXELS*9*32-1:0] words_3;
    wire [PIXELS*LANES*ACC-1:0] sums_9;
    wire [RQ/4-1:0] write;
    wire [RQ/4*4-1:0] write_bank;
    wire [RQ/4*AD-1:0] write_address;
    wire [RQ*8-1:0] write_data;
    wire load, load_taken;
    wire [3:0] load_bank;
    wire [AD-1:0] load_address;
    wire [31:0] load_data;
    maps #(.MAP(MAP), .AD(AD), .PIXELS(PIXELS), .WRITES(RQ/4)) memory (.clk(clk), .address(address_2),
        .data(words_3), .write(write), .write_bank(write_bank), .write_address(write_address),
        .write_data(write_data), .load(load), .load_bank(load_bank), .load_address(load_address),
        .load_data(load_data), .load_taken(load_taken));
    reg signed [22:0] factor_5;
    always @* factor_5 = second_5 ? second_factor : factor;
    generate for (p = 0; p < PIXELS; p = p + 1) begin : pixel
        wire [9*32-1:0] taps_4;
        wire [4*ACC-1:0] values_7;
        window #(.AD(AD)) looks (.clk(clk), .depth(depth), .pitch(pitch), .groups(groups), .fill(fill),
            .at(at_1[p*AD +: AD]), .turn(turn_1[p*4 +: 4]), .ym(ym_1[p*2 +: 2]), .xm(xm_1[p*2 +: 2]),
            .outside(outside_1[p*9 +: 9]), .address(address_2[p*9*AD +: 9*AD]),
            .words(words_3[p*9*32 +: 9*32]), .taps(taps_4));
        words #(.ACC(ACC)) values (.clk(clk), .taps_4(taps_4), .counts_4(counts_4), .factor_5(factor_5),
            .values_7(values_7));
        array #(.LANES(LANES), .ACC(ACC), .PACK(PACK)) sums (.clk(clk), .taps_4(taps_4), .weights_4(row_4),
            .by_word(by_word), .keep_largest(keep_largest), .values_7(values_7), .word_7(word_7),
            .step_7(step_7), .first_7(first_7), .start_7(start_7), .last_8(last_8), .pool_first_8(pool_first_8),
            .best_9(sums_9[p*LANES*ACC +: LANES*ACC]));
    end endgenerate

    // -- results ------------------------------------------------------------------------------------------------
    wire [RQ*32-1:0] sums;
    wire bytes_first;                      // before the table
    wire [RQ*8-1:0] bytes_before, bytes;
    results #(.LANES(LANES), .PIXELS(PIXELS), .RQ(RQ), .RQ_REGISTERS(RQ_REGISTERS), .ACC(ACC)) leaving (
        .clk(clk), .rst(rst), .pool(pool), .raw(raw), .zero(zero), .low(low), .high(high),
        .take_9(take_9), .sums_9(sums_9), .tile_9(tile_9), .words_9(words_9), .pixels_9(pixels_9),
        .tile_r(tile_r), .word_r(word_r), .factors_r(factors_r), .sums_valid(sums_valid), .sums(sums),
        .bytes_valid(bytes_first), .bytes(bytes_before));
    table_of_bytes #(.RQ(RQ)) function_of (.clk(clk), .rst(rst), .write(table_write),
        .write_word(table_word), .write_data(c_data), .through(through_table),
        .in_valid(bytes_first), .in(bytes_before), .out_valid(bytes_valid), .out(bytes));
    writer #(.LANES(LANES), .RQ(RQ), .AD(AD)) back (.clk(clk), .start(begin_layer), .to_map(to_map),
        .full_words(STEPS[7:0]), .always_full(to_stream), .groups_written(out_words),
        .last_row(out_rows - 16'd1), .last_column(out_columns - 16'd1), .base(out_base),
        .pitch(out_pitch), .groups(out_groups), .step_ym(out_step_ym), .step_xm(out_step_xm),
        .step_row(out_step_row), .step_column(out_step_column), .first_ym(out_ym), .first_xm(out_xm), .first_g9(out_g9),
        .valid(bytes_valid), .bytes(bytes), .write(write), .bank(write_bank), .address(write_address),
        .data(write_data));
    wire outlet_empty;
    outlet #(.RQ(RQ), .BUS(BUS), .DEPTH(FIFO)) out (.clk(clk), .rst(rst),
        .push(sums_valid || (bytes_valid && to_stream)), .push_raw(raw),
        .push_data(raw ? sums : {{(RQ*24){1'b0}}, bytes}), .popped(popped), .empty(outlet_empty),
        .o_valid(o_valid), .o_ready(o_ready), .o_data(o_data));
    assign empty = outlet_empty;

    loader #(.BUS(BUS), .AD(AD)) maps_in (.clk(clk), .rst(rst), .start(load_start),
        .command(payload[6*32-1:0]), .idle(load_idle), .m_valid(m_valid), .m_ready(m_ready),
        .m_data(m_data), .load(load), .bank(load_bank), .address(load_address), .data(load_data),
        .taken(load_taken));

    // -- counters: of a program, from its first word until done ---------------------------------------------------
    reg counts;
    always @(posedge clk) begin
        if (rst || begins) begin
            counts <= begins && !rst;
            count_cycles <= 32'd0; count_run <= 32'd0; count_weights <= 32'd0;
            count_maps <= 32'd0; count_out <= 32'd0;
        end else if (counts && !done) begin
            count_cycles <= count_cycles + 32'd1;
            if (runs) count_run <= count_run + 32'd1;
            if (waits_for_weights) count_weights <= count_weights + 32'd1;
            if (waits_for_load) count_maps <= count_maps + 32'd1;
            if (waits_for_room) count_out <= count_out + 32'd1;
        end
    end
endmodule
`default_nettype wire
