// verify() of backup directories of Grafeo's.
#pragma once

#include "engine/repo/grafeo_database.h"
#include "engine/repo/operations.h"

namespace epochfs::engine {

// `scratch`: a directory for an index of its own. As verify() otherwise; kNoRepository also when
// there is no such directory.
Result<VerifyReport> verify_grafeo(const RepositoryOptions& scratch, const std::string& database,
                                   bool quick, const Progress& progress);
// One directory, added to `report`; the index of `parts` is for this alone.
Result<void> verify_grafeo_place(const GrafeoParts& parts, GrafeoPlace place, bool quick,
                                 const Progress& progress, VerifyReport& report);

}  // namespace epochfs::engine
