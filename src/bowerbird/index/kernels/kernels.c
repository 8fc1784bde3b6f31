/* Inner loops of late-interaction search. One library, no dependencies, chosen at run time for the processor.

   Every function exists in portable C, which compilers vectorise; where more is to be gained, also for AVX2 and for
   AVX-512, and the lookups of product codes for NEON, too. All forms of a function give the same bits.
   kernels/reference.py says in numpy what each one computes.

   Tokens lie in blocks of 16: block[dim / 4][16][4] bytes, so that one 64-byte load gives four dimensions of sixteen
   tokens and a dot product needs no horizontal sum. Document bytes are x + 128 (VNNI multiplies unsigned by signed);
   the 128 is taken off again by starting every sum at -128 * sum(query). dim is a multiple of 4. */

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(_WIN32)
#define API __declspec(dllexport)
#else
#define API __attribute__((visibility("default")))
#endif

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define X86 1
#define WITH_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define WITH_AVX2 __attribute__((target("avx2,f16c")))
#elif defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
#define ARM 1
#endif

#define LANES 16
#define STRIP 8  /* query tokens that share one pass over a block */
#define SLOTS 32 /* query tokens in a row of the centroid table */

/* ---- which form runs ------------------------------------------------------------------------------------------ */

enum { PORTABLE = 0, AVX2 = 1, VNNI = 2, NEON = 3 };
static int level = -1;

static int best_level(void) {
#ifdef X86
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    return VNNI;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c")) return AVX2;
#elif defined(ARM)
  return NEON;
#endif
  return PORTABLE;
}

API int bb_level(void) {
  if (level < 0) level = best_level();
  return level;
}

/* Choose a slower form than the processor could run: for tests. Returns the level that is now in force, the best one
   where the processor has not the one that is wanted. */
API int bb_set_level(int wanted) {
  int best = best_level();
  level = wanted == PORTABLE || (wanted == AVX2 && best == VNNI) ? wanted : best;
  return level;
}

/* ---- half precision ------------------------------------------------------------------------------------------- */

static inline float half_to_float(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, fraction = h & 1023, bits;
  float out;
  if (exponent == 0) { /* zero or subnormal */
    out = (float)fraction * 5.9604644775390625e-08f;
    return sign ? -out : out;
  }
  bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | fraction << 13;
  memcpy(&out, &bits, 4);
  return out;
}

/* ---- strips: STRIP query tokens, packed as [dim / 4][STRIP][4] -------------------------------------------------- */

typedef struct {
  const int8_t *values;
  int32_t start[STRIP]; /* -128 * sum(query token) */
} Strip;

typedef struct {
  int count, dim;
  Strip *strips;
  int8_t *packed;
} Query;

/* At most STRIP of n tokens side by side, filled up with zeros: the first ones, or those at rows[0 .. n - 1].
   to: dim / 4 x STRIP x 4. */
static void interleave(int8_t *to, const int8_t *tokens, const int32_t *rows, int64_t n, int dim) {
  if (n < STRIP) memset(to, 0, (size_t)STRIP * dim);
  for (int k = 0; k < STRIP && k < n; k++) {
    const int8_t *token = tokens + (int64_t)(rows ? rows[k] : k) * dim;
    for (int g = 0; g < dim / 4; g++) memcpy(to + (g * STRIP + k) * 4, token + g * 4, 4);
  }
}

static void pack_strip(Strip *strip, int8_t *to, const int8_t *tokens, int64_t n, int dim) {
  *strip = (Strip){to, {0}};
  interleave(to, tokens, NULL, n, dim);
  for (int k = 0; k < STRIP && k < n; k++) {
    int32_t sum = 0;
    for (int j = 0; j < dim; j++) sum += tokens[(int64_t)k * dim + j];
    strip->start[k] = -128 * sum;
  }
}

/* tokens: n x dim. */
static int pack_query(Query *query, const int8_t *tokens, int64_t n, int dim) {
  query->count = (int)((n + STRIP - 1) / STRIP);
  query->dim = dim;
  query->strips = malloc(sizeof(Strip) * (query->count ? query->count : 1));
  query->packed = malloc((size_t)query->count * STRIP * dim + 1);
  if (!query->strips || !query->packed) return 0;
  for (int s = 0; s < query->count; s++) {
    int64_t start = (int64_t)s * STRIP;
    pack_strip(query->strips + s, query->packed + start * dim, tokens + start * dim, n - start, dim);
  }
  return 1;
}

