/* Product codes of 4 bits, scored by tables that stay in registers (André, Kermarrec and Le Scouarnec, "Cache locality
   is not enough", VLDB 2015). Part of kernels.c.

   Codes lie sixteen vectors at a time, [block][pairs][16] bytes: byte [p][t] holds subspace 2 p of vector t in its low
   half and subspace 2 p + 1 in its high half. pairs is a multiple of 4, so that a block is whole 64-byte lines. tables:
   [2][pairs][16] bytes, low halves first; no entry is above 127, so that two add up within a byte, and the highest
   entries of all tables add up to less than 65536. */

#define LINE 64

/* The first block, from `from` on, that has a vector with a sum above `limit`; `end` if there is none.
   sums: those of that block. */
typedef int64_t (*above_fn)(const uint8_t *tables, int64_t pairs, const uint8_t *codes, int64_t from, int64_t end,
                            int32_t limit, uint16_t sums[LANES]);

static int64_t above_portable(const uint8_t *tables, int64_t pairs, const uint8_t *codes, int64_t from, int64_t end,
                              int32_t limit, uint16_t sums[LANES]) {
  const uint8_t *low = tables, *high = tables + pairs * LANES;
  for (int64_t b = from; b < end; b++) {
    const uint8_t *block = codes + b * pairs * LANES;
    int found = 0;
    for (int t = 0; t < LANES; t++) sums[t] = 0;
    for (int64_t p = 0; p < pairs; p++)
      for (int t = 0; t < LANES; t++) {
        uint8_t code = block[p * LANES + t];
        sums[t] = (uint16_t)(sums[t] + low[p * LANES + (code & 15)] + high[p * LANES + (code >> 4)]);
      }
    for (int t = 0; t < LANES; t++) found |= sums[t] > limit;
    if (found) return b;
  }
  return end;
}

#ifdef X86
/* even, odd: sums of the even and of the odd vectors of a block. Whether one is above the limit; if so they are kept. */
WITH_AVX2 static inline int any_above(__m128i even, __m128i odd, __m256i limit, uint16_t sums[LANES]) {
  __m256i whole = _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd));
  __m256i above = _mm256_subs_epu16(whole, limit);
  if (_mm256_testz_si256(above, above)) return 0;
  _mm256_storeu_si256((__m256i *)sums, whole);
  return 1;
}

WITH_AVX2 static int64_t above_avx2(const uint8_t *tables, int64_t pairs, const uint8_t *codes, int64_t from,
                                    int64_t end, int32_t limit, uint16_t sums[LANES]) {
  const __m256i nibble = _mm256_set1_epi8(15), most = _mm256_set1_epi16((short)limit);
  for (int64_t b = from; b < end; b++) {
    const uint8_t *block = codes + b * pairs * LANES;
    __m256i even = _mm256_setzero_si256(), odd = even;
    for (int64_t at = 0; at < pairs * LANES; at += 32) {
      __m256i x = _mm256_loadu_si256((const __m256i *)(block + at));
      __m256i low = _mm256_loadu_si256((const __m256i *)(tables + at));
      __m256i high = _mm256_loadu_si256((const __m256i *)(tables + pairs * LANES + at));
      __m256i found = _mm256_add_epi8(_mm256_shuffle_epi8(low, _mm256_and_si256(x, nibble)),
                                      _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(x, 4), nibble)));
      even = _mm256_add_epi16(even, found); /* with 256 times the odd sums, which are taken off below */
      odd = _mm256_add_epi16(odd, _mm256_srli_epi16(found, 8));
    }
    even = _mm256_sub_epi16(even, _mm256_slli_epi16(odd, 8));
    if (any_above(_mm_add_epi16(_mm256_castsi256_si128(even), _mm256_extracti128_si256(even, 1)),
                  _mm_add_epi16(_mm256_castsi256_si128(odd), _mm256_extracti128_si256(odd, 1)), most, sums))
      return b;
  }
  return end;
}

#define WITH_WIDE __attribute__((target("avx512f,avx512bw,avx512vl,avx2")))

