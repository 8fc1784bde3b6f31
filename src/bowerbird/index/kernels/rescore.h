/* Inner products of a float32 query with some float16 vectors. Part of kernels.c.

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