static void free_query(Query *query) {
  free(query->strips);
  free(query->packed);
}

/* ---- dots: a strip with one block; out[k][t] = sum over dimensions of query[k] * (block[t] - 128) ---------------- */

typedef int32_t Dots[STRIP][LANES];
typedef void (*dots_fn)(const Strip *strip, int dim, const uint8_t *block, Dots out);

static void dots_portable(const Strip *strip, int dim, const uint8_t *block, Dots out) {
  for (int k = 0; k < STRIP; k++)
    for (int t = 0; t < LANES; t++) out[k][t] = strip->start[k];
  for (int g = 0; g < dim / 4; g++) {
    const uint8_t *x = block + g * 64;
    for (int k = 0; k < STRIP; k++) {
      const int8_t *q = strip->values + (g * STRIP + k) * 4;
      for (int t = 0; t < LANES; t++)
        out[k][t] += q[0] * x[t * 4] + q[1] * x[t * 4 + 1] + q[2] * x[t * 4 + 2] + q[3] * x[t * 4 + 3];
    }
  }
}

#ifdef X86
static inline int32_t four(const int8_t *at) {
  int32_t value;
  memcpy(&value, at, 4);
  return value;
}

WITH_AVX2 static void dots_avx2(const Strip *strip, int dim, const uint8_t *block, Dots out) {
  for (int k = 0; k < STRIP; k += 2) { /* two query tokens at a time: their sums take eight of sixteen registers */
    __m256i sums[2][4];
    for (int p = 0; p < 4; p++) sums[0][p] = sums[1][p] = _mm256_setzero_si256();
    for (int g = 0; g < dim / 4; g++) {
      const int8_t *q = strip->values + (g * STRIP + k) * 4;
      __m256i first = _mm256_cvtepi8_epi16(_mm_set1_epi32(four(q)));
      __m256i second = _mm256_cvtepi8_epi16(_mm_set1_epi32(four(q + 4)));
      for (int p = 0; p < 4; p++) { /* four tokens of four dimensions as sixteen 16-bit numbers */
        __m256i wide = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(block + g * 64 + p * 16)));
        sums[0][p] = _mm256_add_epi32(sums[0][p], _mm256_madd_epi16(wide, first));
        sums[1][p] = _mm256_add_epi32(sums[1][p], _mm256_madd_epi16(wide, second));
      }
    }
    for (int q = 0; q < 2; q++) {
      int32_t halves[2 * LANES];
      for (int p = 0; p < 4; p++) _mm256_storeu_si256((__m256i *)(halves + p * 8), sums[q][p]);
      for (int t = 0; t < LANES; t++) out[k + q][t] = strip->start[k + q] + halves[2 * t] + halves[2 * t + 1];
    }
  }
}

WITH_VNNI static void dots_vnni(const Strip *strip, int dim, const uint8_t *block, Dots out) {
  __m512i sums[STRIP];
  for (int k = 0; k < STRIP; k++) sums[k] = _mm512_set1_epi32(strip->start[k]);
  for (int g = 0; g < dim / 4; g++) {
    __m512i x = _mm512_loadu_si512(block + g * 64);
    const int8_t *q = strip->values + g * STRIP * 4;
    for (int k = 0; k < STRIP; k++) sums[k] = _mm512_dpbusd_epi32(sums[k], x, _mm512_set1_epi32(four(q + k * 4)));
  }
  for (int k = 0; k < STRIP; k++) _mm512_storeu_si512(out[k], sums[k]);
}
#endif

static dots_fn dots(void) {
#ifdef X86
  if (bb_level() == VNNI) return dots_vnni;
  if (bb_level() == AVX2) return dots_avx2;
#endif
  return dots_portable;
}

/* ---- MaxSim: the best of a run of tokens for every token of a strip --------------------------------------------- */

/* best[k] = the highest scale * dot over tokens first .. last - 1 of a stream of blocks */
typedef void (*best_fn)(const Strip *strip, int dim, const uint8_t *blocks, const uint16_t *scales, int64_t first,
                        int64_t last, float best[STRIP]);

