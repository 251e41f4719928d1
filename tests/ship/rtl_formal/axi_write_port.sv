// Inside axi_write_port. Address and beats stay as they are until they are accepted; a burst has as
// many beats as its address says, the last one marked; its beats are all here before it begins; no
// beat is taken in for which there is no place.
reg began = 1'b0;
always @(posedge clk) began <= 1'b1;
always @* if (!began) assume (rst);
reg [ADDRESS-1:0] f_base;
always @(posedge clk) f_base <= base;
always @* begin
    assume (rst || base == f_base);
    if (offered) assume (beats >= 1 && beats <= BURST);  // proved of axi_blocks
    // an answer follows a burst whose address and beats were accepted
    if (bvalid) assume (under_way > {3'b0, telling || left != 0});
end
reg [8:0] f_beats, f_sent;                 // of the last burst
always @(posedge clk) begin
    if (rst) begin f_beats <= 0; f_sent <= 0; end
    else if (taken) begin f_beats <= beats; f_sent <= 0; end
    else if (wvalid && wready) f_sent <= f_sent + 1;
end
always @(posedge clk) if (began && !rst) begin
    assert (held <= {1'b1, {DEPTH{1'b0}}} && entries <= held);
    assert (under_way <= 4'd8);
    if (telling || left != 0) assert (under_way != 0);
    assert ({1'b0, f_sent} + left == {1'b0, f_beats});
    if (telling) assert ({1'b0, awlen} == f_beats - 9'd1);
    assert (left <= {{9-DEPTH-1{1'b0}}, entries});
    if (wvalid) assert (here);
    assert (wlast == (f_sent + 1 == f_beats));
    if ($past(awvalid && !awready && !rst)) assert (awvalid && $stable(awaddr) && $stable(awlen));
    if ($past(wvalid && !wready && !rst)) assert (wvalid && $stable(wdata) && $stable(wlast));
    assert (bready);
    assert (!(i_valid && i_ready) || held < {1'b1, {DEPTH{1'b0}}});
end
