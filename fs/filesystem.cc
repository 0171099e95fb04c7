#include "fs/filesystem.h"

#include <unistd.h>

#include "engine/formats/json/json_text.h"
#include "fs/epoch_lines.h"

namespace epochfs::fs {

using engine::JsonArray;
using engine::JsonObject;
using engine::Result;

namespace {

void set_moment(JsonObject& object, std::string_view key, std::optional<engine::UtcTime> moment) {
  if (moment)
    object.set(key, engine::format_utc(*moment));
  else
    object.set_null(key);
}

void set_text(JsonObject& object, std::string_view key, const std::string& text) {
  if (text.empty())
    object.set_null(key);
  else
    object.set(key, text);
}

void set_epochs(JsonObject& object, engine::Database& database) {
  const auto timeline = database.timeline();
  if (!timeline) {
    object.set("failure", timeline.error().text);
    return;
  }
  object.set("epochs", (*timeline)->epoch_count());
  const auto newest = (*timeline)->newest_epochs(1);
  if (newest && !newest->empty()) {
    object.set("newest", newest->back().epoch.get());
    object.set("newest_committed", engine::format_utc(newest->back().committed));
  } else {
    object.set_null("newest").set_null("newest_committed");
  }
  set_moment(object, "covered_until", (*timeline)->covered_until());
  object.set("stored_bytes", (*timeline)->stored_bytes());
}

JsonObject database_status(engine::Database& database, const std::string& read_failure) {
  JsonObject object;
  object.set("name", database.name());
  set_epochs(object, database);
  set_text(object, "last_update_failure", database.last_failure());
  set_text(object, "last_failure", read_failure);
  return object;
}

JsonObject cache_status(const engine::CacheCounters& counters) {
  JsonObject object;
  object.set("hits", counters.hits)
      .set("misses", counters.misses)
      .set("bytes_held", counters.bytes_held)
      .set("bytes_max", counters.bytes_max)
      .set("bytes_read", counters.bytes_read)
      .set("disk_hits", counters.disk_hits)
      .set("disk_misses", counters.disk_misses);
  return object;
}

// What was asked of an object store, in all.
JsonObject store_status(const engine::StoreRequests& requests) {
  JsonObject object;
  object.set("gets", requests.gets)
      .set("heads", requests.heads)
      .set("puts", requests.puts)
      .set("lists", requests.lists)
      .set("deletes", requests.deletes)
      .set("retries", requests.retries)
      .set("bytes_received", requests.bytes_received)
      .set("bytes_sent", requests.bytes_sent);
  return object;
}

JsonObject request_status(const Counters& counters) {
  JsonObject object;
  for (std::size_t i = 0; i < kOperationCount; ++i) {
    const auto operation = static_cast<Operation>(i);
    JsonObject count;
    count.set("count", counters[operation].requests.load())
        .set("errors", counters[operation].errors.load());
    object.set(operation_name(operation), std::move(count));
  }
  return object;
}

}  // namespace

Filesystem::Filesystem(std::shared_ptr<engine::Repository> repository, std::string source_text,
                       const Node& top)
    : source(std::move(source_text)),
      mounted(engine::utc_now()),
      uid(::getuid()),
      gid(::getgid()),
      databases(std::move(repository)),
      tree(databases, top, mounted) {}

Result<std::unique_ptr<OpenFile>> Filesystem::open(const Node& file) const {
  if (file.kind == NodeKind::kStatus) return std::make_unique<OpenText>(status());
  if (file.kind == NodeKind::kEpochLines) {
    TRY_ASSIGN(auto timeline, tree.timeline(file));
    return std::make_unique<EpochLines>(std::move(timeline));
  }
  if (file.kind != NodeKind::kEpochFile) return engine::Error::invalid("not a file");
  TRY_ASSIGN(auto opened, tree.open(file));
  return std::make_unique<OpenEpochFile>(std::move(opened));
}

std::string Filesystem::status() const {
  constexpr double kNanosPerSecond = 1e9;
  JsonArray database_list;
  for (const auto& database : databases.opened())
    database_list.add(database_status(*database, databases.last_failure(database->name())));
  JsonObject object;
  object.set("version", EPOCHFS_VERSION)
      .set("source", source)
      .set("read_only", true)
      .set("pid", ::getpid())
      .set("mounted", engine::format_utc(mounted))
      .set("uptime_seconds",
           static_cast<double>(engine::utc_now().get() - mounted.get()) / kNanosPerSecond)
      .set("open_files", open_files.count())
      .set("databases", std::move(database_list))
      .set("cache", cache_status(databases.repository().cache_counters()))
      .set("store", store_status(engine::store_requests()))
      .set("requests", request_status(counters));
  return object.pretty();
}

}  // namespace epochfs::fs
