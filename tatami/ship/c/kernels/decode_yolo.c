/* YOLOv2, v3 and v5: the candidates of one grid, from its map
 * [rows][columns][anchors * (5 + classes)]; the first of them has the index `first`. */
static float net_side(float t)
{
#if NET_ROOT_SIDES
    const float root = 2.0f * net_sigmoid(t);

    return root * root;
#else
    return net_exp(t > 8.0f ? 8.0f : t);
#endif
}

static int net_decode_grid(const net_grid *grid, const float *const *maps, float score_threshold,
                           int first, int count)
{
    const int area = grid->rows * grid->columns;
    int a, cell, k;

    for (a = 0; a < grid->anchor_count; a++) {
        for (cell = 0; cell < area; cell++) {
            const float *t = maps[0] + (cell * grid->anchor_count + a) * (5 + NET_CLASSES);
            const float objectness = net_sigmoid(t[4]);
            const int row = cell / grid->columns, column = cell % grid->columns;
            float scores[NET_CLASSES];

            if (!(objectness > score_threshold)) continue; /* no class can score more */
            net_score(t + 5, NET_CLASSES, scores);
            for (k = 0; k < NET_CLASSES; k++) scores[k] = objectness * scores[k];
            count = net_offer_box(
                (net_sigmoid(t[0]) * grid->xy_scale - grid->xy_shift + (float)column) *
                    grid->stride_x,
                (net_sigmoid(t[1]) * grid->xy_scale - grid->xy_shift + (float)row) *
                    grid->stride_y,
                grid->anchors[a][0] * net_side(t[2]), grid->anchors[a][1] * net_side(t[3]), scores,
                score_threshold, first + (a * area + cell) * NET_CLASSES, count);
        }
    }
    return count;
}
