// Inside axi_reader. Whatever is asked for has its place kept: no beat ever comes to a full FIFO.
reg began = 1'b0;
always @(posedge clk) began <= 1'b1;
always @* if (!began) assume (rst);
reg [15:0] coming = 0;                     // beats that were asked for
always @(posedge clk) coming <= rst ? 16'd0
                             : coming + (taken ? {7'b0, beats} : 16'd0) - {15'b0, push};
always @* begin
    if (taken) assume (wants);
    if (push) assume (coming != 0);        // the memory answers what it is asked
end
always @(posedge clk) if (began && !rst) begin
    assert ({1'b0, coming} + held + room == ALL);
    if (push) assert (held != ALL);
    if (pop) assert (entries != 0);
    assert (entries <= held);
end
