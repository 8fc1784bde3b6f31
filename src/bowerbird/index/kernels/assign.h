/* The assignment of tokens to centroids. Part of kernels.c.

   Some thousand tokens are compared with the regions, then region by region with the centroids there: these stay in
   the nearest cache, and the tokens of a strip share every read of them. */

#define TOGETHER 4096 /* tokens */

typedef struct {
  int32_t value, region; /* no region: -1 */
} Reached;

/* Put a region in its place among the best of a token, behind equal ones. */
static inline void reach(Reached *best, int probes, int32_t value, int32_t region) {
  int at = probes - 1;
  if (value <= best[at].value) return;
  for (; at > 0 && value > best[at - 1].value; at--) best[at] = best[at - 1];
  best[at] = (Reached){value, region};
}

/* What the `probes` best of some whole blocks of values reach, or less: so many lanes have a value that does. */
static int32_t reached_by(const int32_t *values, int64_t room, int probes) {
  int32_t top[LANES];
  if (probes > LANES) return INT32_MIN;
  for (int t = 0; t < LANES; t++) top[t] = INT32_MIN;
  for (int64_t r = 0; r < room; r += LANES)
    for (int t = 0; t < LANES; t++) top[t] = values[r + t] > top[t] ? values[r + t] : top[t];
  for (int p = 0; p < probes; p++) /* the best so many to the front */
    for (int t = p + 1; t < LANES; t++) {
      int32_t low = top[t] < top[p] ? top[t] : top[p];
      top[p] = top[t] > top[p] ? top[t] : top[p], top[t] = low;
    }
  return top[probes - 1];
}

static inline int any_reaches(const int32_t values[LANES], int32_t bound) {
  int found = 0;
  for (int t = 0; t < LANES; t++) found |= values[t] >= bound;
  return found;
}

/* The `probes` best regions of a token: values that lie below the bound of them all are passed over by the block. */
static void best_regions(const int32_t *values, int64_t room, int probes, Reached *best) {
  int32_t bound = reached_by(values, room, probes);
  for (int p = 0; p < probes; p++) best[p] = (Reached){INT32_MIN, -1};
  for (int64_t r = 0; r < room; r += LANES) {
    if (!any_reaches(values + r, bound)) continue;
    for (int t = 0; t < LANES; t++)
      if (values[r + t] >= bound) reach(best, probes, values[r + t], (int32_t)(r + t));
  }
}

/* The `probes` best regions of every token. most: of every region of whole blocks, what its value may be, INT32_MIN
   for those without centroids. packed: STRIP x dim. values: STRIP x room. starts: what sums of each token start at, n.
   best: n x probes. */
static void reach_regions(const int8_t *tokens, int64_t n, int dim, const uint8_t *regions, const int32_t *most,
                          int64_t room, int probes, int8_t *packed, int32_t *values, int32_t *starts, Reached *best) {
  dots_fn compute = dots();
  for (int64_t start = 0; start < n; start += STRIP) {
    Strip strip;
    pack_strip(&strip, packed, tokens + start * dim, n - start, dim);
    for (int64_t b = 0; b < room; b += LANES) {
      Dots found;
      compute(&strip, dim, regions + b * dim, found);
      for (int k = 0; k < STRIP; k++)
        for (int t = 0; t < LANES; t++)
          values[k * room + b + t] = found[k][t] < most[b + t] ? found[k][t] : most[b + t];
    }
    for (int k = 0; k < STRIP && start + k < n; k++) {
      starts[start + k] = strip.start[k];
      best_regions(values + k * room, room, probes, best + (start + k) * probes);
    }
  }
}

/* The numbers of the tokens that reached every region, one region after the other. ends: where each region's end. */
static void sort_by_region(const Reached *best, int64_t n, int probes, int64_t count, int64_t *ends, int32_t *rows) {
  memset(ends, 0, sizeof(int64_t) * (size_t)(count + 1));
  for (int64_t i = 0; i < n * probes; i++) ends[best[i].region + 1]++; /* ends[0]: places without a region */
  ends[0] = 0;
  for (int64_t r = 0; r < count; r++) ends[r + 1] += ends[r];
  for (int64_t i = 0; i < n * probes; i++)
    if (best[i].region >= 0) rows[ends[best[i].region]++] = (int32_t)(i / probes);
}

