// The registers, as AXI-Lite has them: words of 32 bits. docs/rtl.md has the map.
`default_nettype none
module axi_registers #(
    parameter [31:0] VERSION = 32'd0,
    parameter [31:0] SHAPE = 32'd0,
    parameter [31:0] MEMORY = 32'd0,
    parameter COUNTERS = 16
) (
    input  wire        clk,
    input  wire        rst,
    output reg         start,              // for a cycle
    output reg         reset,              // for a cycle
    input  wire        busy,
    input  wire        ends,               // for a cycle: a program has
    input  wire [3:0]  errors,
    output reg  [31:0] base_low,
    output reg  [31:0] base_high,
    output reg  [31:0] program_at,
    output reg  [31:0] program_bytes,
    input  wire [COUNTERS*32-1:0] counters,
    output wire        irq,
    input  wire [7:0]  awaddr,
    input  wire        awvalid,
    output wire        awready,
    input  wire [31:0] wdata,
    input  wire [3:0]  wstrb,
    input  wire        wvalid,
    output wire        wready,
    output wire [1:0]  bresp,
    output reg         bvalid,
    input  wire        bready,
    input  wire [7:0]  araddr,
    input  wire        arvalid,
    output wire        arready,
    output reg  [31:0] rdata,
    output wire [1:0]  rresp,
    output reg         rvalid,
    input  wire        rready
);
    localparam [31:0] COUNT = COUNTERS;
    reg done, enabled;
    assign irq = done && enabled;
    assign bresp = 2'b00;
    assign rresp = 2'b00;

    // -- writing: address and word are taken together ---------------------------------------------------
    wire write = awvalid && wvalid && !bvalid;
    assign awready = write;
    assign wready = write;
    wire whole = write && wstrb == 4'b1111;  // a part of a register is not written
    always @(posedge clk) begin
        start <= 1'b0;
        reset <= 1'b0;
        if (rst) begin
            bvalid <= 1'b0; done <= 1'b0; enabled <= 1'b0;
            base_low <= 32'd0; base_high <= 32'd0; program_at <= 32'd0; program_bytes <= 32'd0;
        end else begin
            if (write) bvalid <= 1'b1; else if (bready) bvalid <= 1'b0;
            if (ends) done <= 1'b1;
            if (whole) case (awaddr[7:2])
            6'h04: begin
                reset <= wdata[1];
                start <= wdata[0] && !busy && !wdata[1];
                if (wdata[1] || (wdata[0] && !busy)) done <= 1'b0;
            end
            6'h05: if (wdata[1]) done <= ends;
            6'h06: enabled <= wdata[0];
            6'h08: if (!busy) base_low <= {wdata[31:12], 12'd0};
            6'h09: if (!busy) base_high <= wdata;
            6'h0a: if (!busy) program_at <= wdata;
            6'h0b: if (!busy) program_bytes <= wdata;
            default: ;
            endcase
        end
    end

    // -- reading ----------------------------------------------------------------------------------------
    wire read = arvalid && !rvalid;
    assign arready = !rvalid;
    wire [5:0] which = araddr[7:2];
    wire [5:0] counter = which - 6'h10;
    always @(posedge clk) begin
        if (rst) rvalid <= 1'b0;
        else if (read) rvalid <= 1'b1;
        else if (rready) rvalid <= 1'b0;
        if (read) begin
            case (which)
            6'h00: rdata <= 32'h5441_5441;     // "ATAT"
            6'h01: rdata <= VERSION;
            6'h02: rdata <= SHAPE;
            6'h03: rdata <= MEMORY;
            6'h05: rdata <= {24'd0, errors, 2'b00, done, busy};
            6'h06: rdata <= {31'd0, enabled};
            6'h08: rdata <= base_low;
            6'h09: rdata <= base_high;
            6'h0a: rdata <= program_at;
            6'h0b: rdata <= program_bytes;
            default: rdata <= which >= 6'h10 && {26'd0, counter} < COUNT
                            ? counters[{26'd0, counter}*32 +: 32] : 32'd0;
            endcase
        end
    end
    wire unused = ^{awaddr[1:0], araddr[1:0]};
endmodule
`default_nettype wire
