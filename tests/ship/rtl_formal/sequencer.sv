// Inside sequencer. What leaves has its place kept: entries of the FIFO that are free, and those that
// are promised or held, are always all of them.
reg began = 1'b0;
always @(posedge clk) began <= 1'b1;
always @* if (!began) assume (rst);
reg [FIFO:0] promised = 0;
always @(posedge clk) promised <= rst ? 0
                               : promised + (emit && leaves ? results[FIFO:0] : 0) - {{FIFO{1'b0}}, popped};
always @* if (popped) assume (promised != 0);
always @* assume (!leaves || results <= ROOM);         // Core says so: an engine has that much
always @(posedge clk) if (began && !rst) begin
    assert ({1'b0, room} + promised == ROOM);
    assert (room <= ROOM && promised <= ROOM);
end