WITH_WIDE static inline __m128i folded(__m512i x) {
  __m256i half = _mm256_add_epi16(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
  return _mm_add_epi16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

WITH_WIDE static int64_t above_avx512(const uint8_t *tables, int64_t pairs, const uint8_t *codes, int64_t from,
                                      int64_t end, int32_t limit, uint16_t sums[LANES]) {
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m256i most = _mm256_set1_epi16((short)limit);
  for (int64_t b = from; b < end; b++) {
    const uint8_t *block = codes + b * pairs * LANES;
    __m512i even = _mm512_setzero_si512(), odd = even;
    for (int64_t at = 0; at < pairs * LANES; at += LINE) {
      __m512i x = _mm512_loadu_si512(block + at);
      __m512i low = _mm512_loadu_si512(tables + at), high = _mm512_loadu_si512(tables + pairs * LANES + at);
      __m512i found = _mm512_add_epi8(_mm512_shuffle_epi8(low, _mm512_and_si512(x, nibble)),
                                      _mm512_shuffle_epi8(high, _mm512_and_si512(_mm512_srli_epi16(x, 4), nibble)));
      even = _mm512_add_epi16(even, found);
      odd = _mm512_add_epi16(odd, _mm512_srli_epi16(found, 8));
    }
    even = _mm512_sub_epi16(even, _mm512_slli_epi16(odd, 8));
    if (any_above(folded(even), folded(odd), most, sums)) return b;
  }
  return end;
}
#endif

#ifdef ARM
static int64_t above_neon(const uint8_t *tables, int64_t pairs, const uint8_t *codes, int64_t from, int64_t end,
                          int32_t limit, uint16_t sums[LANES]) {
  const uint8x16_t nibble = vdupq_n_u8(15);
  const uint16x8_t most = vdupq_n_u16((uint16_t)limit);
  for (int64_t b = from; b < end; b++) {
    const uint8_t *block = codes + b * pairs * LANES;
    uint16x8_t first = vdupq_n_u16(0), second = first;
    for (int64_t at = 0; at < pairs * LANES; at += LANES) {
      uint8x16_t x = vld1q_u8(block + at);
      uint8x16_t found = vaddq_u8(vqtbl1q_u8(vld1q_u8(tables + at), vandq_u8(x, nibble)),
                                  vqtbl1q_u8(vld1q_u8(tables + pairs * LANES + at), vshrq_n_u8(x, 4)));
      first = vaddw_u8(first, vget_low_u8(found));
      second = vaddw_high_u8(second, found);
    }
    if (vmaxvq_u16(vorrq_u16(vcgtq_u16(first, most), vcgtq_u16(second, most)))) {
      vst1q_u16(sums, first);
      vst1q_u16(sums + 8, second);
      return b;
    }
  }
  return end;
}
#endif

static above_fn above(void) {
#ifdef X86
  if (bb_level() == VNNI) return above_avx512;
  if (bb_level() == AVX2) return above_avx2;
#elif defined(ARM)
  if (bb_level() == NEON) return above_neon;
#endif
  return above_portable;
}

/* ---- the best k so far: a heap would move hits about, a buffer is cut to the best k when it is full ---------------- */

typedef struct {
  int64_t k, slack, most; /* hits that score at least the k-th best score - slack are kept, at most `most` */
  int64_t count, full;    /* the buffer is cut when there are so many, after a block */
  int64_t least;          /* only higher ones can still get in */
  int64_t *hits;          /* score << 32 | (2 ** 31 - 1 - row): no two are equal, lower rows are higher among equals */
} Kept;

typedef void (*take_fn)(const uint16_t sums[LANES], int64_t first, int64_t from, int64_t to, int64_t bias,
                        const uint8_t *usable, Kept *kept);

/* Part the numbers i .. j (Hoare): those up to j are then at least a number of them, and those from i on at most. */
static inline void part(int64_t *numbers, int64_t *i, int64_t *j) {
  int64_t middle = numbers[*i + (*j - *i) / 2];
  while (*i <= *j) {
    while (numbers[*i] > middle) ++*i;
    while (numbers[*j] < middle) --*j;
    if (*i <= *j) {
      int64_t held = numbers[*i];
      numbers[(*i)++] = numbers[*j];
      numbers[(*j)--] = held;
    }
  }
}

/* Move the k highest of n different numbers to the front (Hoare's quickselect). */
static void highest_first(int64_t *numbers, int64_t n, int64_t k) {
  int64_t first = 0, last = n - 1;
  while (first < last) {
    int64_t i = first, j = last;
    part(numbers, &i, &j);
    if (k <= j)
      last = j;
    else if (k > i)
      first = i;
    else
      return;
  }
}

/* Highest first (quicksort; short runs by insertion). */
static void sort_hits(int64_t *numbers, int64_t n) {
  while (n > 24) {
    int64_t i = 0, j = n - 1;
    part(numbers, &i, &j);
    int64_t *right = numbers + i, left = j + 1, others = n - i; /* the smaller part first: no deep recursion */
    if (left < others) {
      sort_hits(numbers, left);
      numbers = right, n = others;
    } else {
      sort_hits(right, others);
      n = left;
    }
  }
  for (int64_t i = 1; i < n; i++) {
    int64_t held = numbers[i], j = i;
    for (; j > 0 && numbers[j - 1] < held; j--) numbers[j] = numbers[j - 1];
    numbers[j] = held;
  }
}

static int64_t lowest(const int64_t *numbers, int64_t n) {
  int64_t found = INT64_MAX;
  for (int64_t i = 0; i < n; i++) found = numbers[i] < found ? numbers[i] : found;
  return found;
}

static void cut(Kept *kept) {
  int64_t within = kept->k;
  if (kept->count < kept->k) return;
  highest_first(kept->hits, kept->count, kept->k);
  kept->least = ((lowest(kept->hits, kept->k) >> 32) - kept->slack) * ((int64_t)1 << 32) - 1;
  for (int64_t i = kept->k; i < kept->count; i++)
    if (kept->hits[i] > kept->least) kept->hits[within++] = kept->hits[i];
  if (within > kept->most) {
    highest_first(kept->hits, within, kept->most);
    within = kept->most;
    kept->least = lowest(kept->hits, within);
  }
  kept->count = within;
  kept->full = 2 * within + 64;
}

/* Keep those of a block, from .. to - 1, that may get in. Which ones do cannot be foretold: no branches. */
static void take_portable(const uint16_t sums[LANES], int64_t first, int64_t from, int64_t to, int64_t bias,
                          const uint8_t *usable, Kept *kept) {
  for (int64_t t = from; t < to; t++) {
    int64_t hit = (bias + sums[t]) * ((int64_t)1 << 32) + (INT32_MAX - (first + t));
    kept->hits[kept->count] = hit;
    kept->count += (hit > kept->least) & (!usable || usable[first + t]);
  }
}

#ifdef X86
WITH_WIDE static void take_avx512(const uint16_t sums[LANES], int64_t first, int64_t from, int64_t to, int64_t bias,
                                  const uint8_t *usable, Kept *kept) {
  const __m512i least = _mm512_set1_epi64(kept->least), back = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
  unsigned inside = (0xffffu << from) & (0xffffu >> (LANES - to));
  if (usable) return take_portable(sums, first, from, to, bias, usable, kept);
  for (int half = 0; half < LANES; half += 8) {
    __m512i score = _mm512_cvtepu16_epi64(_mm_loadu_si128((const __m128i *)(sums + half)));
    __m512i base = _mm512_set1_epi64(bias * ((int64_t)1 << 32) + (INT32_MAX - (first + half)));
    __m512i hits = _mm512_add_epi64(_mm512_slli_epi64(score, 32), _mm512_sub_epi64(base, back));
    __mmask8 in = _mm512_mask_cmpgt_epi64_mask((__mmask8)(inside >> half), hits, least);
    _mm512_storeu_si512(kept->hits + kept->count, _mm512_maskz_compress_epi64(in, hits));
    kept->count += __builtin_popcount(in);
  }
}
#endif

static take_fn take(void) {
#ifdef X86
  if (bb_level() == VNNI) return take_avx512;
#endif
  return take_portable;
}

static void scan_codes(above_fn next, take_fn keep, const uint8_t *tables, int64_t pairs, const uint8_t *codes,
                       int64_t start, int64_t end, int64_t bias, const uint8_t *usable, Kept *kept) {
  int64_t last = (end + LANES - 1) / LANES;
  uint16_t sums[LANES];
  for (int64_t b = start / LANES; b < last; b++) {
    int64_t limit = ((kept->least + 1) >> 32) - bias - 1; /* the lowest score that may get in is one above */
    if (limit > 65535) return;
    if (limit >= 0)
      b = next(tables, pairs, codes, b, last, (int32_t)limit, sums);
    else if (next(tables, pairs, codes, b, b + 1, 0, sums) > b) /* all get in, and none is above 0 */
      memset(sums, 0, sizeof sums);
    if (b == last) return;
    int64_t first = b * LANES, from = first < start ? start - first : 0, to = end - first < LANES ? end - first : LANES;
    keep(sums, first, from, to, bias, usable, kept);
    if (kept->count >= kept->full) cut(kept);
  }
}

/* The vectors of some ranges whose bias + sum of table entries is at least the k-th highest - slack, but no more than
   the best `most`, lower rows first among equals. k >= 1, slack >= 0, most >= k. The work is least where the best ranges
   come first. biases: one per range. usable: a byte per row, or null for all rows. hits: room for 2 most + 80.
   scores, rows: room for `most`, in no particular order. Returns how many there are, or -1 when there is no memory. */
API int64_t bb_code_hits(const uint8_t *tables, int64_t pairs, const uint8_t *codes, const int64_t *starts,
                         const int64_t *ends, const int32_t *biases, int64_t ranges, const uint8_t *usable, int64_t k,
                         int64_t slack, int64_t most, int64_t *hits, int32_t *scores, int64_t *rows) {
  size_t size = (size_t)(2 * pairs * LANES);
  Kept kept = {k, slack, most, 0, 2 * k + 64, INT64_MIN, hits};
  uint8_t *room = malloc(size + LINE);
  if (!room) return -1;
  uint8_t *aligned = room + (LINE - (uintptr_t)room % LINE) % LINE; /* a load across two lines takes twice as long */
  memcpy(aligned, tables, size);
  for (int64_t r = 0; r < ranges; r++)
    scan_codes(above(), take(), aligned, pairs, codes, starts[r], ends[r], biases[r], usable, &kept);
  cut(&kept);
  for (int64_t i = 0; i < kept.count; i++) {
    scores[i] = (int32_t)(hits[i] >> 32);
    rows[i] = INT32_MAX - (hits[i] & 0xffffffff);
  }
  free(room);
  return kept.count;
}

/* ---- the best of single scores ------------------------------------------------------------------------------------ */

/* A whole number that is higher for higher scores; NaN is like the lowest. */
static inline int64_t rank_of(float score) {
  int32_t bits;
  score = score == score ? score + 0.0f : -INFINITY; /* -0 is 0 */
  memcpy(&bits, &score, 4);
  return bits < 0 ? ~(bits & INT32_MAX) : bits;
}

/* Whether one of LANES scores is not below the floor. */
static inline int any_from(const float *scores, float floor) {
  int found = 0;
  for (int i = 0; i < LANES; i++) found |= !(scores[i] < floor);
  return found;
}

static inline float score_of(int64_t rank) {
  uint32_t bits = rank < 0 ? (uint32_t)~rank | 0x80000000u : (uint32_t)rank;
  float score;
  memcpy(&score, &bits, 4);
  return score;
}

/* Positions of the k >= 1 highest of n scores, best first; the first of equals come first, NaN is like -inf. hits: room
   for 2 k + 80. out: room for k. Returns how many there are. */
API int64_t bb_best(const float *scores, int64_t n, int64_t k, int64_t *hits, int64_t *out) {
  Kept kept = {k, 0, k, 0, 2 * k + 64, INT64_MIN, hits};
  float floor = -INFINITY;
  for (int64_t at = 0; at < n; at += LANES) {
    int64_t end = n - at < LANES ? n : at + LANES;
    if (end == at + LANES && !any_from(scores + at, floor)) continue;
    for (int64_t i = at; i < end; i++) {
      int64_t hit = rank_of(scores[i]) * ((int64_t)1 << 32) + (INT32_MAX - i);
      hits[kept.count] = hit;
      kept.count += hit > kept.least;
    }
    if (kept.count >= kept.full) {
      cut(&kept);
      floor = score_of((kept.least + 1) >> 32);
    }
  }
  cut(&kept);
  sort_hits(hits, kept.count);
  for (int64_t i = 0; i < kept.count; i++) out[i] = INT32_MAX - (hits[i] & 0xffffffff);
  return kept.count;
}
