/* Inner products of float32 queries with some float16 vectors, alone or as tokens. Part of kernels.c.

   Products are added up in 16 lanes, which are then folded in halves, so that every form rounds alike. */

#define AHEAD 4

static float sum_of(float lanes[LANES]) {
  for (int width = LANES / 2; width; width /= 2)
    for (int i = 0; i < width; i++) lanes[i] += lanes[i + width];
  return lanes[0];
}

static void add_products(const float *query, const uint16_t *vector, int64_t from, int64_t dim, float lanes[LANES]) {
  for (int64_t j = from; j < dim; j++) lanes[j % LANES] += query[j] * half_to_float(vector[j]);
}

#ifdef X86
WITH_AVX2 static float half_dot_avx2(const float *query, const uint16_t *vector, int64_t dim) {
  __m256 low = _mm256_setzero_ps(), high = low;
  float lanes[LANES];
  int64_t j = 0;
  for (; j + LANES <= dim; j += LANES) {
    __m256 first = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(vector + j)));
    __m256 second = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(vector + j + 8)));
    low = _mm256_add_ps(low, _mm256_mul_ps(_mm256_loadu_ps(query + j), first));
    high = _mm256_add_ps(high, _mm256_mul_ps(_mm256_loadu_ps(query + j + 8), second));
  }
  _mm256_storeu_ps(lanes, low);
  _mm256_storeu_ps(lanes + 8, high);
  add_products(query, vector, j, dim, lanes);
  return sum_of(lanes);
}
#endif

static float half_dot(const float *query, const uint16_t *vector, int64_t dim) {
#ifdef X86
  if (bb_level() >= AVX2) return half_dot_avx2(query, vector, dim);
#endif
  float lanes[LANES] = {0};
  add_products(query, vector, 0, dim, lanes);
  return sum_of(lanes);
}

/* query: dim numbers. vectors: n x dim. rows: count of them. out: count inner products. */
API void bb_rescore(const float *query, const uint16_t *vectors, int64_t dim, const int64_t *rows, int64_t count,
                    float *out) {
  for (int64_t i = 0; i < count; i++) {
    const uint16_t *vector = vectors + rows[i] * dim;
#ifdef X86
    if (i + AHEAD < count) /* rows lie far apart: the next ones are on their way while this one is read */
      for (int64_t j = 0; j < dim; j += 32)
        _mm_prefetch((const char *)(vectors + rows[i + AHEAD] * dim + j), _MM_HINT_T0);
#endif
    out[i] = half_dot(query, vector, dim);
  }
}

/* ---- MaxSim of float16 tokens ------------------------------------------------------------------------------------ */

/* best[q] = the greater of it and the inner product of query token q with a token; added up in 16 lanes as above. */
typedef void (*raise_fn)(const float *query, int64_t count, int64_t dim, const uint16_t *token, float *room,
                         float *best);

static void raise_portable(const float *query, int64_t count, int64_t dim, const uint16_t *token, float *room,
                           float *best) {
  for (int64_t j = 0; j < dim; j++) room[j] = half_to_float(token[j]);
  for (int64_t q = 0; q < count; q++) {
    float lanes[LANES] = {0}, product;
    for (int64_t j = 0; j < dim; j++) lanes[j % LANES] += query[q * dim + j] * room[j];
    product = sum_of(lanes);
    best[q] = product > best[q] ? product : best[q];
  }
}

