/* Heat maps: the candidates of one grid, from its maps [rows][columns][classes] (heat),
 * [rows][columns][2] (sides) and [rows][columns][2] (where in the cell); the first of them has the
 * index `first`. */
static int net_hottest(const net_grid *grid, const float *heat, int row, int column, int k)
{
    const float own = heat[(row * grid->columns + column) * NET_CLASSES + k];
    int y, x;

    for (y = row > 0 ? row - 1 : 0; y <= row + 1 && y < grid->rows; y++)
        for (x = column > 0 ? column - 1 : 0; x <= column + 1 && x < grid->columns; x++)
            if (heat[(y * grid->columns + x) * NET_CLASSES + k] > own) return 0;
    return own == own;
}

static int net_decode_grid(const net_grid *grid, const float *const *maps, float score_threshold,
                           int first, int count)
{
    const int area = grid->rows * grid->columns;
    int cell, k;

    for (cell = 0; cell < area; cell++) {
        const float *side = maps[1] + cell * 2, *offset = maps[2] + cell * 2;
        const int row = cell / grid->columns, column = cell % grid->columns;
        float scores[NET_CLASSES];

        net_score(maps[0] + cell * NET_CLASSES, NET_CLASSES, scores);
        for (k = 0; k < NET_CLASSES; k++)
            if (!(scores[k] > score_threshold) || !net_hottest(grid, maps[0], row, column, k))
                scores[k] = 0.0f;
        count = net_offer_box(((float)column + net_cells(offset[0])) * grid->stride_x,
                              ((float)row + net_cells(offset[1])) * grid->stride_y,
                              net_cells(side[0]) * grid->stride_x,
                              net_cells(side[1]) * grid->stride_y, scores, score_threshold,
                              first + cell * NET_CLASSES, count);
    }
    return count;
}
