// Inside axi_blocks. Every burst is whole beats of its block, within BURST and a page of 4 KiB; bursts
// follow each other without a gap, and the transfer's last one is marked.
reg began = 1'b0;
always @(posedge clk) began <= 1'b1;
always @* if (!began) assume (rst);
always @* if (valid) begin
    assume (bytes != 0 && count != 0);
    assume (address[LB-1:0] == 0 && bytes[LB-1:0] == 0 && stride[LB-1:0] == 0);
end
reg [31:0] f_begin, f_done, f_bytes, f_stride, f_blocks;  // of this block; blocks after it
always @(posedge clk) begin
    if (valid && ready) begin
        f_begin <= address; f_done <= 0; f_bytes <= bytes; f_stride <= stride; f_blocks <= count - 1;
    end else if (taken && offered) begin
        if (f_done + length == f_bytes) begin
            f_begin <= f_begin + f_stride; f_done <= 0; f_blocks <= f_blocks - 1;
        end else f_done <= f_done + length;
    end
end
always @(posedge clk) if (began && !rst) begin
    assert (state != 2'd3);
    if (state != IDLE) begin
        assert (at == f_begin + f_done);
        assert (begin_at == f_begin + f_stride);
        assert (left == f_bytes - f_done && left != 0 && whole == f_bytes && step == f_stride);
        assert (more == f_blocks);
        assert (f_bytes != 0 && f_done < f_bytes);
        assert (at[LB-1:0] == 0 && left[LB-1:0] == 0 && whole[LB-1:0] == 0 && step[LB-1:0] == 0);
        assert (begin_at[LB-1:0] == 0);
    end
    if (offered) begin
        assert (beats >= 1 && beats <= BURST);
        assert ({1'b0, at[11:0]} + length[12:0] <= 13'd4096);
        assert (length <= f_bytes - f_done);
        assert (last == (length == f_bytes - f_done && f_blocks == 0));
        assert (last_of_block == (length == f_bytes - f_done));
    end
    if ($past(offered && !taken && !rst)) assert (offered && $stable(at) && $stable(beats) && $stable(last));
end
