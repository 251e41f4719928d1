// Takes a program apart: the core's commands go to the core word by word; transfers are handed on whole.
//
//     operation  payload                              becomes
//     0          -                                    the core's END, and the end of the program
//     1 ... 15   any                                  a command of the core
//     16         address, bytes                       constants: a read
//     17         address, bytes, count, stride        maps in: a read
//     18         address, bytes, count, stride        maps out: a write
`default_nettype none
module axi_program #(parameter BUS = 8) (
    input  wire             clk,
    input  wire             rst,
    input  wire             start,
    input  wire             w_valid,       // beats of the program
    output wire             w_ready,
    input  wire [BUS*8-1:0] w_data,
    output wire             c_valid,       // to the core
    input  wire             c_ready,
    output wire [31:0]      c_data,
    output wire [2:0]       t_valid,       // a transfer: constants, maps in, maps out
    input  wire [2:0]       t_ready,
    output reg  [31:0]      t_address,
    output reg  [31:0]      t_bytes,
    output reg  [31:0]      t_count,
    output reg  [31:0]      t_stride,
    output reg              t_after,       // only when all maps out before it are written
    output wire             ended,         // END has gone to the core
    output wire             bad,           // a word that is no command: all stops
    output wire             waits          // for a word
);
    localparam [2:0] IDLE = 3'd0, HEAD = 3'd1, PASS = 3'd2, TAKE = 3'd3, GIVE = 3'd4, ENDED = 3'd5,
                     BAD = 3'd6;
    localparam WORDS = BUS / 4;
    localparam WD = WORDS > 1 ? $clog2(WORDS) : 1;
    localparam [31:0] LAST = WORDS - 1;
    reg [2:0] state;
    reg [WD-1:0] place;                    // word of the beat
    wire [31:0] word;
    generate if (WORDS > 1) begin : many
        assign word = w_data[{{(32-WD){1'b0}}, place}*32 +: 32];
    end else begin : one
        assign word = w_data;
    end endgenerate
    wire [7:0] code = word[7:0], length = word[15:8];
    wire ours = code[7:4] != 4'd0;
    wire known = (code == 8'd16 && length == 8'd2)
              || ((code == 8'd17 || code == 8'd18) && length == 8'd4);
    wire passes = state == PASS || (state == HEAD && !ours);
    assign c_valid = w_valid && passes;
    assign c_data = word;
    wire next = w_valid && (passes ? c_ready : state == HEAD || state == TAKE);
    // after END the rest of the beats is thrown away
    assign w_ready = (next && place == LAST[WD-1:0]) || state == ENDED || state == IDLE;
    reg [7:0] left;
    reg [2:0] kind;
    reg ends;
    always @(posedge clk) begin
        if (rst) begin
            state <= IDLE; place <= {WD{1'b0}};
        end else begin
            if (state == IDLE || state == ENDED) place <= {WD{1'b0}};
            else if (next) place <= place == LAST[WD-1:0] ? {WD{1'b0}} : place + 1'b1;
            case (state)
            IDLE, ENDED: if (start) state <= HEAD;
            HEAD: if (next) begin
                left <= length;
                ends <= code == 8'd0;
                kind <= {code == 8'd18, code == 8'd17, code == 8'd16};
                t_after <= word[18];
                t_count <= 32'd1;
                t_stride <= 32'd0;
                if (ours) state <= known ? TAKE : BAD;
                else if (length != 8'd0) state <= PASS;
                else if (code == 8'd0) state <= ENDED;
            end
            PASS: if (next) begin
                left <= left - 8'd1;
                if (left == 8'd1) state <= ends ? ENDED : HEAD;
            end
            TAKE: if (next) begin
                left <= left - 8'd1;
                if (kind[0] ? left == 8'd2 : left == 8'd4) t_address <= word;
                if (kind[0] ? left == 8'd1 : left == 8'd3) t_bytes <= word;
                if (!kind[0] && left == 8'd2) t_count <= word;
                if (!kind[0] && left == 8'd1) t_stride <= word;
                if (left == 8'd1) state <= GIVE;
            end
            GIVE: if (!sound) state <= BAD;
                  else if ((t_ready & kind) != 3'b000) state <= HEAD;
            default: ;
            endcase
        end
    end
    // at least a beat, and whole beats
    localparam LB = $clog2(BUS);
    wire sound = t_bytes != 32'd0 && t_count != 32'd0 && t_bytes[LB-1:0] == 0 && t_address[LB-1:0] == 0
              && t_stride[LB-1:0] == 0;
    assign t_valid = state == GIVE && sound ? kind : 3'b000;
    assign ended = state == ENDED;
    assign bad = state == BAD;
    assign waits = !w_valid && (state == HEAD || state == PASS || state == TAKE);
endmodule
`default_nettype wire
