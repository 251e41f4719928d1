/* SSD: the candidates of one grid, from its maps [rows][columns][anchors * 4] and
 * [rows][columns][anchors * (classes + 1)]; the first of them has the index `first`. */
static int net_decode_grid(const net_grid *grid, const float *const *maps, float score_threshold,
                           int first, int count)
{
    const int area = grid->rows * grid->columns;
    int a, cell;

    for (a = 0; a < grid->anchor_count; a++) {
        for (cell = 0; cell < area; cell++) {
            const int place = cell * grid->anchor_count + a;
            const float *t = maps[0] + place * 4;
            const int row = cell / grid->columns, column = cell % grid->columns;
            const float width = grid->anchors[a][0], height = grid->anchors[a][1];
            const float tw = t[2] * NET_VARIANCE_OF_SIDE, th = t[3] * NET_VARIANCE_OF_SIDE;
            float scores[NET_CLASSES + 1];

            net_score(maps[1] + place * (NET_CLASSES + 1), NET_CLASSES + 1, scores);
            count = net_offer_box(
                ((float)column + 0.5f) * grid->stride_x + t[0] * NET_VARIANCE_OF_CENTER * width,
                ((float)row + 0.5f) * grid->stride_y + t[1] * NET_VARIANCE_OF_CENTER * height,
                width * net_exp(tw > 8.0f ? 8.0f : tw), height * net_exp(th > 8.0f ? 8.0f : th),
                scores + 1, score_threshold, first + (a * area + cell) * NET_CLASSES, count);
        }
    }
    return count;
}
