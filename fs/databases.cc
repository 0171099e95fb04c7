#include "fs/databases.h"

#include <algorithm>

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
  {
    const std::scoped_lock lock(mutex_);
    for (std::size_t i = 0; i < slots_.size(); ++i)
      if (slots_[i].name == name && slots_[i].database)
        return std::optional(static_cast<std::uint32_t>(i));
  }
  auto database = repository_->database(name);
  if (!database && database.error().code == engine::Code::kNotFound)
    return std::optional<std::uint32_t>();
  if (!database) return tl::unexpected(std::move(database).error());
  const std::scoped_lock lock(mutex_);
  const std::uint32_t number = number_locked(name);
  slots_[number].database = std::move(*database);
  return std::optional(number);
}

Result<std::shared_ptr<engine::Database>> Databases::get(std::uint32_t number) {
  std::string name;
  {
    const std::scoped_lock lock(mutex_);
    if (number >= slots_.size()) return engine::Error::not_found("no such database");
    if (slots_[number].database) return slots_[number].database;
    name = slots_[number].name;
  }
  TRY_ASSIGN(auto database, repository_->database(name));
  const std::scoped_lock lock(mutex_);
  slots_[number].database = database;
  return database;
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
  const auto slot = std::find_if(slots_.begin(), slots_.end(),
                                 [&](const Slot& candidate) { return candidate.name == name; });
  return slot == slots_.end() ? std::string() : slot->last_failure;
}

std::uint32_t Databases::number_locked(const std::string& name) {
  for (std::size_t i = 0; i < slots_.size(); ++i)
    if (slots_[i].name == name) return static_cast<std::uint32_t>(i);
  slots_.push_back({name, nullptr, ""});
  return static_cast<std::uint32_t>(slots_.size() - 1);
}

}  // namespace epochfs::fs
