/* Cells of fixed dimensional encodings (MUVERA, arXiv 2405.19504, section 2). Part of kernels.c.

   A token lies in one cell per repetition, cells[token][repetition], and has a vector there,
   vectors[token * stride + repetition * step]: step is 0 where all repetitions share one vector. out is
   [set][repetition][cell][width]. Sums are taken in the order of the tokens, so that every form rounds alike. */

typedef struct {
  const int32_t *cells;
  const float *vectors;
  int64_t stride, step, repetitions, partitions, width;
} Cells;

static void sum_cells(const Cells *c, int64_t first, int64_t last, float *out) {
  memset(out, 0, sizeof(float) * (size_t)(c->repetitions * c->partitions * c->width));
  for (int64_t t = first; t < last; t++)
    for (int64_t r = 0; r < c->repetitions; r++) {
      const float *from = c->vectors + t * c->stride + r * c->step;
      float *to = out + (r * c->partitions + c->cells[t * c->repetitions + r]) * c->width;
      for (int64_t j = 0; j < c->width; j++) to[j] += from[j];
    }
}

#define FAR ((int64_t)1 << 62)
#define BIT_APART ((int64_t)1 << 32)

/* nearest: per cell its first token, FAR without one; after: Hamming distance << 32 | token of the nearest cell that
   has one, the first token among equals. Distances of bits add up, so one pass per bit compares all pairs of cells. */
static void spread(int64_t *nearest, int64_t partitions) {
  for (int64_t bit = 1; bit < partitions; bit <<= 1)
    for (int64_t cell = 0; cell < partitions; cell++) {
      if (cell & bit) continue;
      int64_t low = nearest[cell], high = nearest[cell | bit];
      nearest[cell] = low < high + BIT_APART ? low : high + BIT_APART;
      nearest[cell | bit] = high < low + BIT_APART ? high : low + BIT_APART;
    }
}

/* counts, nearest: room for one number per cell of one repetition */
static void mean_cells(const Cells *c, int64_t first, int64_t last, int fill, int64_t *counts, int64_t *nearest,
                       float *out) {
  sum_cells(c, first, last, out);
  for (int64_t r = 0; r < c->repetitions && first < last; r++) {
    for (int64_t b = 0; b < c->partitions; b++) counts[b] = 0, nearest[b] = FAR;
    for (int64_t t = last - 1; t >= first; t--) {
      int32_t cell = c->cells[t * c->repetitions + r];
      counts[cell]++, nearest[cell] = t - first;
    }
    spread(nearest, c->partitions);
    for (int64_t b = 0; b < c->partitions; b++) {
      float *to = out + (r * c->partitions + b) * c->width, count = (float)counts[b];
      const float *from = c->vectors + (first + (nearest[b] & (BIT_APART - 1))) * c->stride + r * c->step;
      if (counts[b] > 1)
        for (int64_t j = 0; j < c->width; j++) to[j] /= count;
      else if (fill && !counts[b])
        memcpy(to, from, sizeof(float) * (size_t)c->width);
    }
  }
}

/* Per cell the sum of its tokens. */
API void bb_cell_sums(const int32_t *cells, const float *vectors, int64_t stride, int64_t step, int64_t repetitions,
                      int64_t partitions, int64_t width, const int64_t *offsets, int64_t n, float *out) {
  Cells c = {cells, vectors, stride, step, repetitions, partitions, width};
  for (int64_t i = 0; i < n; i++) sum_cells(&c, offsets[i], offsets[i + 1], out + i * repetitions * partitions * width);
}

/* Per cell the mean of its tokens; with fill, cells without one take the vector of the nearest token.
   Returns 0, or -1 when there is no memory. */
API int bb_cell_means(const int32_t *cells, const float *vectors, int64_t stride, int64_t step, int64_t repetitions,
                      int64_t partitions, int64_t width, const int64_t *offsets, int64_t n, int fill, float *out) {
  Cells c = {cells, vectors, stride, step, repetitions, partitions, width};
  int64_t *room = malloc(sizeof(int64_t) * 2 * (size_t)partitions);
  int ready = room != NULL;
  for (int64_t i = 0; ready && i < n; i++)
    mean_cells(&c, offsets[i], offsets[i + 1], fill, room, room + partitions, out + i * repetitions * partitions * width);
  free(room);
  return ready ? 0 : -1;
}
