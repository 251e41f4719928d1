/* Distances from points: the candidates of one grid, from its maps
 * [rows][columns][anchors * 4 * bins] and [rows][columns][anchors * classes]; the first of them has
 * the index `first`. */
static float net_distance(const float *numbers)
{
#if NET_BINS > 1
    float largest = numbers[0], sum = 0.0f, far = 0.0f, shares[NET_BINS];
    int j;

    for (j = 1; j < NET_BINS; j++)
        if (numbers[j] > largest) largest = numbers[j];
    for (j = 0; j < NET_BINS; j++) {
        shares[j] = net_exp(numbers[j] - largest);
        sum += shares[j];
    }
    for (j = 0; j < NET_BINS; j++) far += shares[j] / sum * (float)j;
    return net_cells(far);
#else
    return net_cells(numbers[0]);
#endif
}

static int net_decode_grid(const net_grid *grid, const float *const *maps, float score_threshold,
                           int first, int count)
{
    const int area = grid->rows * grid->columns;
    int a, cell, k;

    for (a = 0; a < grid->anchor_count; a++) {
        for (cell = 0; cell < area; cell++) {
            const int place = cell * grid->anchor_count + a;
            const float *t = maps[0] + place * 4 * NET_BINS;
            const int row = cell / grid->columns, column = cell % grid->columns;
            float scores[NET_CLASSES], left, top, right, bottom;
            int above = 0;

            net_score(maps[1] + place * NET_CLASSES, NET_CLASSES, scores);
            for (k = 0; k < NET_CLASSES; k++) above |= scores[k] > score_threshold;
            if (!above) continue;
            left = net_distance(t) * grid->stride_x;
            top = net_distance(t + NET_BINS) * grid->stride_y;
            right = net_distance(t + 2 * NET_BINS) * grid->stride_x;
            bottom = net_distance(t + 3 * NET_BINS) * grid->stride_y;
            count = net_offer_box(
                ((float)column + NET_CENTER) * grid->stride_x + (right - left) / 2.0f,
                ((float)row + NET_CENTER) * grid->stride_y + (bottom - top) / 2.0f, left + right,
                top + bottom, scores, score_threshold, first + (a * area + cell) * NET_CLASSES,
                count);
        }
    }
    return count;
}
