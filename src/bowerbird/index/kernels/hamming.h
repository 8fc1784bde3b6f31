/* The nearest binary codes by Hamming distance. Part of kernels.c.

   Codes lie eight at a time as words of 64 bits, [group][word][8], so that one 64-byte load gives a word of eight codes
   and their distances need no horizontal sum. */

#define GROUP 8
#define TILE 512  /* words of groups, 32 KB, that stay in the processor's first cache for a batch of queries */
#define ASKED 256 /* queries in a batch, at most */
#define HELD (1 << 23) /* hits of a batch, at most, where one query has no more: 64 MB */

#ifdef X86
#define WITH_VPOPCNT __attribute__((target("avx512f,avx512vpopcntdq")))
#endif

/* The first group, from `from` on, that has a code with a distance below `bound`; `end` if there is none.
   found: the distances of that group. */
typedef int64_t (*closer_fn)(const uint64_t *groups, int64_t from, int64_t end, int64_t words, const uint64_t *query,
                             int64_t bound, int64_t found[GROUP]);

static inline int64_t ones(uint64_t x) {
  x -= x >> 1 & 0x5555555555555555u;
  x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
  return (int64_t)(((x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu) * 0x0101010101010101u >> 56);
}

static int64_t closer_portable(const uint64_t *groups, int64_t from, int64_t end, int64_t words, const uint64_t *query,
                               int64_t bound, int64_t found[GROUP]) {
  for (int64_t b = from; b < end; b++) {
    const uint64_t *group = groups + b * words * GROUP;
    int below = 0;
    for (int i = 0; i < GROUP; i++) found[i] = 0;
    for (int64_t w = 0; w < words; w++)
      for (int i = 0; i < GROUP; i++) found[i] += ones(group[w * GROUP + i] ^ query[w]);
    for (int i = 0; i < GROUP; i++) below |= found[i] < bound;
    if (below) return b;
  }
  return end;
}

#ifdef X86
/* Ones of every byte, by a table of half bytes (Mula, Kurz, Lemire: arXiv 1611.07612, section 3.1). */
WITH_AVX2 static inline __m256i ones_avx2(__m256i x) {
  const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2,
                                         2, 3, 2, 3, 3, 4);
  const __m256i low = _mm256_set1_epi8(15);
  return _mm256_add_epi8(_mm256_shuffle_epi8(table, _mm256_and_si256(x, low)),
                         _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(x, 4), low)));
}

WITH_AVX2 static int64_t closer_avx2(const uint64_t *groups, int64_t from, int64_t end, int64_t words,
                                     const uint64_t *query, int64_t bound, int64_t found[GROUP]) {
  const __m256i zero = _mm256_setzero_si256(), limit = _mm256_set1_epi64x(bound);
  for (int64_t b = from; b < end; b++) {
    const uint64_t *group = groups + b * words * GROUP;
    __m256i left = zero, right = zero;
    for (int64_t w = 0; w < words;) { /* bytes hold the ones of 31 words */
      __m256i first = zero, second = zero;
      for (int64_t stop = words - w < 31 ? words : w + 31; w < stop; w++) {
        __m256i asked = _mm256_set1_epi64x((long long)query[w]);
        const __m256i *at = (const __m256i *)(group + w * GROUP);
        first = _mm256_add_epi8(first, ones_avx2(_mm256_xor_si256(_mm256_loadu_si256(at), asked)));
        second = _mm256_add_epi8(second, ones_avx2(_mm256_xor_si256(_mm256_loadu_si256(at + 1), asked)));
      }
      left = _mm256_add_epi64(left, _mm256_sad_epu8(first, zero));
      right = _mm256_add_epi64(right, _mm256_sad_epu8(second, zero));
    }
    __m256i below = _mm256_or_si256(_mm256_cmpgt_epi64(limit, left), _mm256_cmpgt_epi64(limit, right));
    if (!_mm256_testz_si256(below, below)) {
      _mm256_storeu_si256((__m256i *)found, left);
      _mm256_storeu_si256((__m256i *)(found + 4), right);
      return b;
    }
  }
  return end;
}

WITH_VPOPCNT static inline __attribute__((always_inline)) int64_t
closer_unrolled(const uint64_t *groups, int64_t from, int64_t end, int64_t words, const uint64_t *query, int64_t bound,
                int64_t found[GROUP]) {
  const __m512i limit = _mm512_set1_epi64(bound);
  for (int64_t b = from; b < end; b++) {
    const uint64_t *group = groups + b * words * GROUP;
    __m512i sum = _mm512_setzero_si512();
    for (int64_t w = 0; w < words; w++) {
      __m512i differ = _mm512_xor_si512(_mm512_loadu_si512(group + w * GROUP), _mm512_set1_epi64((long long)query[w]));
      sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(differ));
    }
    if (_mm512_cmplt_epi64_mask(sum, limit)) {
      _mm512_storeu_si512(found, sum);
      return b;
    }
  }
  return end;
}
/* For usual widths, 128 to 768 bits, the compiler knows the number of words and keeps the query in registers. */
WITH_VPOPCNT static int64_t closer_avx512(const uint64_t *groups, int64_t from, int64_t end, int64_t words,
                                          const uint64_t *query, int64_t bound, int64_t found[GROUP]) {
  if (words == 2) return closer_unrolled(groups, from, end, 2, query, bound, found);
  if (words == 4) return closer_unrolled(groups, from, end, 4, query, bound, found);
  if (words == 6) return closer_unrolled(groups, from, end, 6, query, bound, found);
  if (words == 8) return closer_unrolled(groups, from, end, 8, query, bound, found);
  if (words == 12) return closer_unrolled(groups, from, end, 12, query, bound, found);
  return closer_unrolled(groups, from, end, words, query, bound, found);
}
#endif

