/* Every candidate of the maps, best first. */
static int net_decode(const float *const *maps, float score_threshold)
{
    int count = 0, first = 0, i;

    for (i = 0; i < NET_GRIDS; i++) {
        const net_grid *grid = &net_grids[i];

        count = net_decode_grid(grid, maps + i * NET_MAPS / NET_GRIDS, score_threshold, first, count);
        first += grid->anchor_count * grid->rows * grid->columns * NET_CLASSES;
    }
    net_sort(count);
    return count;
}
