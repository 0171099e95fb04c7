// The files of a SQLite database: its header, its log, its rollback journal, its index of the log.
// The first byte says which; the sums of the log and of its index are made to fit.
#include "engine/formats/sqlite/database_header.h"
#include "engine/formats/sqlite/rollback_journal.h"
#include "engine/formats/sqlite/wal.h"
#include "engine/formats/sqlite/wal_index.h"
#include "tests/fuzz/fuzz_target.h"

namespace epochfs::fuzz {
namespace {

using engine::Bytes;
using engine::ByteView;
using engine::MutableByteView;
namespace sqlite = engine::sqlite;

// The header's checksum lies behind the words that it is over.
void seal_wal_header(MutableByteView header) {
  constexpr std::size_t kSummed = sqlite::kWalHeaderSize - 8;
  const auto order = (std::to_integer<unsigned>(header[3]) & 1U) != 0 ? sqlite::WordOrder::kBig
                                                                      : sqlite::WordOrder::kLittle;
  const auto sum = sqlite::extend({}, order, header.first(kSummed));
  engine::store_be(header.subspan(kSummed), sum.first);
  engine::store_be(header.subspan(kSummed + 4), sum.second);
}

void fuzz_wal(ByteView rest) {
  Bytes log(rest.begin(), rest.end());
  if (log.size() >= sqlite::kWalHeaderSize)
    seal_wal_header(MutableByteView(log).first(sqlite::kWalHeaderSize));
  const auto header = sqlite::parse_wal_header(log);
  if (!header) return;
  sqlite::WalChecksum checksum = header->checksum;
  const std::size_t frame_bytes = sqlite::kWalFrameHeaderSize + header->page_size.bytes();
  for (ByteView frames = ByteView(log).subspan(sqlite::kWalHeaderSize);
       frames.size() >= frame_bytes; frames = frames.subspan(frame_bytes)) {
    const auto raw = frames.first<sqlite::kWalFrameHeaderSize>();
    const sqlite::WalFrameHeader frame = sqlite::parse_wal_frame_header(raw);
    checksum = sqlite::chain_frame(checksum, header->order, raw,
                                   frames.subspan(raw.size(), header->page_size.bytes()));
    must(sqlite::parse_wal_frame_header(raw) == frame, "a frame is what it is");
  }
}

void fuzz_wal_index(ByteView rest) {
  const auto frame = take_word<std::uint32_t>(rest);
  const std::size_t half = rest.size() / 2;
  static_cast<void>(sqlite::parse_wal_index_header(rest.first(half), rest.subspan(half)));
  static_cast<void>(sqlite::parse_wal_index_header(rest, rest));
  if (frame == 0) return;
  const sqlite::WalIndexPlace place = sqlite::wal_index_place(frame);
  must(place.offset + sizeof(std::uint32_t) <= sqlite::kWalIndexRegionSize,
       "a frame's place lies within its region");
}

}  // namespace
}  // namespace epochfs::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace epochfs::fuzz;
  auto rest = input(data, size);
  switch (take_word<std::uint8_t>(rest) % 4U) {
    case 0:
      fuzz_wal(rest);
      break;
    case 1:
      static_cast<void>(sqlite::parse_database_header(rest));
      break;
    case 2:
      static_cast<void>(sqlite::parse_journal_header(rest));
      break;
    default:
      fuzz_wal_index(rest);
  }
  return 0;
}
