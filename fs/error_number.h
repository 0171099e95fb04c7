// What a failure looks like to a program that reads the mount.
#pragma once

#include "engine/core/error.h"

namespace epochfs::fs {

int error_number(engine::Code code) noexcept;

}  // namespace epochfs::fs