static void best_by(dots_fn compute, const Strip *strip, int dim, const uint8_t *blocks, const uint16_t *scales,
                    int64_t first, int64_t last, float best[STRIP]) {
  for (int k = 0; k < STRIP; k++) best[k] = -FLT_MAX;
  for (int64_t b = first / LANES; b * LANES < last; b++) {
    Dots found;
    compute(strip, dim, blocks + b * dim * LANES, found);
    int64_t from = b * LANES < first ? first : b * LANES, to = (b + 1) * LANES < last ? (b + 1) * LANES : last;
    for (int64_t t = from; t < to; t++) {
      float scale = half_to_float(scales[t]);
      for (int k = 0; k < STRIP; k++) {
        float value = (float)found[k][t - b * LANES] * scale;
        best[k] = value > best[k] ? value : best[k];
      }
    }
  }
}

static void best_portable(const Strip *strip, int dim, const uint8_t *blocks, const uint16_t *scales, int64_t first,
                          int64_t last, float best[STRIP]) {
  best_by(dots_portable, strip, dim, blocks, scales, first, last, best);
}

#ifdef X86
static void best_avx2(const Strip *strip, int dim, const uint8_t *blocks, const uint16_t *scales, int64_t first,
                      int64_t last, float best[STRIP]) {
  best_by(dots_avx2, strip, dim, blocks, scales, first, last, best);
}

/* Two blocks share every broadcast of a query token. */
WITH_VNNI static void best_vnni(const Strip *strip, int dim, const uint8_t *blocks, const uint16_t *scales,
                                int64_t first, int64_t last, float best[STRIP]) {
  __m512 top[STRIP];
  for (int k = 0; k < STRIP; k++) top[k] = _mm512_set1_ps(-FLT_MAX);
  for (int64_t b = first / LANES; b * LANES < last; b += 2) {
    int64_t at = b * LANES, next = at + LANES;
    const uint8_t *left = blocks + b * dim * LANES, *right = next < last ? left + dim * LANES : left;
    __m512i a[STRIP], c[STRIP];
    for (int k = 0; k < STRIP; k++) a[k] = c[k] = _mm512_set1_epi32(strip->start[k]);
    for (int g = 0; g < dim / 4; g++) {
      __m512i x = _mm512_loadu_si512(left + g * 64), y = _mm512_loadu_si512(right + g * 64);
      const int8_t *q = strip->values + g * STRIP * 4;
      for (int k = 0; k < STRIP; k++) {
        __m512i value = _mm512_set1_epi32(four(q + k * 4));
        a[k] = _mm512_dpbusd_epi32(a[k], x, value);
        c[k] = _mm512_dpbusd_epi32(c[k], y, value);
      }
    }
    __mmask16 in_left = 0xffff, in_right = 0;
    if (at < first) in_left = (__mmask16)(0xffff << (first - at));
    if (last < next) in_left &= (__mmask16)(0xffff >> (next - last));
    if (next < last) in_right = last - next >= LANES ? 0xffff : (__mmask16)(0xffff >> (LANES - (last - next)));
    __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(scales + at)));
    __m512 other = in_right ? _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(scales + next))) : scale;
    for (int k = 0; k < STRIP; k++) { /* of two, the second if one is NaN: what was best stays */
      top[k] = _mm512_mask_max_ps(top[k], in_left, _mm512_mul_ps(_mm512_cvtepi32_ps(a[k]), scale), top[k]);
      top[k] = _mm512_mask_max_ps(top[k], in_right, _mm512_mul_ps(_mm512_cvtepi32_ps(c[k]), other), top[k]);
    }
  }
  for (int k = 0; k < STRIP; k++) best[k] = _mm512_reduce_max_ps(top[k]);
}
#endif

static best_fn best(void) {
#ifdef X86
  if (bb_level() == VNNI) return best_vnni;
  if (bb_level() == AVX2) return best_avx2;
#endif
  return best_portable;
}

/* Sum over query tokens of scale * best, in their order, so that every form rounds alike. */
static float maxsim(best_fn find, const Query *query, const float *query_scales, int64_t tokens, const uint8_t *blocks,
                    const uint16_t *scales, int64_t first, int64_t last) {
  float total = 0;
  for (int s = 0; s < query->count; s++) {
    float found[STRIP];
    find(query->strips + s, query->dim, blocks, scales, first, last, found);
    for (int k = 0; k < STRIP && (int64_t)s * STRIP + k < tokens; k++) total += query_scales[s * STRIP + k] * found[k];
  }
  return total;
}

