// The ring of constants: rows of LANES * 36 bytes, filled beat by beat as far ahead as there is room,
// through the ends of tiles and layers, and given back when they were read for the last time.
//
// A column is the part of a row that a beat brings; every column is a memory of its own.
`default_nettype none
module ring #(
    parameter LANES = 16,
    parameter BUS = 8,                     // bytes a beat
    parameter DEPTH = 9                    // log2 of the rows
) (
    input  wire                    clk,
    input  wire                    rst,
    input  wire                    w_valid,
    output wire                    w_ready,
    input  wire [BUS*8-1:0]        w_data,
    output reg  [DEPTH:0]          written,   // rows that are here, counted from the beginning
    input  wire                    free,      // a row more is not needed any more
    input  wire [DEPTH-1:0]        row,       // to be read
    output wire [LANES*36*8-1:0]   data       // a cycle later
);
    localparam BEATS = LANES * 36 / BUS;
    localparam BD = $clog2(BEATS);
    localparam [31:0] LAST = BEATS - 1;
    reg [DEPTH:0] freed, filled;           // rows given back; rows whose last beat has come
    reg [BD-1:0] beat;
    wire [DEPTH:0] held = filled - freed;
    assign w_ready = !held[DEPTH];
    wire take = w_valid && w_ready;
    wire last = beat == LAST[BD-1:0];
    always @(posedge clk) begin
        if (rst) begin
            freed <= 0; filled <= 0; written <= 0; beat <= 0;
        end else begin
            if (free) freed <= freed + 1'b1;
            if (take) beat <= last ? {BD{1'b0}} : beat + 1'b1;
            if (take && last) filled <= filled + 1'b1;
            written <= filled;             // a cycle late: the row is in its memory by then
        end
    end
    genvar b;
    generate for (b = 0; b < BEATS; b = b + 1) begin : column
        localparam [31:0] B = b;
        reg [BUS*8-1:0] rows [0:(1 << DEPTH)-1];
        reg [BUS*8-1:0] q;
        always @(posedge clk) begin
            if (take && beat == B[BD-1:0]) rows[filled[DEPTH-1:0]] <= w_data;
            q <= rows[row];
        end
        assign data[b*BUS*8 +: BUS*8] = q;
    end endgenerate
endmodule
`default_nettype wire
