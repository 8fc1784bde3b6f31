/* Vectors as bytes with a scale each. Part of kernels.c. Vectors are float16 or float32.

   Quotients are divided, not multiplied by an inverse, and rounded to even, as numpy does. */

#define ROUNDING 12582912.0f /* 1.5 * 2^23: sums with it are whole numbers, rounded to even */

static inline float number_at(const void *vector, int half, int64_t j) {
  return half ? half_to_float(((const uint16_t *)vector)[j]) : ((const float *)vector)[j];
}

static inline int8_t byte_of(float value, float scale) {
  float steps = value / scale;
  steps = steps > -127.0f ? steps : -127.0f;
  steps = steps < 127.0f ? steps : 127.0f;
  return (int8_t)((steps + ROUNDING) - ROUNDING);
}

#ifdef X86
WITH_AVX2 static inline __m256 eight_at(const void *vector, int half, int64_t j) {
  if (half) return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)((const uint16_t *)vector + j)));
  return _mm256_loadu_ps((const float *)vector + j);
}

WITH_AVX2 static inline float peak_avx2(const void *vector, int half, int64_t dim) {
  __m256 sign = _mm256_set1_ps(-0.0f), top = _mm256_setzero_ps();
  float lanes[8], peak = 0;
  int64_t j = 0;
  for (; j + 8 <= dim; j += 8) /* of two, the second if one is NaN: the peak so far stays */
    top = _mm256_max_ps(_mm256_andnot_ps(sign, eight_at(vector, half, j)), top);
  _mm256_storeu_ps(lanes, top);
  for (int t = 0; t < 8; t++) peak = lanes[t] > peak ? lanes[t] : peak;
  for (; j < dim; j++) peak = fabsf(number_at(vector, half, j)) > peak ? fabsf(number_at(vector, half, j)) : peak;
  return peak;
}

WITH_AVX2 static inline void bytes_avx2(const void *vector, int half, int64_t dim, float scale, int8_t *out) {
  __m256 low = _mm256_set1_ps(-127.0f), high = _mm256_set1_ps(127.0f), by = _mm256_set1_ps(scale);
  __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  int64_t j = 0;
  for (; j + 32 <= dim; j += 32) {
    __m256i whole[4];
    for (int p = 0; p < 4; p++) {
      __m256 steps = _mm256_div_ps(eight_at(vector, half, j + 8 * p), by);
      whole[p] = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(steps, low), high));
    }
    __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(whole[0], whole[1]), _mm256_packs_epi32(whole[2], whole[3]));
    _mm256_storeu_si256((__m256i *)(out + j), _mm256_permutevar8x32_epi32(bytes, order));
  }
  for (; j < dim; j++) out[j] = byte_of(number_at(vector, half, j), scale);
}

WITH_AVX2 static void peaks_avx2(const char *vectors, int half, int64_t n, int64_t dim, int64_t step, float *peaks) {
  for (int64_t i = 0; i < n; i++) peaks[i] = peak_avx2(vectors + i * step, half, dim);
}

WITH_AVX2 static void all_bytes_avx2(const char *vectors, int half, int64_t n, int64_t dim, int64_t step,
                                     const float *scales, int8_t *out) {
  for (int64_t i = 0; i < n; i++) bytes_avx2(vectors + i * step, half, dim, scales[i], out + i * dim);
}
#endif

/* The largest number of every vector, either side of zero. peaks: n. */
API void bb_peaks(const void *vectors, int half, int64_t n, int64_t dim, float *peaks) {
  int64_t step = dim * (half ? 2 : 4);
#ifdef X86
  if (bb_level() >= AVX2) {
    peaks_avx2(vectors, half, n, dim, step, peaks);
    return;
  }
#endif
  for (int64_t i = 0; i < n; i++) {
    peaks[i] = 0;
    for (int64_t j = 0; j < dim; j++) {
      float size = fabsf(number_at((const char *)vectors + i * step, half, j));
      peaks[i] = size > peaks[i] ? size : peaks[i];
    }
  }
}

/* The nearest whole numbers of vector / scale, from -127 to 127. scales: n. out: n x dim. */
API void bb_quantize(const void *vectors, int half, int64_t n, int64_t dim, const float *scales, int8_t *out) {
  int64_t step = dim * (half ? 2 : 4);
#ifdef X86
  if (bb_level() >= AVX2) {
    all_bytes_avx2(vectors, half, n, dim, step, scales, out);
    return;
  }
#endif
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < dim; j++)
      out[i * dim + j] = byte_of(number_at((const char *)vectors + i * step, half, j), scales[i]);
}
