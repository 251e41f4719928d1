// Inside axi_registers. Each request is answered once, an answer stays until it is taken, and nothing
// begins or moves while a program runs.
reg began = 1'b0;
always @(posedge clk) began <= 1'b1;
always @* if (!began) assume (rst);
always @(posedge clk) if (began && !rst && !$past(rst)) begin
    if ($past(bvalid && !bready)) assert (bvalid);
    if ($past(rvalid && !rready)) assert (rvalid && $stable(rdata));
    if ($past(!bvalid)) assert (bvalid == $past(awvalid && awready && wvalid && wready));
    if ($past(!rvalid)) assert (rvalid == $past(arvalid && arready));
    if ($past(bvalid)) assert (!$past(awready) && !$past(wready));
    if ($past(rvalid)) assert (!$past(arready));
    if ($past(busy)) assert (!start && $stable(base_low) && $stable(base_high)
                             && $stable(program_at) && $stable(program_bytes));
    assert (base_low[11:0] == 0);
end
