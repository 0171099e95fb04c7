// verify() of backup directories of Grafeo's.
#pragma once

#include "engine/repo/operations.h"

namespace epochfs::engine {

// `scratch`: a directory for an index of its own. As verify() otherwise; kNoRepository also when
// there is no such directory.
Result<VerifyReport> verify_grafeo(const RepositoryOptions& scratch, const std::string& database,
                                   bool quick, const Progress& progress);

}  // namespace epochfs::engine
