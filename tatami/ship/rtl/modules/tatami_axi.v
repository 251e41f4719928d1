// The engine as a peripheral: AXI4 for its memory (one read and one write port, bursts that cross no
// 4 KiB), AXI-Lite for its registers, an interrupt. One clock; aresetn is active low and synchronous.
//
//     registers --- start --> program reader --> program --> commands --> core
//     AXI read  --> constants reader, maps reader -----------------------^   |
//     AXI write <-- write port <--------------------------------------- maps out
//
// A program and all that it names lie within 4 GiB from a base, which is a multiple of 4 KiB.
`default_nettype none
module tatami_axi #(
    parameter LANES = 16,                  // the core's own: see tatami_core
    parameter PIXELS = 1,
    parameter RQ = 4,
    parameter RQ_REGISTERS = 3,
    parameter BUS = 8,                     // bytes of a beat of AXI4
    parameter ACC = 32,
    parameter MAP = 4096,
    parameter RING = 9,
    parameter FIFO = 6,
    parameter PACK = 1,
    parameter ADDRESS = 32,                // bits of an address of AXI4: 32 ... 64
    parameter BURST = 16,                  // beats of a burst at most: 16 suits AXI3 too, AXI4 has 256
    parameter AHEAD = 7                    // log2 of the beats that each stream may be ahead
) (
    input  wire               aclk,
    input  wire               aresetn,
    output wire               irq,
    // memory, read
    output wire [ADDRESS-1:0] m_axi_araddr,
    output wire [7:0]         m_axi_arlen,
    output wire [2:0]         m_axi_arsize,
    output wire [1:0]         m_axi_arburst,
    output wire [3:0]         m_axi_arcache,
    output wire [2:0]         m_axi_arprot,
    output wire               m_axi_arvalid,
    input  wire               m_axi_arready,
    input  wire [BUS*8-1:0]   m_axi_rdata,
    input  wire [1:0]         m_axi_rresp,
    input  wire               m_axi_rlast,
    input  wire               m_axi_rvalid,
    output wire               m_axi_rready,
    // memory, write
    output wire [ADDRESS-1:0] m_axi_awaddr,
    output wire [7:0]         m_axi_awlen,
    output wire [2:0]         m_axi_awsize,
    output wire [1:0]         m_axi_awburst,
    output wire [3:0]         m_axi_awcache,
    output wire [2:0]         m_axi_awprot,
    output wire               m_axi_awvalid,
    input  wire               m_axi_awready,
    output wire [BUS*8-1:0]   m_axi_wdata,
    output wire [BUS-1:0]     m_axi_wstrb,
    output wire               m_axi_wlast,
    output wire               m_axi_wvalid,
    input  wire               m_axi_wready,
    input  wire [1:0]         m_axi_bresp,
    input  wire               m_axi_bvalid,
    output wire               m_axi_bready,
    // registers
    input  wire [7:0]         s_axi_awaddr,
    input  wire               s_axi_awvalid,
    output wire               s_axi_awready,
    input  wire [31:0]        s_axi_wdata,
    input  wire [3:0]         s_axi_wstrb,
    input  wire               s_axi_wvalid,
    output wire               s_axi_wready,
    output wire [1:0]         s_axi_bresp,
    output wire               s_axi_bvalid,
    input  wire               s_axi_bready,
    input  wire [7:0]         s_axi_araddr,
    input  wire               s_axi_arvalid,
    output wire               s_axi_arready,
    output wire [31:0]        s_axi_rdata,
    output wire [1:0]         s_axi_rresp,
    output wire               s_axi_rvalid,
    input  wire               s_axi_rready
);
    localparam [31:0] VERSION = 32'h0001_0000;       // of registers and commands: major, minor
    localparam LB = $clog2(BUS);
    localparam [31:0] LANES_ = LANES, PIXELS_ = PIXELS, RQ_ = RQ, ACC_ = ACC, MAP_ = MAP, RING_ = RING,
                      LB_ = LB;
    localparam [31:0] SHAPE = {RQ_[7:0], PIXELS_[7:0], LANES_[15:0]};
    localparam [31:0] MEMORY = {LB_[2:0], RING_[4:0], ACC_[5:0], 1'b0, MAP_[16:0]};
    localparam COUNTERS = 11;
    genvar i;

    // -- state of a program -----------------------------------------------------------------------------
    wire start, reset;
    reg running, stopping;
    reg [5:0] resetting;                   // cycles that a reset goes on: what is in pipelines runs out
    reg [4:0] problems;                    // read, write, not a command, ends too soon, no program
    wire rst = !aresetn || resetting != 6'd0;
    wire ended, bad, core_done, reads_idle, writes_quiet, write_idle, read_failed, write_failed;
    wire [2:0] readers_idle;
    wire [31:0] base_low, base_high, program_at, program_bytes;
    wire [63:0] base_64 = {base_high, base_low};
    wire [ADDRESS-1:0] base = base_64[ADDRESS-1:0];
    wire queues_empty, p_beat, p_rest, p_ready, waiting_word;
    reg fetching;                          // the program's transfer is not under way yet
    reg [1:0] settled;                     // cycles since END went to the core
    wire over = running && ended && settled == 2'd3 && core_done && write_idle && reads_idle
             && readers_idle[2:1] == 2'b11 && queues_empty && !p_rest;
    // the program has no beat left, and END has not come
    wire short_of = running && !ended && readers_idle[0] && !p_beat && !fetching && waiting_word;
    wire wrong = bad || read_failed || write_failed || short_of;
    always @(posedge aclk) begin
        if (!aresetn) begin
            running <= 1'b0; stopping <= 1'b0; resetting <= 6'd0; fetching <= 1'b0;
            problems <= 5'd0; settled <= 2'd0;
        end else begin
            if (start) begin
                running <= program_bytes != 32'd0; fetching <= program_bytes != 32'd0;
                problems <= {program_bytes == 32'd0, 4'd0};
            end else if (over) running <= 1'b0;
            if (p_ready && fetching) fetching <= 1'b0;
            settled <= !ended || !running ? 2'd0 : settled == 2'd3 ? 2'd3 : settled + 2'd1;
            if (running) problems <= problems | {1'b0, short_of, bad, write_failed, read_failed};
            if (resetting != 6'd0) resetting <= resetting - 6'd1;
            // a reset waits until the memory has answered all it was asked
            if (reset) stopping <= 1'b1;
            if (stopping && reads_idle && writes_quiet && !m_axi_arvalid) begin
                resetting <= 6'd63; stopping <= 1'b0; running <= 1'b0;
            end
        end
    end
    reg was_wrong;
    always @(posedge aclk) was_wrong <= running && wrong && !rst;
    wire busy = running || start || reset || stopping || resetting != 6'd0;
    wire ends = !reset && !stopping
             && (over || (running && wrong && !was_wrong) || (start && program_bytes == 32'd0));

    // -- registers --------------------------------------------------------------------------------------
    wire [COUNTERS*32-1:0] counters;
    axi_registers #(.VERSION(VERSION), .SHAPE(SHAPE), .MEMORY(MEMORY), .COUNTERS(COUNTERS)) registers (
        .clk(aclk), .rst(!aresetn), .start(start), .reset(reset), .busy(busy), .ends(ends),
        .errors({problems[4] | problems[3], problems[2:0]}),
        .base_low(base_low), .base_high(base_high), .program_at(program_at), .program_bytes(program_bytes),
        .counters(counters), .irq(irq),
        .awaddr(s_axi_awaddr), .awvalid(s_axi_awvalid), .awready(s_axi_awready), .wdata(s_axi_wdata),
        .wstrb(s_axi_wstrb), .wvalid(s_axi_wvalid), .wready(s_axi_wready), .bresp(s_axi_bresp),
        .bvalid(s_axi_bvalid), .bready(s_axi_bready), .araddr(s_axi_araddr), .arvalid(s_axi_arvalid),
        .arready(s_axi_arready), .rdata(s_axi_rdata), .rresp(s_axi_rresp), .rvalid(s_axi_rvalid),
        .rready(s_axi_rready));

    // -- the program ------------------------------------------------------------------------------------
    wire beat_ready;
    wire [BUS*8-1:0] p_data;
    wire [2:0] wants, taken, push, t_valid, t_ready;
    wire [95:0] at;
    wire [26:0] beats;
    wire [BUS*8-1:0] data;
    axi_reader #(.BUS(BUS), .BURST(BURST), .DEPTH(5)) program_reader (.clk(aclk), .rst(rst),
        .valid(fetching), .ready(p_ready), .address(program_at), .bytes(program_bytes), .count(32'd1),
        .stride(32'd0), .wants(wants[0]), .taken(taken[0]), .at(at[31:0]), .beats(beats[8:0]),
        .push(push[0]), .data(data), .o_valid(p_beat), .o_ready(beat_ready), .o_data(p_data),
        .idle(readers_idle[0]));
    assign p_rest = !readers_idle[0] || p_beat || fetching;
    wire c_valid, c_ready, t_after;
    wire [31:0] c_data, t_address, t_bytes, t_count, t_stride;
    axi_program #(.BUS(BUS)) decoder (.clk(aclk), .rst(rst), .start(start && program_bytes != 32'd0),
        .w_valid(p_beat), .w_ready(beat_ready), .w_data(p_data), .c_valid(c_valid), .c_ready(c_ready),
        .c_data(c_data), .t_valid(t_valid), .t_ready(t_ready), .t_address(t_address), .t_bytes(t_bytes),
        .t_count(t_count), .t_stride(t_stride), .t_after(t_after), .ended(ended), .bad(bad),
        .waits(waiting_word));

    // -- transfers wait for their stream, in order ------------------------------------------------------
    reg [15:0] given_out;                  // transfers of maps out so far
    always @(posedge aclk) begin
        if (rst) given_out <= 16'd0;
        else if (t_valid[2] && t_ready[2]) given_out <= given_out + 16'd1;
    end
    wire [2:0] q_valid, q_pop, q_empty;
    wire [3*145-1:0] q_out;
    generate for (i = 0; i < 3; i = i + 1) begin : queue
        wire [2:0] entries, held;
        axi_fifo #(.W(145), .DEPTH(2)) items (.clk(aclk), .rst(rst), .push(t_valid[i] && t_ready[i]),
            .in({t_after, given_out, t_stride, t_count, t_bytes, t_address}), .valid(q_valid[i]), .pop(q_pop[i]),
            .out(q_out[i*145 +: 145]), .ready_entries(entries), .held(held));
        assign t_ready[i] = !held[2];
        assign q_empty[i] = held == 3'd0;
        wire unused = ^entries;
    end endgenerate
    assign queues_empty = &q_empty;

    // -- constants and maps in --------------------------------------------------------------------------
    wire [15:0] finished;
    wire [1:0] s_valid, s_ready, r_ready;
    wire [2*BUS*8-1:0] s_data;
    wire [15:0] missing = q_out[145+128 +: 16] - finished;      // maps out that must be written first
    wire clear = !q_out[145+144] || missing == 16'd0 || missing[15];
    wire [1:0] may = {q_valid[1] && clear, q_valid[0]};
    assign q_pop[1:0] = may & r_ready;
    generate for (i = 0; i < 2; i = i + 1) begin : stream
        axi_reader #(.BUS(BUS), .BURST(BURST), .DEPTH(AHEAD)) reader (.clk(aclk), .rst(rst),
            .valid(may[i]), .ready(r_ready[i]), .address(q_out[i*145 +: 32]), .bytes(q_out[i*145+32 +: 32]),
            .count(q_out[i*145+64 +: 32]), .stride(q_out[i*145+96 +: 32]), .wants(wants[i+1]),
            .taken(taken[i+1]), .at(at[(i+1)*32 +: 32]), .beats(beats[(i+1)*9 +: 9]), .push(push[i+1]),
            .data(data), .o_valid(s_valid[i]), .o_ready(s_ready[i]), .o_data(s_data[i*BUS*8 +: BUS*8]),
            .idle(readers_idle[i+1]));
    end endgenerate
    wire read_waits;
    axi_read_port #(.BUS(BUS), .ADDRESS(ADDRESS)) read_port (.clk(aclk), .rst(rst), .stop(stopping),
        .base(base), .wants(wants), .hungry(!p_beat), .at(at), .beats(beats), .taken(taken), .push(push),
        .data(data), .idle(reads_idle), .failed(read_failed), .waits(read_waits),
        .araddr(m_axi_araddr), .arlen(m_axi_arlen), .arvalid(m_axi_arvalid), .arready(m_axi_arready),
        .rdata(m_axi_rdata), .rresp(m_axi_rresp), .rlast(m_axi_rlast), .rvalid(m_axi_rvalid),
        .rready(m_axi_rready));

    // -- maps out ---------------------------------------------------------------------------------------
    wire o_valid, o_ready, written, write_ready;
    assign q_pop[2] = q_valid[2] && write_ready;
    wire [BUS*8-1:0] o_data;
    wire unused = ^{q_out[2*145+128 +: 17], q_out[128 +: 17], base_64};
    axi_write_port #(.BUS(BUS), .BURST(BURST), .ADDRESS(ADDRESS), .DEPTH(AHEAD)) write_port (.clk(aclk),
        .rst(rst), .stop(stopping), .base(base), .valid(q_valid[2]), .ready(write_ready),
        .address(q_out[2*145 +: 32]), .bytes(q_out[2*145+32 +: 32]), .count(q_out[2*145+64 +: 32]),
        .stride(q_out[2*145+96 +: 32]), .i_valid(o_valid), .i_ready(o_ready), .i_data(o_data),
        .finished(finished), .idle(write_idle), .quiet(writes_quiet), .failed(write_failed), .beat(written),
        .awaddr(m_axi_awaddr), .awlen(m_axi_awlen), .awvalid(m_axi_awvalid), .awready(m_axi_awready),
        .wdata(m_axi_wdata), .wlast(m_axi_wlast), .wvalid(m_axi_wvalid), .wready(m_axi_wready),
        .bresp(m_axi_bresp), .bvalid(m_axi_bvalid), .bready(m_axi_bready));
    assign m_axi_arsize = LB_[2:0];
    assign m_axi_awsize = LB_[2:0];
    assign m_axi_arburst = 2'b01;
    assign m_axi_awburst = 2'b01;
    assign m_axi_arcache = 4'b0011;
    assign m_axi_awcache = 4'b0011;
    assign m_axi_arprot = 3'b000;
    assign m_axi_awprot = 3'b000;
    assign m_axi_wstrb = {BUS{1'b1}};

    // -- the core ---------------------------------------------------------------------------------------
    wire [31:0] cycles, run, weights, maps, out;
    tatami_core #(.LANES(LANES), .PIXELS(PIXELS), .RQ(RQ), .RQ_REGISTERS(RQ_REGISTERS), .BUS(BUS),
        .ACC(ACC), .MAP(MAP), .RING(RING), .FIFO(FIFO), .PACK(PACK)) core (.clk(aclk), .rst(rst),
        .c_valid(c_valid), .c_ready(c_ready), .c_data(c_data),
        .w_valid(s_valid[0]), .w_ready(s_ready[0]), .w_data(s_data[0 +: BUS*8]),
        .m_valid(s_valid[1]), .m_ready(s_ready[1]), .m_data(s_data[BUS*8 +: BUS*8]),
        .o_valid(o_valid), .o_ready(o_ready), .o_data(o_data), .done(core_done),
        .count_cycles(cycles), .count_run(run), .count_weights(weights), .count_maps(maps),
        .count_out(out));

    // -- counters of the wrapper: of a program, from its start until it is over -------------------------
    reg [31:0] total, of_constants, of_maps, of_program, of_out, waited;
    always @(posedge aclk) begin
        if (start || !aresetn) begin
            total <= 32'd0; of_constants <= 32'd0; of_maps <= 32'd0; of_program <= 32'd0; of_out <= 32'd0;
            waited <= 32'd0;
        end else if (running) begin
            total <= total + 32'd1;
            if (push[0]) of_program <= of_program + 32'd1;
            if (push[1]) of_constants <= of_constants + 32'd1;
            if (push[2]) of_maps <= of_maps + 32'd1;
            if (written) of_out <= of_out + 32'd1;
            if (read_waits || (m_axi_awvalid && !m_axi_awready) || (m_axi_wvalid && !m_axi_wready))
                waited <= waited + 32'd1;
        end
    end
    assign counters = {waited, of_out, of_program, of_maps, of_constants, total, out, maps, weights, run,
                       cycles};
endmodule
`default_nettype wire
