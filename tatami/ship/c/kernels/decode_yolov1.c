/* YOLO: the candidates of one grid, from its map [rows][columns][anchors * 5 + classes]; the first
 * of them has the index `first`. */
static int net_decode_grid(const net_grid *grid, const float *const *maps, float score_threshold,
                           int first, int count)
{
    const int area = grid->rows * grid->columns;
    int a, cell, k;

    for (a = 0; a < grid->anchor_count; a++) {
        for (cell = 0; cell < area; cell++) {
            const float *numbers = maps[0] + cell * (grid->anchor_count * 5 + NET_CLASSES);
            const float *t = numbers + a * 5;
            const float objectness = net_cut(t[4]);
            const int row = cell / grid->columns, column = cell % grid->columns;
            const float ww = t[2] * t[2], hh = t[3] * t[3];
            float scores[NET_CLASSES];

            if (!(objectness > score_threshold)) continue; /* no class can score more */
            net_score(numbers + grid->anchor_count * 5, NET_CLASSES, scores);
            for (k = 0; k < NET_CLASSES; k++) scores[k] = objectness * scores[k];
            count = net_offer_box(
                ((float)column + t[0]) * grid->stride_x, ((float)row + t[1]) * grid->stride_y,
                grid->anchors[a][0] * (ww > 64.0f ? 64.0f : ww),
                grid->anchors[a][1] * (hh > 64.0f ? 64.0f : hh), scores, score_threshold,
                first + (a * area + cell) * NET_CLASSES, count);
        }
    }
    return count;
}