/* Compare the tokens of a region with the centroids `first` to `last` - 1, from the start of a block. */
static void compare(const int8_t *tokens, const int32_t *starts, const int32_t *rows, int64_t n, int dim,
                    const uint8_t *centroids, int64_t first, int64_t last, int8_t *packed, int32_t *value,
                    int32_t *index) {
  for (int64_t start = 0; start < n; start += STRIP) {
    int32_t values[STRIP], indices[STRIP];
    Strip strip = {packed, {0}};
    interleave(packed, tokens, rows + start, n - start, dim);
    for (int k = 0; k < STRIP && start + k < n; k++) strip.start[k] = starts[rows[start + k]];
    nearest(&strip, dim, centroids + first * dim, last - first, values, indices);
    for (int k = 0; k < STRIP && start + k < n; k++) {
      int32_t token = rows[start + k], number = (int32_t)first + indices[k];
      if (values[k] > value[token] || (values[k] == value[token] && number < index[token]))
        value[token] = values[k], index[token] = number;
    }
  }
}

/* The best centroid of every token, sought in the neighbourhoods of its `probes` best regions. Region r owns centroids
   bounds[r] .. bounds[r + 1] - 1, whole blocks are looked at; regions without any do not count. The lowest number wins
   among equals, INT32_MIN and 0 stand where none was sought. value, index: n each. Returns 0, or -1 when there is no
   memory. */
API int bb_assign(const int8_t *tokens, int64_t n, int dim, const uint8_t *regions, int64_t region_count, int probes,
                  const int64_t *bounds, const uint8_t *centroids, int64_t count, int32_t *value, int32_t *index) {
  int64_t size = n < TOGETHER ? n : TOGETHER, room = (region_count + LANES - 1) / LANES * LANES;
  for (int64_t i = 0; i < n; i++) value[i] = INT32_MIN, index[i] = 0;
  if (probes > region_count) probes = (int)region_count;
  if (probes <= 0) return 0;
  int8_t *packed = malloc((size_t)STRIP * dim + 1);
  int32_t *most = malloc(sizeof(int32_t) * (size_t)room + 1);
  int32_t *values = malloc(sizeof(int32_t) * (size_t)(STRIP * room) + 1);
  int32_t *starts = malloc(sizeof(int32_t) * (size_t)size + 1);
  Reached *best = malloc(sizeof(Reached) * (size_t)(size * probes) + 1);
  int32_t *rows = malloc(sizeof(int32_t) * (size_t)(size * probes) + 1);
  int64_t *ends = malloc(sizeof(int64_t) * (size_t)(region_count + 1));
  int ready = packed && most && values && starts && best && rows && ends;
  for (int64_t r = 0; ready && r < room; r++)
    most[r] = r < region_count && bounds[r] < bounds[r + 1] ? INT32_MAX : INT32_MIN;
  for (int64_t start = 0; ready && start < n; start += TOGETHER) {
    const int8_t *some = tokens + start * dim;
    int64_t here = n - start < TOGETHER ? n - start : TOGETHER;
    reach_regions(some, here, dim, regions, most, room, probes, packed, values, starts, best);
    sort_by_region(best, here, probes, region_count, ends, rows);
    for (int64_t r = 0; r < region_count; r++) {
      int64_t from = r ? ends[r - 1] : 0, last = (bounds[r + 1] + LANES - 1) / LANES * LANES;
      compare(some, starts, rows + from, ends[r] - from, dim, centroids, bounds[r] / LANES * LANES,
              last < count ? last : count, packed, value + start, index + start);
    }
  }
  free(packed), free(most), free(values), free(starts), free(best), free(rows), free(ends);
  return ready ? 0 : -1;
}
