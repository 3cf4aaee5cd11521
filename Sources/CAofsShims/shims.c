#include "aofs_shims.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#include <wmmintrin.h>
#endif

// The table of the reflected polynomial 0x82F63B78, made on first use by the portable path.
static uint32_t table[256];

static void make_table(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int k = 0; k < 8; k++) c = (c & 1) ? (c >> 1) ^ 0x82F63B78u : c >> 1;
    table[i] = c;
  }
}

__attribute__((constructor)) static void prepare(void) { make_table(); }

static uint32_t crc_portable(uint32_t crc, const uint8_t *p, size_t n) {
  while (n--) crc = table[(crc ^ *p++) & 0xff] ^ (crc >> 8);
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, const uint8_t *p, size_t n) {
  uint64_t c = crc;
  while (n >= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    c = _mm_crc32_u64(c, word);
    p += 8;
    n -= 8;
  }
  uint32_t c32 = (uint32_t)c;
  while (n--) c32 = _mm_crc32_u8(c32, *p++);
  return c32;
}

/* The CRC instruction takes three cycles and one can begin in each, so three neighbouring blocks are read side by side. A checksum
 * moves past the bytes behind it by a multiplication by x^8 for each of them, modulo the polynomial; of the constant exponents, 33 bits
 * come back from what the CRC instruction does to the carry-less product (Gopal et al., "Fast CRC Computation for iSCSI Polynomial
 * Using CRC32 Instruction", Intel 2011). */
enum { BLOCK = 1024 };
static const uint32_t past_one_block = 0x170076fa;  /* x^(8 * 1024 - 33) */
static const uint32_t past_two_blocks = 0xa51b6135; /* x^(16 * 1024 - 33) */

__attribute__((target("sse4.2,pclmul"))) static uint64_t crc_moved(uint64_t crc, uint32_t power) {
  __m128i product = _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)crc), _mm_cvtsi32_si128((int)power), 0);
  return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t crc_three_ways(uint32_t crc, const uint8_t *p, size_t n) {
  for (; n >= 3 * BLOCK; p += 3 * BLOCK, n -= 3 * BLOCK) {
    uint64_t first = crc, second = 0, third = 0;
    for (size_t i = 0; i < BLOCK; i += 8) {
      uint64_t a, b, c;
      memcpy(&a, p + i, 8);
      memcpy(&b, p + BLOCK + i, 8);
      memcpy(&c, p + 2 * BLOCK + i, 8);
      first = _mm_crc32_u64(first, a);
      second = _mm_crc32_u64(second, b);
      third = _mm_crc32_u64(third, c);
    }
    crc = (uint32_t)(crc_moved(first, past_two_blocks) ^ crc_moved(second, past_one_block) ^ third);
  }
  return crc_sse42(crc, p, n);
}
#endif

uint32_t aofs_crc32c(uint32_t crc, const void *bytes, size_t count) {
  crc = ~crc;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.2")) return ~crc_three_ways(crc, bytes, count);
  if (__builtin_cpu_supports("sse4.2")) return ~crc_sse42(crc, bytes, count);
#endif
  return ~crc_portable(crc, bytes, count);
}

int aofs_openat(int directory, const char *path, int flags, mode_t mode) {
  return openat(directory, path, flags, mode);
}

int aofs_fcntl_int(int fd, int command, int argument) { return fcntl(fd, command, argument); }

int aofs_pidfd_open(pid_t process) { return (int)syscall(SYS_pidfd_open, process, 0); }