#ifdef X86
WITH_AVX2 static void raise_avx2(const float *query, int64_t count, int64_t dim, const uint16_t *token, float *room,
                                 float *best) {
  int64_t whole = dim / LANES * LANES;
  for (int64_t j = 0; j < whole; j += 8)
    _mm256_storeu_ps(room + j, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(token + j))));
  for (int64_t q = 0; q < count; q++) {
    const float *asked = query + q * dim;
    __m256 low = _mm256_setzero_ps(), high = low;
    float lanes[LANES], product;
    for (int64_t j = 0; j < whole; j += LANES) {
      low = _mm256_add_ps(low, _mm256_mul_ps(_mm256_loadu_ps(asked + j), _mm256_loadu_ps(room + j)));
      high = _mm256_add_ps(high, _mm256_mul_ps(_mm256_loadu_ps(asked + j + 8), _mm256_loadu_ps(room + j + 8)));
    }
    _mm256_storeu_ps(lanes, low);
    _mm256_storeu_ps(lanes + 8, high);
    add_products(asked, token, whole, dim, lanes);
    product = sum_of(lanes);
    best[q] = product > best[q] ? product : best[q];
  }
}

WITH_VNNI static inline float sum_wide(__m512 lanes) {
  __m256 upper = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(lanes), 1));
  __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(lanes), upper);
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

#define ABREAST 8 /* query tokens that share every read of a token */

WITH_VNNI static void raise_avx512(const float *query, int64_t count, int64_t dim, const uint16_t *token, float *room,
                                   float *best) {
  int64_t whole = dim / LANES * LANES;
  __mmask16 rest = (__mmask16)((1 << (dim - whole)) - 1);
  for (int64_t j = 0; j < whole; j += LANES)
    _mm512_storeu_ps(room + j, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(token + j))));
  _mm512_mask_storeu_ps(room + whole, rest, _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(rest, token + whole)));
  for (int64_t q = 0; q < count; q += ABREAST) {
    const float *asked[ABREAST];
    __m512 sums[ABREAST];
    for (int k = 0; k < ABREAST; k++) {
      asked[k] = query + (q + k < count ? q + k : q) * dim;
      sums[k] = _mm512_setzero_ps();
    }
    for (int64_t j = 0; j < whole; j += LANES) {
      __m512 x = _mm512_loadu_ps(room + j);
      for (int k = 0; k < ABREAST; k++)
        sums[k] = _mm512_add_ps(sums[k], _mm512_mul_ps(_mm512_loadu_ps(asked[k] + j), x));
    }
    if (rest) {
      __m512 x = _mm512_maskz_loadu_ps(rest, room + whole);
      for (int k = 0; k < ABREAST; k++)
        sums[k] = _mm512_add_ps(sums[k], _mm512_mul_ps(_mm512_maskz_loadu_ps(rest, asked[k] + whole), x));
    }
    for (int k = 0; k < ABREAST && q + k < count; k++) {
      float product = sum_wide(sums[k]);
      best[q + k] = product > best[q + k] ? product : best[q + k];
    }
  }
}
#endif

static raise_fn raise_best(void) {
#ifdef X86
  if (bb_level() == VNNI) return raise_avx512;
  if (bb_level() == AVX2) return raise_avx2;
#endif
  return raise_portable;
}

/* Scores of the documents rows[0 .. n - 1]; -inf for one without tokens. query: count x dim. vectors: tokens x dim.
   Returns 0, or -1 when there is no memory. */
API int bb_maxsim_half(const float *query, int64_t count, int64_t dim, const uint16_t *vectors, const int64_t *offsets,
                       const int64_t *rows, int64_t n, float *out) {
  raise_fn compare_with = raise_best();
  float *room = malloc(sizeof(float) * (size_t)(dim + count) + 1), *best = room + dim;
  int ready = room != NULL;
  for (int64_t i = 0; ready && i < n; i++) {
    int64_t first = offsets[rows[i]], last = offsets[rows[i] + 1];
    float total = 0;
    for (int64_t q = 0; q < count; q++) best[q] = -INFINITY;
    for (int64_t t = first; t < last; t++) compare_with(query, count, dim, vectors + t * dim, room, best);
    for (int64_t q = 0; q < count; q++) total += best[q];
    out[i] = first == last ? -INFINITY : total;
  }
  free(room);
  return ready ? 0 : -1;
}