/* Scores of the documents rows[0 .. n - 1] (all in order if rows is null); -inf for a document without tokens.
   Returns 0, or -1 when there is no memory. */
API int bb_maxsim(const int8_t *tokens, const float *query_scales, int64_t count, int dim, const uint8_t *blocks,
                  const uint16_t *scales, const int64_t *offsets, const int32_t *rows, int64_t n, float *out) {
  Query query;
  best_fn find = best();
  int ready = pack_query(&query, tokens, count, dim);
  for (int64_t i = 0; ready && i < n; i++) {
    int64_t row = rows ? rows[i] : i;
#ifdef X86
    if (rows && i + 1 < n) {
      const char *next = (const char *)blocks + offsets[rows[i + 1]] / LANES * LANES * dim;
      for (int line = 0; line < 8; line++) _mm_prefetch(next + line * 64, _MM_HINT_T0);
    }
#endif
    out[i] = offsets[row] == offsets[row + 1]
                 ? -INFINITY
                 : maxsim(find, &query, query_scales, count, blocks, scales, offsets[row], offsets[row + 1]);
  }
  free_query(&query);
  return ready ? 0 : -1;
}

/* ---- tokens stored as a centroid and a few bits per dimension ---------------------------------------------------- */

/* Put tokens first .. last - 1 into blocks. A token's bytes are its centroid's plus, per byte of bits, 8 / bits bytes
   from the table of levels; sums stay below 256, so four are added at once. */
static void unpack(const uint16_t *codes, const uint8_t *residuals, const uint8_t *centroids, const uint8_t *levels,
                   int bits, int dim, int64_t first, int64_t last, uint8_t *blocks) {
  int64_t width = (int64_t)dim * bits / 8;
  for (int64_t t = first; t < last; t++) {
    const uint8_t *bytes = residuals + t * width, *centroid = centroids + (int64_t)codes[t] * dim;
    uint8_t *to = blocks + (t - first) / LANES * LANES * dim + (t - first) % LANES * 4;
    for (int g = 0; g < dim / 4; g++, to += 64) {
      uint32_t base, step;
      memcpy(&base, centroid + g * 4, 4);
      if (bits == 2) {
        memcpy(&step, levels + (g * 256 + bytes[g]) * 4, 4);
      } else {
        memcpy(&step, levels + (2 * g * 256 + bytes[2 * g]) * 2, 2);
        memcpy((char *)&step + 2, levels + ((2 * g + 1) * 256 + bytes[2 * g + 1]) * 2, 2);
      }
      base += step;
      memcpy(to, &base, 4);
    }
  }
}

/* As bb_maxsim. levels: per byte of a token's residual 256 x (8 / bits) bytes. bits: 2 or 4. */
API int bb_maxsim_residual(const int8_t *tokens, const float *query_scales, int64_t count, int dim,
                           const uint16_t *codes, const uint8_t *residuals, const uint8_t *centroids,
                           const uint8_t *levels, int bits, const uint16_t *scales, const int64_t *offsets,
                           const int32_t *rows, int64_t n, float *out) {
  Query query;
  best_fn find = best();
  int64_t longest = 1;
  for (int64_t i = 0; i < n; i++) {
    int64_t row = rows ? rows[i] : i, length = offsets[row + 1] - offsets[row];
    longest = length > longest ? length : longest;
  }
  int64_t room = (longest + LANES - 1) / LANES * LANES;
  uint8_t *blocks = malloc((size_t)room * dim);
  uint16_t *own_scales = malloc((size_t)room * 2);
  int ready = pack_query(&query, tokens, count, dim) && blocks && own_scales;
  if (ready) { /* lanes past the last token are computed and masked */
    memset(blocks, 128, (size_t)room * dim);
    memset(own_scales, 0, (size_t)room * 2);
  }
  for (int64_t i = 0; ready && i < n; i++) {
    int64_t row = rows ? rows[i] : i, first = offsets[row], last = offsets[row + 1];
    unpack(codes, residuals, centroids, levels, bits, dim, first, last, blocks);
    memcpy(own_scales, scales + first, (size_t)(last - first) * 2);
    out[i] = first == last ? -INFINITY : maxsim(find, &query, query_scales, count, blocks, own_scales, 0, last - first);
  }
  free(blocks);
  free(own_scales);
  free_query(&query);
  return ready ? 0 : -1;
}

