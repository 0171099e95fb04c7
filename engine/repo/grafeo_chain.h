// The log of a live Grafeo database as the continuation of a backup directory. Each generation has
// its own idea of a place in the log, and of what proves that it continues what was backed up.
//
// Errors    kInvalid: the directory holds another history than this database's · those of the logs
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/capture/grafeo_image.h"
#include "engine/capture/grafeo_log_files.h"
#include "engine/formats/grafeo/gbak.h"
#include "engine/repo/grafeo_writer.h"

namespace epochfs::engine {

// Up to here everything is backed up.
struct GrafeoPosition {
  Epoch epoch;
  std::uint64_t at = 0;  // v2: LSN; v1: byte of the log
};

struct GrafeoIncrement {
  std::vector<Epoch> epochs;  // new ones, ascending
  bool has_records = false;   // something happened, with a new epoch or without
  grafeo::GbakHeader header;
  GrafeoPosition end;
};

class GrafeoChain {
 public:
  GrafeoChain() = default;
  GrafeoChain(const GrafeoChain&) = delete;
  GrafeoChain& operator=(const GrafeoChain&) = delete;
  virtual ~GrafeoChain() = default;

  // Opens the log beside the image. The image must be confirmed afterwards: then the log begins no
  // later than the image ends.
  static Result<std::unique_ptr<GrafeoChain>> open(const GrafeoImage& image,
                                                   const std::string& log_directory);

  struct Tip {
    std::optional<GrafeoPosition> position;
    std::string obstacle;  // why there is none, so that a full is needed
  };
  // Where the log continues the directory, which has a full.
  virtual Result<Tip> find_tip(const GrafeoWriter& writer) = 0;
  // Where it continues the image.
  [[nodiscard]] virtual GrafeoPosition behind_image() const = 0;

  // What the log holds from there on.
  virtual Result<GrafeoIncrement> increment_after(const GrafeoPosition& position) = 0;
  // Feeds what follows the header in the increment's file. `increment`: the last one asked for.
  using Sink = std::function<Result<void>(ByteView)>;
  virtual Result<void> write(const GrafeoIncrement& increment, const Sink& sink) = 0;

  // What Grafeo shall know; nullopt: nothing, for there is no log.
  [[nodiscard]] virtual std::optional<grafeo::BackupCursor> cursor(
      const GrafeoPosition& position) const = 0;
};

// Of each generation, for open().
Result<std::unique_ptr<GrafeoChain>> open_v1_chain(const GrafeoImage& image, GrafeoLogFiles log);
Result<std::unique_ptr<GrafeoChain>> open_v2_chain(const GrafeoImage& image, GrafeoLogFiles log);

}  // namespace epochfs::engine
