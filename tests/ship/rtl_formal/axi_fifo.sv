// Inside axi_fifo. It never holds more than it has place for, gives nothing that it was not given, and
// keeps the order: any entry that is watched comes out as it went in, after those that were before it.
reg began = 1'b0;
always @(posedge clk) began <= 1'b1;
always @* if (!began) assume (rst);
localparam [DEPTH:0] ALL = {1'b1, {DEPTH{1'b0}}};
always @* begin
    if (push) assume (held != ALL);        // whoever pushes sees to that
    if (pop) assume (valid);
end
(* anyseq *) wire watch;
reg watching = 1'b0;
reg [DEPTH:0] ahead;                       // entries that come out before it
reg [W-1:0] watched;
always @(posedge clk) begin
    if (rst) watching <= 1'b0;
    else if (!watching) begin
        watching <= watch && push;
        ahead <= held - {{DEPTH{1'b0}}, pop};
        watched <= in;
    end else if (pop) begin
        ahead <= ahead - 1'b1;
        if (ahead == 0) watching <= 1'b0;
    end
end
wire [DEPTH-1:0] f_place = popped[DEPTH-1:0] + ahead[DEPTH-1:0];
wire [DEPTH:0] f_unseen = pushed - visible;
always @(posedge clk) if (began && !rst) begin
    assert (held <= ALL && ready_entries <= held && f_unseen <= 1);
    if (valid) assert (out == entries[popped[DEPTH-1:0]]);
    if (watching) begin
        assert (ahead < held);
        assert (entries[f_place] == watched);
        if (pop && ahead == 0) assert (out == watched);
    end
end