/* ---- centroids ------------------------------------------------------------------------------------------------- */

#ifdef X86
WITH_VNNI static void nearest_vnni(const Strip *strip, int dim, const uint8_t *blocks, int64_t count, int32_t *value,
                                   int32_t *index) {
  __m512i top[STRIP], where[STRIP], lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (int k = 0; k < STRIP; k++) top[k] = _mm512_set1_epi32(INT32_MIN), where[k] = _mm512_setzero_si512();
  for (int64_t b = 0; b * LANES < count; b++) {
    __m512i sums[STRIP], here = _mm512_add_epi32(lanes, _mm512_set1_epi32((int32_t)(b * LANES)));
    __mmask16 inside = _mm512_cmplt_epi32_mask(here, _mm512_set1_epi32((int32_t)count));
    const uint8_t *block = blocks + b * dim * LANES;
    for (int k = 0; k < STRIP; k++) sums[k] = _mm512_set1_epi32(strip->start[k]);
    for (int g = 0; g < dim / 4; g++) {
      __m512i x = _mm512_loadu_si512(block + g * 64);
      const int8_t *q = strip->values + g * STRIP * 4;
      for (int k = 0; k < STRIP; k++) sums[k] = _mm512_dpbusd_epi32(sums[k], x, _mm512_set1_epi32(four(q + k * 4)));
    }
    for (int k = 0; k < STRIP; k++) {
      __mmask16 better = _mm512_mask_cmpgt_epi32_mask(inside, sums[k], top[k]);
      top[k] = _mm512_mask_mov_epi32(top[k], better, sums[k]);
      where[k] = _mm512_mask_mov_epi32(where[k], better, here);
    }
  }
  for (int k = 0; k < STRIP; k++) {
    value[k] = _mm512_reduce_max_epi32(top[k]);
    __mmask16 equal = _mm512_cmpeq_epi32_mask(top[k], _mm512_set1_epi32(value[k]));
    index[k] = _mm512_mask_reduce_min_epi32(equal, where[k]);
  }
}
#endif

static void nearest_by(dots_fn compute, const Strip *strip, int dim, const uint8_t *blocks, int64_t count,
                       int32_t *value, int32_t *index) {
  for (int k = 0; k < STRIP; k++) value[k] = INT32_MIN, index[k] = 0;
  for (int64_t b = 0; b * LANES < count; b++) {
    Dots found;
    compute(strip, dim, blocks + b * dim * LANES, found);
    for (int t = 0; t < LANES && b * LANES + t < count; t++)
      for (int k = 0; k < STRIP; k++)
        if (found[k][t] > value[k]) value[k] = found[k][t], index[k] = (int32_t)(b * LANES + t);
  }
}

/* The best of `count` vectors for every token of a strip; the lowest number among equals. value, index: STRIP each. */
static void nearest(const Strip *strip, int dim, const uint8_t *blocks, int64_t count, int32_t *value,
                    int32_t *index) {
#ifdef X86
  if (bb_level() == VNNI) {
    nearest_vnni(strip, dim, blocks, count, value, index);
    return;
  }
#endif
  nearest_by(dots(), strip, dim, blocks, count, value, index);
}

/* The centroid with the highest dot product for every token; the lowest number among equals.
   centroids: blocks of `count` vectors. value, index: n each. */
API int bb_nearest(const int8_t *tokens, int64_t n, int dim, const uint8_t *centroids, int64_t count, int32_t *value,
                   int32_t *index) {
  int8_t *packed = malloc((size_t)STRIP * dim + 1);
  int ready = packed != NULL;
  for (int64_t start = 0; ready && start < n; start += STRIP) {
    int64_t some = n - start < STRIP ? n - start : STRIP;
    int32_t values[STRIP], indices[STRIP];
    Strip strip;
    pack_strip(&strip, packed, tokens + start * dim, some, dim);
    nearest(&strip, dim, centroids, count, values, indices);
    memcpy(value + start, values, (size_t)some * 4);
    memcpy(index + start, indices, (size_t)some * 4);
  }
  free(packed);
  return ready ? 0 : -1;
}