static closer_fn closer(void) {
#ifdef X86
  if (bb_level() == VNNI && __builtin_cpu_supports("avx512vpopcntdq")) return closer_avx512;
  if (bb_level() >= AVX2) return closer_avx2;
#endif
  return closer_portable;
}

/* ---- the best k so far --------------------------------------------------------------------------------------------- */

typedef struct {
  int32_t distance, row;
} Hit;

/* Rows come in ascending order, so among equals the first is kept. A row counts if its distance is below `bound`; of
   those there are `below`, fewer than k. The other hits lie at the bound. */
typedef struct {
  int64_t k, room, bound, below, count;
  int32_t *histogram; /* of the hits below the bound */
  Hit *hits;
} Best;

/* Keep the best k. */
static void compact(Best *best) {
  int64_t kept = 0, level_left = best->k - best->below;
  for (int64_t i = 0; i < best->count; i++) {
    Hit hit = best->hits[i];
    if (hit.distance < best->bound || (hit.distance == best->bound && level_left-- > 0)) best->hits[kept++] = hit;
  }
  best->count = kept;
}

static void keep(Best *best, int32_t distance, int32_t row) {
  best->hits[best->count++] = (Hit){distance, row};
  best->histogram[distance]++;
  best->below++;
  while (best->below >= best->k) best->below -= best->histogram[--best->bound];
  if (best->count == best->room) compact(best);
}

/* distances, rows: k each, best first, -1 past the last hit */
static void finish(Best *best, int32_t *distances, int32_t *rows) {
  int32_t place = 0;
  compact(best);
  for (int64_t d = 0; d <= best->bound; d++) { /* from how many to where they begin */
    int32_t here = best->histogram[d];
    best->histogram[d] = place;
    place += here;
  }
  for (int64_t i = 0; i < best->k; i++) distances[i] = rows[i] = -1;
  for (int64_t i = 0; i < best->count; i++) {
    int32_t to = best->histogram[best->hits[i].distance]++;
    distances[to] = best->hits[i].distance;
    rows[to] = best->hits[i].row;
  }
}

/* ---- the scan ------------------------------------------------------------------------------------------------------ */

/* Groups first .. last - 1 for one query. */
static void scan_tile(closer_fn next, const uint64_t *groups, int64_t first, int64_t last, int64_t n, int64_t words,
                      const uint64_t *query, const uint8_t *usable, Best *best) {
  int64_t found[GROUP];
  for (int64_t b = next(groups, first, last, words, query, best->bound, found); b < last;
       b = next(groups, b + 1, last, words, query, best->bound, found))
    for (int64_t row = b * GROUP, i = 0; i < GROUP && row < n; i++, row++)
      if (found[i] < best->bound && (!usable || usable[row])) keep(best, (int32_t)found[i], (int32_t)row);
}

static void scan(const uint64_t *queries, int64_t asked, const uint64_t *groups, int64_t n, int64_t words,
                 const uint8_t *usable, Best *best) {
  int64_t end = (n + GROUP - 1) / GROUP, tile = words < TILE ? TILE / words : 1;
  closer_fn next = closer();
  for (int64_t first = 0; first < end; first += tile) {
    int64_t last = end - first < tile ? end : first + tile;
    for (int64_t q = 0; q < asked; q++)
      scan_tile(next, groups, first, last, n, words, queries + q * words, usable, best + q);
  }
}

/* The k nearest of n codes for every query (q x words), lower rows first among equals. usable: a byte per row, or null
   for all rows. 1 <= k. distances, rows: q x k. Returns 0, or -1 when there is no memory. */
API int bb_hamming(const uint64_t *queries, int64_t q, const uint64_t *groups, int64_t n, int64_t words, int64_t k,
                   const uint8_t *usable, int32_t *distances, int32_t *rows) {
  int64_t levels = words * 64 + 2, room = 2 * k + 64, together = room < HELD / ASKED ? ASKED : HELD / room + 1;
  if (together > q) together = q;
  int32_t *histograms = malloc((size_t)(together * levels) * 4 + 4);
  Hit *hits = malloc((size_t)(together * room) * sizeof(Hit) + 1);
  Best *best = malloc((size_t)together * sizeof(Best) + 1);
  int ready = histograms && hits && best;
  for (int64_t start = 0; ready && start < q; start += together) {
    int64_t asked = q - start < together ? q - start : together;
    memset(histograms, 0, (size_t)(asked * levels) * 4);
    for (int64_t i = 0; i < asked; i++)
      best[i] = (Best){k, room, words * 64 + 1, 0, 0, histograms + i * levels, hits + i * room};
    scan(queries + start * words, asked, groups, n, words, usable, best);
    for (int64_t i = 0; i < asked; i++) finish(best + i, distances + (start + i) * k, rows + (start + i) * k);
  }
  free(histograms);
  free(hits);
  free(best);
  return ready ? 0 : -1;
}
