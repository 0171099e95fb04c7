#include "fs/databases.h"

#include <spdlog/spdlog.h>

#include "engine/core/text.h"

namespace epochfs::fs {

using engine::Result;

Result<std::vector<Databases::Numbered>> Databases::list() {
  TRY_ASSIGN(auto names, repository_->databases());
  const std::scoped_lock lock(mutex_);
  std::vector<Numbered> numbered;
  numbered.reserve(names.size());
  for (std::string& name : names) {
    const std::uint32_t number = number_locked(name);
    numbered.push_back({number, std::move(name)});
  }
  return numbered;
}

Result<std::optional<std::uint32_t>> Databases::find(const std::string& name) {
  auto database = open(name);
  if (!database && database.error().code == engine::Code::kNotFound)
    return std::optional<std::uint32_t>();
  if (!database) return tl::unexpected(std::move(database).error());
  return std::optional(number_of(*database));
}

Result<std::shared_ptr<engine::Database>> Databases::get(std::uint32_t number) {
  const std::string name = name_of(number);
  if (name.empty()) return engine::Error::not_found("no such database");
  TRY_ASSIGN(auto database, open(name));
  if (number_of(database) != number)
    return engine::Error::not_found("the history of " + engine::printable(name) +
                                    " was replaced by another");
  return database;
}

std::uint32_t Databases::newest(std::uint32_t number) {
  const auto now = find(name_of(number));
  return now && *now ? **now : number;
}

Result<std::shared_ptr<engine::Database>> Databases::open(const std::string& name) {
  {
    const std::scoped_lock lock(mutex_);
    const auto number = newest_.find(name);
    if (number != newest_.end() && slots_[number->second].database)
      return slots_[number->second].database;
  }
  TRY_ASSIGN(auto database, repository_->database(name));
  const auto timeline = database->timeline();
  const std::size_t problems = timeline ? (*timeline)->problem_count() : 0;
  if (problems > 0)
    spdlog::warn("{}: {} cannot be used, so epochs may be missing; `epochfs info` tells which",
                 engine::printable(name), engine::counted(problems, "object"));
  const std::scoped_lock lock(mutex_);
  slots_[number_locked(name)].database = database;
  return database;
}

std::uint32_t Databases::number_of(const std::shared_ptr<engine::Database>& database) {
  const auto timeline = database->timeline();
  const std::scoped_lock lock(mutex_);
  const std::uint32_t number = number_locked(database->name());
  if (!timeline) return number;
  const std::uint64_t history = (*timeline)->history();
  Slot& slot = slots_[number];
  if (!slot.history) slot.history = history;
  // Another thread may have asked earlier and come here later.
  if (history <= *slot.history) return number;
  slot.database.reset();
  newest_.erase(database->name());
  const std::uint32_t replacement = number_locked(database->name());
  slots_[replacement].database = database;
  slots_[replacement].history = history;
  return replacement;
}

std::string Databases::name_of(std::uint32_t number) const {
  const std::scoped_lock lock(mutex_);
  return number < slots_.size() ? slots_[number].name : std::string();
}

std::vector<std::shared_ptr<engine::Database>> Databases::opened() const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::shared_ptr<engine::Database>> databases;
  for (const Slot& slot : slots_)
    if (slot.database) databases.push_back(slot.database);
  return databases;
}

void Databases::note_failure(std::uint32_t number, const std::string& text) {
  const std::scoped_lock lock(mutex_);
  if (number < slots_.size()) slots_[number].last_failure = text;
}

std::string Databases::last_failure(const std::string& name) const {
  const std::scoped_lock lock(mutex_);
  const auto number = newest_.find(name);
  return number == newest_.end() ? std::string() : slots_[number->second].last_failure;
}

std::uint32_t Databases::number_locked(const std::string& name) {
  const auto [place, is_new] = newest_.try_emplace(name, static_cast<std::uint32_t>(slots_.size()));
  if (is_new) slots_.push_back({name, nullptr, std::nullopt, ""});
  return place->second;
}

}  // namespace epochfs::fs