/* ---- one token with one block ----------------------------------------------------------------------------------- */

typedef void (*dot_fn)(const int8_t *token, int32_t start, int dim, const uint8_t *block, int32_t out[LANES]);

static void dot_portable(const int8_t *token, int32_t start, int dim, const uint8_t *block, int32_t out[LANES]) {
  for (int t = 0; t < LANES; t++) out[t] = start;
  for (int g = 0; g < dim / 4; g++) {
    const int8_t *q = token + g * 4;
    const uint8_t *x = block + g * 64;
    for (int t = 0; t < LANES; t++)
      out[t] += q[0] * x[t * 4] + q[1] * x[t * 4 + 1] + q[2] * x[t * 4 + 2] + q[3] * x[t * 4 + 3];
  }
}

#ifdef X86
WITH_AVX2 static void dot_avx2(const int8_t *token, int32_t start, int dim, const uint8_t *block, int32_t out[LANES]) {
  __m256i sums[4];
  int32_t halves[2 * LANES];
  for (int p = 0; p < 4; p++) sums[p] = _mm256_setzero_si256();
  for (int g = 0; g < dim / 4; g++) {
    __m256i q = _mm256_cvtepi8_epi16(_mm_set1_epi32(four(token + g * 4)));
    for (int p = 0; p < 4; p++) {
      __m256i wide = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(block + g * 64 + p * 16)));
      sums[p] = _mm256_add_epi32(sums[p], _mm256_madd_epi16(wide, q));
    }
  }
  for (int p = 0; p < 4; p++) _mm256_storeu_si256((__m256i *)(halves + p * 8), sums[p]);
  for (int t = 0; t < LANES; t++) out[t] = start + halves[2 * t] + halves[2 * t + 1];
}

WITH_VNNI static void dot_vnni(const int8_t *token, int32_t start, int dim, const uint8_t *block, int32_t out[LANES]) {
  __m512i even = _mm512_set1_epi32(start), odd = _mm512_setzero_si512();
  int g = 0;
  for (; g + 2 <= dim / 4; g += 2) {
    even = _mm512_dpbusd_epi32(even, _mm512_loadu_si512(block + g * 64), _mm512_set1_epi32(four(token + g * 4)));
    odd = _mm512_dpbusd_epi32(odd, _mm512_loadu_si512(block + g * 64 + 64), _mm512_set1_epi32(four(token + g * 4 + 4)));
  }
  if (g < dim / 4)
    even = _mm512_dpbusd_epi32(even, _mm512_loadu_si512(block + g * 64), _mm512_set1_epi32(four(token + g * 4)));
  _mm512_storeu_si512(out, _mm512_add_epi32(even, odd));
}
#endif

static dot_fn dot(void) {
#ifdef X86
  if (bb_level() == VNNI) return dot_vnni;
  if (bb_level() == AVX2) return dot_avx2;
#endif
  return dot_portable;
}

#include "assign.h"

/* One byte per centroid and query token: 255 at the token's best centroid, 0 at `span` or more below it, where span is
   the widest distance of a token's best from its mean. Rows are SLOTS wide; slots without a token are 0.
   scratch: count x SLOTS. Only differences within a column count for a ranking, so every token may have its own top. */
API int bb_table(const int8_t *tokens, const float *query_scales, int64_t n, int dim, const uint8_t *centroids,
                 int64_t count, int32_t *scratch, uint8_t *table) {
  Query query;
  dots_fn compute = dots();
  if (!pack_query(&query, tokens, n, dim)) return free_query(&query), -1;
  int32_t top[SLOTS];
  int64_t sum[SLOTS];
  for (int i = 0; i < SLOTS; i++) top[i] = INT32_MIN, sum[i] = 0;
  for (int64_t b = 0; b * LANES < count; b++) {
    int64_t lanes = count - b * LANES < LANES ? count - b * LANES : LANES;
    for (int s = 0; s < query.count; s++) {
      Dots found;
      compute(query.strips + s, dim, centroids + b * dim * LANES, found);
      for (int64_t t = 0; t < lanes; t++)
        for (int k = 0; k < STRIP; k++) {
          int32_t value = found[k][t];
          scratch[(b * LANES + t) * SLOTS + s * STRIP + k] = value;
          sum[s * STRIP + k] += value;
          top[s * STRIP + k] = value > top[s * STRIP + k] ? value : top[s * STRIP + k];
        }
    }
  }
  float span = 0, slope[SLOTS];
  for (int64_t i = 0; i < n; i++) {
    float width = query_scales[i] * ((float)top[i] - (float)sum[i] / (float)count);
    span = width > span ? width : span;
  }
  for (int64_t i = 0; i < n; i++) slope[i] = span > 0 ? 255.0f * query_scales[i] / span : 0;
  for (int64_t c = 0; c < count; c++) {
    uint8_t *row = table + c * SLOTS;
    for (int64_t i = 0; i < n; i++) {
      float value = 255.5f - (float)(top[i] - scratch[c * SLOTS + i]) * slope[i];
      row[i] = value > 0 ? (uint8_t)value : 0;
    }
    for (int64_t i = n; i < SLOTS; i++) row[i] = 0;
  }
  free_query(&query);
  return 0;
}

