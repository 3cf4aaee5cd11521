// The header that the module map names: the API version must be fixed before libfuse's headers.
#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>
