// Two products from one multiplier are the two products: of one byte, for every two weights.
module pack_proof #(parameter MODE = 25, parameter [7:0] X = 0) (
    input clk, input signed [7:0] w0, w1
);
    wire [7:0] x = X;
    wire signed [15:0] p0, p1;
    packed_product #(.MODE(MODE)) unit (.clk(clk), .x(x), .w0(w0), .w1(w1), .p0(p0), .p1(p1));
    wire signed [8:0] factor = {1'b0, x};
    reg signed [19:0] want0, want1;
    always @(posedge clk) begin
        want0 <= factor * w0;
        want1 <= factor * w1;
    end
    always @* begin
        assert (p0 == want0);
        assert (p1 == want1);
    end
endmodule