/* ---- single vectors ----------------------------------------------------------------------------------------------- */

/* Inner products of n queries with the vectors at starts[r] .. ends[r] - 1 of every range, in their order: query scale *
   vector scale * dot. out: n x total, where total is the length of all ranges. */
API int bb_scan(const int8_t *queries, const float *query_scales, int64_t n, int dim, const uint8_t *blocks,
                const uint16_t *scales, const int64_t *starts, const int64_t *ends, int64_t ranges, int64_t total,
                float *out) {
  Query query;
  dots_fn compute = dots();
  dot_fn single = dot();
  int alone = n == 1, ready = pack_query(&query, queries, n, dim);
  int64_t at = 0;
  for (int64_t r = 0; ready && r < ranges; r++) {
    for (int64_t b = starts[r] / LANES; b * LANES < ends[r]; b++) {
      const uint8_t *block = blocks + b * dim * LANES;
      int64_t from = b * LANES < starts[r] ? starts[r] : b * LANES;
      int64_t to = (b + 1) * LANES < ends[r] ? (b + 1) * LANES : ends[r];
      float vector_scales[LANES];
      for (int64_t t = from; t < to; t++) vector_scales[t - b * LANES] = half_to_float(scales[t]);
      for (int s = 0; s < query.count; s++) {
        Dots found;
        if (alone)
          single(queries, query.strips[0].start[0], dim, block, found[0]);
        else
          compute(query.strips + s, dim, block, found);
        for (int k = 0; k < STRIP && (int64_t)s * STRIP + k < n; k++)
          for (int64_t t = from; t < to; t++)
            out[((int64_t)s * STRIP + k) * total + at + t - from] =
                query_scales[s * STRIP + k] * ((float)found[k][t - b * LANES] * vector_scales[t - b * LANES]);
      }
      at += to - from;
    }
  }
  free_query(&query);
  return ready ? 0 : -1;
}

/* ---- centroid interaction: the sum over slots of the best table row of a document's codes ------------------------ */

static int32_t interact_portable(const uint8_t *table, const uint16_t *codes, int64_t first, int64_t last) {
  uint8_t top[SLOTS] = {0};
  int32_t sum = 0;
  for (int64_t t = first; t < last; t++) {
    const uint8_t *row = table + (int64_t)codes[t] * SLOTS;
    for (int i = 0; i < SLOTS; i++) top[i] = row[i] > top[i] ? row[i] : top[i];
  }
  for (int i = 0; i < SLOTS; i++) sum += top[i];
  return sum;
}

#ifdef X86
WITH_AVX2 static int32_t interact_avx2(const uint8_t *table, const uint16_t *codes, int64_t first, int64_t last) {
  __m256i top[4];
  for (int p = 0; p < 4; p++) top[p] = _mm256_setzero_si256();
  int64_t t = first;
  for (; t + 4 <= last; t += 4)
    for (int p = 0; p < 4; p++)
      top[p] = _mm256_max_epu8(top[p], _mm256_loadu_si256((const __m256i *)(table + (int64_t)codes[t + p] * SLOTS)));
  for (; t < last; t++)
    top[0] = _mm256_max_epu8(top[0], _mm256_loadu_si256((const __m256i *)(table + (int64_t)codes[t] * SLOTS)));
  __m256i all = _mm256_max_epu8(_mm256_max_epu8(top[0], top[1]), _mm256_max_epu8(top[2], top[3]));
  __m256i sums = _mm256_sad_epu8(all, _mm256_setzero_si256());
  __m128i half = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  return (int32_t)(_mm_cvtsi128_si64(half) + _mm_extract_epi64(half, 1));
}
#endif

