typedef struct {
    const float (*anchors)[2]; /* width, height */
    int anchor_count, rows, columns;
    float stride_x, stride_y; /* from one cell to the next */
    float xy_scale, xy_shift; /* of a center within its cell */
} net_grid;
