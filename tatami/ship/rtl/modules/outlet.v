// What leaves the core: a FIFO of results (RQ bytes, or RQ sums of 4 bytes), cut or joined to beats. The
// sequencer counts its free entries, so `push` never finds it full. A result is offered three cycles
// after it is pushed, if it fills a beat and none is before it.
`default_nettype none
module outlet #(
    parameter RQ = 4,
    parameter BUS = 8,                     // bytes a beat, a multiple of RQ
    parameter DEPTH = 6                    // log2 of the entries
) (
    input  wire             clk,
    input  wire             rst,
    input  wire             push,
    input  wire             push_raw,
    input  wire [RQ*32-1:0] push_data,     // bytes: in the lowest RQ * 8 bits
    output wire             popped,        // an entry has become free
    output wire             empty,
    output reg              o_valid,
    input  wire             o_ready,
    output reg  [BUS*8-1:0] o_data
);
    localparam PARTS = BUS / RQ;           // of RQ bytes, in a beat
    localparam PD = PARTS > 1 ? $clog2(PARTS) : 1;
    localparam [31:0] LAST = PARTS - 1;
    reg [RQ*32:0] entries [0:(1 << DEPTH)-1];
    reg [DEPTH:0] pushed, taken;
    always @(posedge clk) begin
        if (push) entries[pushed[DEPTH-1:0]] <= {push_raw, push_data};
        if (rst) pushed <= 0; else if (push) pushed <= pushed + 1'b1;
    end
    // -- an entry, then its parts of RQ bytes -----------------------------------------------------------
    reg [RQ*32-1:0] now;
    reg [2:0] parts;                       // of it that are still to go
    wire part_taken;
    wire next = parts == 3'd0 || (parts == 3'd1 && part_taken);
    wire fetch = next && pushed != taken;
    wire [RQ*32:0] entry = entries[taken[DEPTH-1:0]];
    assign popped = fetch;
    always @(posedge clk) begin
        if (rst) begin
            taken <= 0; parts <= 3'd0;
        end else begin
            if (fetch) begin
                taken <= taken + 1'b1;
                parts <= entry[RQ*32] ? 3'd4 : 3'd1;
                now <= entry[RQ*32-1:0];
            end else if (part_taken) begin
                parts <= parts - 3'd1;
                now <= {{(RQ*8){1'b0}}, now[RQ*32-1:RQ*8]};
            end
        end
    end
    // -- parts to beats ----------------------------------------------------------------------------------
    reg [PD-1:0] place;
    wire beat_free = !o_valid || o_ready;
    assign part_taken = parts != 3'd0 && beat_free;
    wire beat_whole = part_taken && place == LAST[PD-1:0];
    generate if (PARTS > 1) begin : joined
        reg [(PARTS-1)*RQ*8-1:0] parts_before;
        always @(posedge clk) begin
            if (part_taken) parts_before[{{(32-PD){1'b0}}, place}*RQ*8 +: RQ*8] <= now[RQ*8-1:0];
            if (beat_whole) o_data <= {now[RQ*8-1:0], parts_before};
        end
    end else begin : single
        always @(posedge clk) if (beat_whole) o_data <= now[RQ*8-1:0];
    end endgenerate
    always @(posedge clk) begin
        if (rst) begin
            place <= {PD{1'b0}}; o_valid <= 1'b0;
        end else begin
            if (part_taken) place <= beat_whole ? {PD{1'b0}} : place + 1'b1;
            if (beat_whole) o_valid <= 1'b1; else if (o_ready) o_valid <= 1'b0;
        end
    end
    assign empty = pushed == taken && parts == 3'd0 && !o_valid;
endmodule
`default_nettype wire
