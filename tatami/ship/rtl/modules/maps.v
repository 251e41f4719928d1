// The map memory: nine banks of words of four channels. Pixel (y, x), group g of four channels lies in
// bank (3 * (y mod 3) + x mod 3 + g) mod 9, so that any 3 x 3 window of one group is one word of each
// bank, and nine groups of one pixel are, too. PIXELS reading ports (copies, in block RAM), one to write.
`default_nettype none
module maps #(
    parameter MAP = 4096,                  // words of a bank
    parameter AD = 12,                     // bits of an address
    parameter PIXELS = 1,
    parameter WRITES = 1                   // words a cycle from the writer, in neighboring banks
) (
    input  wire                     clk,
    input  wire [PIXELS*9*AD-1:0]   address,
    output wire [PIXELS*9*32-1:0]   data,        // a cycle later
    input  wire [WRITES-1:0]        write,       // results come first
    input  wire [WRITES*4-1:0]      write_bank,
    input  wire [WRITES*AD-1:0]     write_address,
    input  wire [WRITES*32-1:0]     write_data,
    input  wire                     load,        // what is loaded waits where its bank is taken
    input  wire [3:0]               load_bank,
    input  wire [AD-1:0]            load_address,
    input  wire [31:0]              load_data,
    output wire                     load_taken
);
    genvar b, p, i;
    wire [8:0] refused;
    assign load_taken = load && refused == 9'd0;
    generate for (b = 0; b < 9; b = b + 1) begin : bank
        localparam [31:0] B = b;
        wire [WRITES-1:0] mine;
        wire [WRITES*AD-1:0] at;           // of my word, all others 0
        wire [WRITES*32-1:0] what;
        for (i = 0; i < WRITES; i = i + 1) begin : word
            assign mine[i] = write[i] && write_bank[i*4 +: 4] == B[3:0];
        end
        assign at = write_address;
        assign what = write_data;
        reg [AD-1:0] chosen_at;
        reg [31:0] chosen;
        integer k;
        always @* begin
            chosen_at = load_address;
            chosen = load_data;
            for (k = 0; k < WRITES; k = k + 1) if (mine[k]) begin
                chosen_at = at[k*AD +: AD];
                chosen = what[k*32 +: 32];
            end
        end
        wire loads = load && load_bank == B[3:0];
        assign refused[b] = loads && mine != {WRITES{1'b0}};
        wire we = loads || mine != {WRITES{1'b0}};
        reg [31:0] words [0:MAP-1];
        always @(posedge clk) if (we) words[chosen_at] <= chosen;
        for (p = 0; p < PIXELS; p = p + 1) begin : pixel
            reg [31:0] q;
            always @(posedge clk) q <= words[address[(p*9+b)*AD +: AD]];
            assign data[(p*9+b)*32 +: 32] = q;
        end
    end endgenerate
endmodule
`default_nettype wire
