// C that Swift cannot say: macros, variadic calls and instructions. No logic lives here.
#ifndef AOFS_SHIMS_H
#define AOFS_SHIMS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// CRC32C (Castagnoli, reflected, as in RFC 3720 B.4) of a buffer, continuing from `crc`; 0 to begin.
// Uses the processor's instruction where it has one.
uint32_t aofs_crc32c(uint32_t crc, const void *bytes, size_t count);

// open(2) and fcntl(2) are variadic.
int aofs_openat(int directory, const char *path, int flags, mode_t mode);
int aofs_fcntl_int(int fd, int command, int argument);

// pidfd_open(2), which the C library of older systems lacks.
int aofs_pidfd_open(pid_t process);

#endif
