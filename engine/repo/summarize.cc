// summarize(): what a repository can give back.

#include "engine/repo/operations.h"

namespace epochfs::engine {

Result<std::vector<DatabaseSummary>> summarize(Repository& repository,
                                               const std::string& database) {
  std::vector<DatabaseSummary> summaries;
  if (!database.empty()) {
    TRY_ASSIGN(const auto one, select_database(repository, Source{"", database, ""}));
    TRY_ASSIGN(DatabaseSummary summary, one->summary());
    summaries.push_back(std::move(summary));
    return summaries;
  }
  TRY_ASSIGN(const auto names, repository.databases());
  for (const std::string& name : names) {
    DatabaseSummary summary;
    auto opened = repository.database(name);
    if (opened) {
      TRY_ASSIGN(summary, (*opened)->summary());
    } else {
      // One damaged manifest hides no other database.
      summary.name = name;
      summary.problems.push_back(opened.error().text);
    }
    summaries.push_back(std::move(summary));
  }
  return summaries;
}

}  // namespace epochfs::engine
