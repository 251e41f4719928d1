// Inside axi_read_port. An address stays as it is until it is accepted; no more bursts are under way
// than the list of owners has place for; a beat goes to the stream that has asked for its burst.
reg began = 1'b0;
always @(posedge clk) began <= 1'b1;
always @* if (!began) assume (rst);
always @* begin
    assume (rst || base == f_base);        // the registers keep it while a program runs
    if (rvalid) assume (under_way > {4'b0, asking});  // of what was accepted
end
reg [ADDRESS-1:0] f_base;
always @(posedge clk) f_base <= base;
(* anyseq *) wire watch;
reg watching = 1'b0;
reg [D:0] ahead;                           // bursts that are answered before it
reg [2:0] watched;
wire f_ends = rvalid && rlast;
always @(posedge clk) begin
    if (rst) watching <= 1'b0;
    else if (!watching) begin
        watching <= watch && take;
        ahead <= under_way - {{D{1'b0}}, f_ends};
        watched <= taken;
    end else if (f_ends) begin
        ahead <= ahead - 1'b1;
        if (ahead == 0) watching <= 1'b0;
    end
end
wire [D-1:0] f_place = answered[D-1:0] + ahead[D-1:0];
always @(posedge clk) if (began && !rst) begin
    assert (under_way <= 5'd16);
    if (asking) assert (under_way != 0);
    assert (taken == 0 || taken == 1 || taken == 2 || taken == 4);
    assert ((taken & ~wants) == 0);
    if (watching) begin
        assert (ahead < under_way && watched != 0);
        assert (owner[f_place] == watched);
        if (rvalid && ahead == 0) assert (push == watched);
    end
    if ($past(arvalid && !arready && !rst)) assert (arvalid && $stable(araddr) && $stable(arlen));
    assert (rready);
end
