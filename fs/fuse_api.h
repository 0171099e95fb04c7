// The one place that says which version of the FUSE library's interface is meant.
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
