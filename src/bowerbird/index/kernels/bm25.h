/* BM25 over postings: what the terms of a query give to rows, and the best rows. Part of kernels.c.

   Scores are zero between queries. Rows that a query finds are taken by a second pass over its postings, or by a pass
   over all scores where that is shorter. */

/* scores[row] += weight * count / (count + norms[row]) for the postings in every range. once[row] is 1 / (1 + norm):
   most words are in a text once, and a division takes longer than all the rest. */
API void bb_bm25_add(const int32_t *rows, const uint16_t *counts, const int64_t *starts, const int64_t *ends,
                     const float *weights, int64_t terms, const float *norms, const float *once, float *scores) {
  for (int64_t t = 0; t < terms; t++) {
    const float weight = weights[t];
    for (int64_t i = starts[t]; i < ends[t]; i++) {
      const int32_t row = rows[i];
      const float count = counts[i];
      scores[row] += weight * (counts[i] == 1 ? once[row] : count / (count + norms[row]));
    }
  }
}

/* Hits so far: a heap of up to k, the worst on top. */
typedef struct {
  int64_t k, size, *positions;
  float *scores;
} Hits;

/* Whether a hit ranks below another: the lower score, or among equals the higher position. */
static int below(float a, int64_t at_a, float b, int64_t at_b) { return a < b || (a == b && at_a > at_b); }

static void offer(Hits *hits, float score, int64_t position) {
  int64_t at = 0;
  if (hits->size < hits->k) { /* rises from the end */
    at = hits->size++;
    while (at > 0 && below(score, position, hits->scores[(at - 1) / 2], hits->positions[(at - 1) / 2])) {
      hits->scores[at] = hits->scores[(at - 1) / 2], hits->positions[at] = hits->positions[(at - 1) / 2];
      at = (at - 1) / 2;
    }
  } else if (hits->k > 0 && below(hits->scores[0], hits->positions[0], score, position)) { /* sinks from the top */
    for (;;) {
      int64_t child = 2 * at + 1;
      if (child + 1 < hits->size && below(hits->scores[child + 1], hits->positions[child + 1], hits->scores[child],
                                          hits->positions[child]))
        child++;
      if (child >= hits->size || !below(hits->scores[child], hits->positions[child], score, position)) break;
      hits->scores[at] = hits->scores[child], hits->positions[at] = hits->positions[child];
      at = child;
    }
  } else {
    return;
  }
  hits->scores[at] = score, hits->positions[at] = position;
}

/* Offer the rows of the postings in every range to a heap that holds `size` hits already. first: the position of row 0.
   Returns the size of the heap. */
API int64_t bb_bm25_take(const int32_t *rows, const int64_t *starts, const int64_t *ends, int64_t terms, float *scores,
                         int64_t first, int64_t k, float *best, int64_t *positions, int64_t size) {
  Hits hits = {k, size, positions, best};
  for (int64_t t = 0; t < terms; t++)
    for (int64_t i = starts[t]; i < ends[t]; i++) {
      const float score = scores[rows[i]];
      scores[rows[i]] = 0;
      if (score > 0) offer(&hits, score, first + rows[i]);
    }
  return hits.size;
}

/* As bb_bm25_take, for all rows from position 0. */
API int64_t bb_bm25_take_all(float *scores, int64_t count, int64_t k, float *best, int64_t *positions) {
  Hits hits = {k, 0, positions, best};
  int64_t start = 0;
  for (; start + LANES <= count; start += LANES) {
    const float least = hits.size == k && k > 0 ? best[0] : 0;
    int some = 0;
    for (int lane = 0; lane < LANES; lane++) some |= scores[start + lane] > least;
    if (some)
      for (int64_t at = start; at < start + LANES; at++)
        if (scores[at] > 0) offer(&hits, scores[at], at);
  }
  for (; start < count; start++)
    if (scores[start] > 0) offer(&hits, scores[start], start);
  memset(scores, 0, (size_t)count * sizeof(float));
  return hits.size;
}