API void bb_interact(const uint8_t *table, const uint16_t *codes, const int64_t *offsets, const int32_t *rows,
                     int64_t n, int32_t *out) {
  for (int64_t i = 0; i < n; i++) {
    int64_t row = rows ? rows[i] : i;
#ifdef X86
    if (bb_level() >= AVX2) {
      out[i] = interact_avx2(table, codes, offsets[row], offsets[row + 1]);
      continue;
    }
#endif
    out[i] = interact_portable(table, codes, offsets[row], offsets[row + 1]);
  }
}

/* ---- inverted lists ---------------------------------------------------------------------------------------------- */

/* Documents in the lists of the `probes` best centroids of every query token, with the sum over tokens of how far the
   best of them lies above the token's threshold (a document that a token does not reach gets 0 for it).
   sums: uint16 per document, last: uint8 per document, both zero before and after; touched, reached: room for all
   documents. Returns how many documents were reached. */
API int64_t bb_gather(const uint8_t *table, int64_t centroids, int64_t tokens, int64_t probes,
                      const int64_t *list_offsets, const int32_t *lists, uint16_t *sums, uint8_t *last,
                      int32_t *touched, int32_t *reached) {
  int64_t count = 0;
  static const int longest = 65536;
  int32_t *order = malloc(sizeof(int32_t) * longest);
  if (!order) return -1;
  for (int64_t i = 0; i < tokens; i++) {
    int64_t histogram[257] = {0}, above = 0;
    for (int64_t c = 0; c < centroids; c++) histogram[table[c * SLOTS + i]]++;
    int threshold = 255;
    for (int64_t sum = 0; threshold > 1; threshold--)
      if ((sum += histogram[threshold]) >= probes) break;
    /* centroids above the threshold, best first, by counting */
    int64_t place[257];
    for (int v = 255; v >= threshold; v--) place[v] = above, above += histogram[v];
    if (above > longest) above = longest;
    for (int64_t c = 0; c < centroids; c++) {
      int v = table[c * SLOTS + i];
      if (v >= threshold && place[v] < above) order[place[v]++] = (int32_t)c;
    }
    for (int64_t p = 0; p < above; p++) {
      uint16_t gain = (uint16_t)(table[(int64_t)order[p] * SLOTS + i] - threshold + 1);
      for (int64_t at = list_offsets[order[p]]; at < list_offsets[order[p] + 1]; at++) {
        int32_t document = lists[at];
        if (last[document] == i + 1) continue; /* a better centroid was first */
        if (!sums[document]) touched[count++] = document;
        last[document] = (uint8_t)(i + 1);
        sums[document] += gain;
      }
    }
  }
  for (int64_t j = 0; j < count; j++) {
    reached[j] = sums[touched[j]];
    sums[touched[j]] = 0;
    last[touched[j]] = 0;
  }
  free(order);
  return count;
}

/* Positions of the n highest scores, 0 <= score < 65536, in ascending order; the first positions win ties. */
API int64_t bb_top(const int32_t *scores, int64_t count, int64_t n, int32_t *out) {
  int64_t *histogram = calloc(65536, sizeof(int64_t)), sum = 0, level_left, found = 0;
  if (!histogram) return -1;
  for (int64_t i = 0; i < count; i++) histogram[scores[i]]++;
  int threshold = 65535;
  for (; threshold > 0; threshold--)
    if ((sum += histogram[threshold]) >= n) break;
  if (threshold == 0) sum += histogram[0];
  level_left = n - (sum - histogram[threshold]);
  for (int64_t i = 0; i < count && found < n; i++) {
    if (scores[i] > threshold || (scores[i] == threshold && level_left-- > 0)) out[found++] = (int32_t)i;
  }
  free(histogram);
  return found;
}

/* ---- other kinds of search -------------------------------------------------------------------------------------- */

#include "fde.h"
#include "hamming.h"
#include "lookups.h"
#include "bm25.h"
#include "rescore.h"
#include "quantize.h"
