// Inside axi_program. Every word is taken once, in its order: by the core, as it is, or by a transfer,
// which is handed on once, with the words that it was given, and stays until it is taken. What is no
// command goes nowhere.
reg began = 1'b0;
always @(posedge clk) began <= 1'b1;
always @* if (!began) assume (rst);
reg [31:0] f_given [0:3];                  // the words of a transfer
reg [2:0] f_count;
reg f_held;                                // a beat stays until it is taken
reg [BUS*8-1:0] f_beat;
always @(posedge clk) begin
    f_held <= w_valid && !w_ready && !rst;
    f_beat <= w_data;
    if (rst) f_count <= 0;
    else if (state == HEAD) f_count <= 0;
    else if (state == TAKE && next) begin
        f_given[f_count[1:0]] <= word;
        f_count <= f_count + 1;
    end
end
always @* if (f_held) assume (w_valid && w_data == f_beat);
wire [7:0] f_needs = kind[0] ? 8'd2 : 8'd4;
always @(posedge clk) if (began && !rst) begin
    assert (state <= BAD && place <= LAST[WD-1:0]);
    if (next) assert (w_valid && word == w_data[place*32 +: 32]);
    // a beat goes with its last word
    if (w_ready && state != IDLE && state != ENDED) assert (next && place == LAST[WD-1:0]);
    if ($past(next && !w_ready && !rst)) assert (state == ENDED || state == IDLE
        || place == $past(place) + 1'b1);
    if ($past(!next && !rst && !start) && state != IDLE && state != ENDED)
        assert ($stable(place));
    if (c_valid) assert (c_data == word && (state == PASS || (state == HEAD && code < 8'd16)));
    if (c_valid && c_ready) assert (next);
    if (state == TAKE || state == GIVE)
        assert (kind == 3'b001 || kind == 3'b010 || kind == 3'b100);
    if (state == TAKE) assert (left <= f_needs && {5'b0, f_count} == f_needs - left && left != 0);
    if (state == TAKE || state == GIVE) begin
        if (f_count > 0) assert (t_address == f_given[0]);
        if (f_count > 1) assert (t_bytes == f_given[1]);
        if (f_count > 2) assert (t_count == f_given[2]);
        if (f_count > 3) assert (t_stride == f_given[3]);
        if (kind[0]) assert (t_count == 1 && t_stride == 0);
    end
    if (state == GIVE) assert ({5'b0, f_count} == f_needs);
    if (t_valid != 0) assert (t_bytes != 0 && t_count != 0 && t_address[LB-1:0] == 0
        && t_bytes[LB-1:0] == 0 && t_stride[LB-1:0] == 0);
    if ($past(t_valid != 0 && (t_valid & t_ready) == 0 && !rst)) assert ($stable(t_valid)
        && $stable(t_address) && $stable(t_bytes) && $stable(t_count) && $stable(t_stride));
    if (bad) assert (!c_valid && t_valid == 0);
end
