// Inside ring. No row is written over before it is given back, none is said to be here before it is,
// and each beat lies in its row and its column in the order of coming.
reg began = 1'b0;
always @(posedge clk) began <= 1'b1;
always @* if (!began) assume (rst);
localparam [DEPTH:0] ALL = {1'b1, {DEPTH{1'b0}}};
wire [DEPTH:0] f_here = written - freed, f_late = filled - written;
always @* if (free) assume (f_here != 0);  // only what is here is given back
(* anyseq *) wire watch;
reg watching = 1'b0;
reg [DEPTH:0] f_row;                       // the row of the watched beat, and its column
reg [BD-1:0] f_beat;
reg watched;                               // one bit of it: all have the same way
wire [DEPTH:0] f_held = f_row - freed;     // rows before it that are not given back
always @(posedge clk) begin
    if (rst) watching <= 1'b0;
    else if (!watching) begin
        watching <= watch && take; f_row <= filled; f_beat <= beat; watched <= w_data[0];
    end else if (free && f_held == 0) watching <= 1'b0;
end
wire [BEATS-1:0] f_now;
generate for (b = 0; b < BEATS; b = b + 1) begin : f_column
    assign f_now[b] = column[b].rows[f_row[DEPTH-1:0]][0];
end endgenerate
always @(posedge clk) if (began && !rst) begin
    assert (held <= ALL && f_here <= held && f_late <= 1);
    assert (beat <= LAST[BD-1:0]);
    if (take) assert (held != ALL);
    if (watching) begin
        assert (f_held < ALL && f_beat <= LAST[BD-1:0]);
        assert (f_held < held || (f_held == held && f_beat < beat));
        assert (f_now[f_beat] == watched);
    end
end
