#include "fs/handlers.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "engine/core/text.h"
#include "engine/formats/zlayer/epoch_name.h"
#include "fs/attribute_lifetime.h"
#include "fs/error_number.h"
#include "fs/request.h"

namespace epochfs::fs {
namespace {

using engine::Error;
using engine::Result;

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
constexpr std::uint64_t kStatBlockBytes = 512;  // what st_blocks counts in, whatever st_blksize is
constexpr blksize_t kReadBytes = 128 * 1024;    // the kernel's largest request

// --- the guard around every handler ---

struct Origin {
  Operation operation;
  fuse_ino_t inode;
};

// One line in the log for a failure that is not an ordinary answer.
void report(Filesystem& fs, const Origin& origin, const std::string& text) {
  if (!fs.failures.is_news(text)) return;
  spdlog::error("{}: {}", operation_name(origin.operation), engine::printable(text));
  if (const auto node = fs.tree.node(origin.inode)) fs.databases.note_failure(node->database, text);
}

int handle_failure(Filesystem& fs, const Origin& origin, const Error& error) {
  // A read that was possible once does not become a missing file.
  const int number = origin.operation == Operation::kRead ? EIO : error_number(error.code);
  if (number != ENOENT) report(fs, origin, error.text);
  return number;
}

template <class Body>
void serve(fuse_req_t raw, const Origin& origin, const Body& body) {
  Filesystem& fs = *static_cast<Filesystem*>(fuse_req_userdata(raw));
  Request request(raw);
  Counters::Count& count = fs.counters[origin.operation];
  ++count.requests;
  int failure = 0;
  try {
    const Result<void> result = body(fs, request);
    if (!result) failure = handle_failure(fs, origin, result.error());
  } catch (const std::bad_alloc&) {
    failure = ENOMEM;
  } catch (const std::exception& exception) {
    failure = EIO;
    spdlog::error("{}: {}", operation_name(origin.operation), exception.what());
  }
  if (failure == 0) return;
  ++count.errors;
  if (!request.answered()) request.error(failure);
}

// --- values of the tree as the kernel wants them ---

Result<Node> node_at(const Filesystem& fs, fuse_ino_t inode) {
  const auto node = fs.tree.node(inode);
  if (!node) return Error::not_found(fmt::format("no inode {}", inode));
  return *node;
}

mode_t mode_of(NodeType type) {
  if (type == NodeType::kDirectory) return S_IFDIR | 0555;
  return type == NodeType::kLink ? S_IFLNK | 0777 : S_IFREG | 0444;
}

timespec timespec_of(engine::UtcTime moment) {
  std::int64_t seconds = moment.get() / kNanosPerSecond;
  std::int64_t nanos = moment.get() % kNanosPerSecond;
  if (nanos < 0) {
    nanos += kNanosPerSecond;
    --seconds;
  }
  return {seconds, nanos};
}

struct stat stat_of(const Filesystem& fs, const Node& node, const Attributes& attributes) {
  struct stat result {};
  result.st_ino = fs.tree.inode(node);
  result.st_mode = mode_of(attributes.type);
  // 1 for a directory means that its subdirectories are not counted, so that nobody relies on it.
  result.st_nlink = 1;
  result.st_uid = fs.uid;
  result.st_gid = fs.gid;
  result.st_size = static_cast<off_t>(attributes.size_bytes);
  result.st_blocks = static_cast<blkcnt_t>(attributes.size_bytes / kStatBlockBytes +
                                           (attributes.size_bytes % kStatBlockBytes != 0 ? 1 : 0));
  result.st_blksize = kReadBytes;
  result.st_mtim = timespec_of(attributes.modified);
  result.st_ctim = result.st_mtim;
  result.st_atim = result.st_mtim;
  return result;
}

fuse_entry_param entry_of(const Filesystem& fs, const Node& node, const Attributes& attributes) {
  const AttributeLifetime lifetime = lifetime_of(node.kind, attributes);
  fuse_entry_param entry{};
  entry.attr = stat_of(fs, node, attributes);
  entry.ino = entry.attr.st_ino;
  entry.entry_timeout = lifetime.name_seconds;
  entry.attr_timeout = lifetime.attributes_seconds;
  return entry;
}

// --- names and attributes ---

void op_init(void* /*userdata*/, fuse_conn_info* connection) {
  // Answers come from memory; a pipe in between costs more than it saves.
  connection->want &=
      ~static_cast<unsigned>(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
  // Files never change behind the kernel's back, so it need not look for that.
  connection->want &= ~static_cast<unsigned>(FUSE_CAP_AUTO_INVAL_DATA);
}

void op_lookup(fuse_req_t raw, fuse_ino_t parent, const char* name) {
  serve(raw, {Operation::kLookup, parent}, [&](Filesystem& fs, Request& request) -> Result<void> {
    TRY_ASSIGN(const Node directory, node_at(fs, parent));
    TRY_ASSIGN(const auto found, fs.tree.lookup(directory, name));
    if (found) {
      request.entry(entry_of(fs, found->node, found->attributes));
      return {};
    }
    if (!never_gets_more(directory.kind)) {
      request.error(ENOENT);
      return {};
    }
    fuse_entry_param absent{};
    absent.entry_timeout = kNeverSeconds;
    request.entry(absent);
    return {};
  });
}

// Numbers are computed, there is nothing to forget.
void op_forget(fuse_req_t raw, fuse_ino_t /*inode*/, std::uint64_t /*count*/) {
  fuse_reply_none(raw);
}

void op_forget_multi(fuse_req_t raw, std::size_t /*count*/, fuse_forget_data* /*forgets*/) {
  fuse_reply_none(raw);
}

void op_getattr(fuse_req_t raw, fuse_ino_t inode, fuse_file_info* /*info*/) {
  serve(raw, {Operation::kGetattr, inode}, [&](Filesystem& fs, Request& request) -> Result<void> {
    TRY_ASSIGN(const Node node, node_at(fs, inode));
    TRY_ASSIGN(const Attributes attributes, fs.tree.attributes(node));
    request.attributes(stat_of(fs, node, attributes),
                       lifetime_of(node.kind, attributes).attributes_seconds);
    return {};
  });
}

void op_readlink(fuse_req_t raw, fuse_ino_t inode) {
  serve(raw, {Operation::kReadlink, inode}, [&](Filesystem& fs, Request& request) -> Result<void> {
    TRY_ASSIGN(const Node node, node_at(fs, inode));
    TRY_ASSIGN(const std::string target, fs.tree.link_target(node));
    request.link(target);
    return {};
  });
}

// --- files ---

bool wants_to_write(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0; }

void op_open(fuse_req_t raw, fuse_ino_t inode, fuse_file_info* info) {
  const Operation operation = wants_to_write(info->flags) ? Operation::kModify : Operation::kOpen;
  serve(raw, {operation, inode}, [&](Filesystem& fs, Request& request) -> Result<void> {
    if (operation == Operation::kModify) {
      request.error(EROFS);
      return {};
    }
    TRY_ASSIGN(const Node node, node_at(fs, inode));
    TRY_ASSIGN(auto file, fs.open(node));
    info->keep_cache = file->never_changes();
    info->direct_io = !file->never_changes();
    info->noflush = 1;
    info->fh = fs.open_files.add(std::move(file));
    if (!request.open(*info)) fs.open_files.remove(info->fh);
    return {};
  });
}

OpenFile& file_of(const fuse_file_info* info) { return OpenHandles<OpenFile>::at(info->fh); }

void op_release(fuse_req_t raw, fuse_ino_t /*inode*/, fuse_file_info* info) {
  static_cast<Filesystem*>(fuse_req_userdata(raw))->open_files.remove(info->fh);
  fuse_reply_err(raw, 0);
}

void op_read(fuse_req_t raw, fuse_ino_t inode, std::size_t size, off_t offset,
             fuse_file_info* info) {
  serve(raw, {Operation::kRead, inode}, [&](Filesystem& /*fs*/, Request& request) -> Result<void> {
    TRY_ASSIGN(const engine::Pieces pieces,
               file_of(info).read(static_cast<std::uint64_t>(offset), size));
    request.pieces(pieces);
    return {};
  });
}

// No file has a hole: data goes on to the end.
void op_lseek(fuse_req_t raw, fuse_ino_t inode, off_t offset, int whence, fuse_file_info* info) {
  serve(raw, {Operation::kSeek, inode}, [&](Filesystem& /*fs*/, Request& request) -> Result<void> {
    const auto size = file_of(info).size_bytes();
    if ((whence != SEEK_DATA && whence != SEEK_HOLE) || !size)
      request.error(EINVAL);
    else if (offset < 0 || static_cast<std::uint64_t>(offset) >= *size)
      request.error(ENXIO);
    else
      request.position(whence == SEEK_DATA ? offset : static_cast<off_t>(*size));
    return {};
  });
}

// --- directories ---

OpenDirectory& directory_of(const fuse_file_info* info) {
  return OpenHandles<OpenDirectory>::at(info->fh);
}

void op_opendir(fuse_req_t raw, fuse_ino_t inode, fuse_file_info* info) {
  serve(raw, {Operation::kOpendir, inode}, [&](Filesystem& fs, Request& request) -> Result<void> {
    TRY_ASSIGN(const Node node, node_at(fs, inode));
    TRY_ASSIGN(auto listing, fs.tree.list(node));
    auto directory = std::make_unique<OpenDirectory>(OpenDirectory{node, std::move(listing)});
    info->fh = fs.open_directories.add(std::move(directory));
    if (!request.open(*info)) fs.open_directories.remove(info->fh);
    return {};
  });
}

void op_releasedir(fuse_req_t raw, fuse_ino_t /*inode*/, fuse_file_info* info) {
  static_cast<Filesystem*>(fuse_req_userdata(raw))->open_directories.remove(info->fh);
  fuse_reply_err(raw, 0);
}

// Fills the buffer of one readdir request. Offsets 1 and 2 are behind "." and ".."; from there on
// they are the listing's positions, moved up by 2.
class DirectoryReply {
 public:
  DirectoryReply(const Filesystem& fs, fuse_req_t raw, std::size_t size, bool with_attributes)
      : fs_(fs), raw_(raw), buffer_(size), with_attributes_(with_attributes) {}

  Result<void> fill(const OpenDirectory& directory, std::uint64_t offset) {
    const Node parent = fs_.tree.parent(directory.node);
    if (offset < 1 && !add_dots(".", directory.node, 1)) return {};
    if (offset < 2 && !add_dots("..", parent, 2)) return {};
    std::uint64_t position = offset < kDots ? 0 : offset - kDots;
    for (;;) {
      // About as many as fit: what is made and does not is made again for the next request.
      const std::size_t count = (buffer_.size() - used_) / entry_bytes() + 1;
      TRY_ASSIGN(const auto entries, directory.listing->from(position, count));
      if (entries.empty()) return {};
      for (const ListedEntry& entry : entries) {
        if (!add(entry)) return {};
        position = entry.next;
      }
    }
  }

  [[nodiscard]] engine::ByteView bytes() const {
    return engine::as_bytes(std::string_view(buffer_.data(), used_));
  }

 private:
  static constexpr std::uint64_t kDots = 2;

  [[nodiscard]] std::size_t entry_bytes() const {
    constexpr std::size_t kPlain = 40;  // of an epoch's name
    constexpr std::size_t kPlus = 168;
    return with_attributes_ ? kPlus : kPlain;
  }

  // Without attributes in either kind of listing: the kernel wants none for these two.
  bool add_dots(const char* name, const Node& node, off_t next) {
    fuse_entry_param entry{};
    entry.attr.st_ino = fs_.tree.inode(node);
    entry.attr.st_mode = S_IFDIR;
    return append(name, entry, next);
  }

  bool add(const ListedEntry& listed) {
    return append(listed.name.c_str(), entry_for(listed), static_cast<off_t>(listed.next + kDots));
  }

  [[nodiscard]] fuse_entry_param entry_for(const ListedEntry& listed) const {
    if (with_attributes_) {
      if (listed.attributes) return entry_of(fs_, listed.node, *listed.attributes);
      const auto attributes = fs_.tree.attributes(listed.node);
      if (attributes) return entry_of(fs_, listed.node, *attributes);
    }
    // The name and its type alone; whoever asks for more hears then why that fails.
    fuse_entry_param entry{};
    entry.attr.st_ino = fs_.tree.inode(listed.node);
    entry.attr.st_mode = mode_of(type_of(listed.node.kind));
    return entry;
  }

  bool append(const char* name, const fuse_entry_param& entry, off_t next) {
    const auto room = std::span(buffer_).subspan(used_);
    const std::size_t needed =
        with_attributes_
            ? fuse_add_direntry_plus(raw_, room.data(), room.size(), name, &entry, next)
            : fuse_add_direntry(raw_, room.data(), room.size(), name, &entry.attr, next);
    if (needed > room.size()) return false;
    used_ += needed;
    return true;
  }

  const Filesystem& fs_;
  const fuse_req_t raw_;
  std::vector<char> buffer_;
  std::size_t used_ = 0;
  const bool with_attributes_;
};

void read_directory(fuse_req_t raw, fuse_ino_t inode, std::size_t size, off_t offset,
                    fuse_file_info* info, bool with_attributes) {
  serve(raw, {Operation::kReaddir, inode}, [&](Filesystem& fs, Request& request) -> Result<void> {
    DirectoryReply reply(fs, raw, size, with_attributes);
    Result<void> filled = reply.fill(directory_of(info), static_cast<std::uint64_t>(offset));
    // What was gathered before a failure is handed out; the failure comes with the next request.
    if (!filled && reply.bytes().empty()) return filled;
    request.bytes(reply.bytes());
    return {};
  });
}

void op_readdir(fuse_req_t raw, fuse_ino_t inode, std::size_t size, off_t offset,
                fuse_file_info* info) {
  read_directory(raw, inode, size, offset, info, false);
}

void op_readdirplus(fuse_req_t raw, fuse_ino_t inode, std::size_t size, off_t offset,
                    fuse_file_info* info) {
  read_directory(raw, inode, size, offset, info, true);
}

// --- the mount as a whole, extended attributes ---

void op_statfs(fuse_req_t raw, fuse_ino_t inode) {
  serve(raw, {Operation::kStatfs, inode}, [&](Filesystem& fs, Request& request) -> Result<void> {
    constexpr std::uint64_t kBlockBytes = 4096;
    constexpr unsigned long kNameBytesMax = 255;
    TRY_ASSIGN(const Node node, node_at(fs, inode));
    TRY_ASSIGN(const std::uint64_t stored, fs.tree.stored_bytes(node));
    struct statvfs statistics {};
    statistics.f_bsize = kBlockBytes;
    statistics.f_frsize = kBlockBytes;
    statistics.f_blocks = (stored + kBlockBytes - 1) / kBlockBytes;
    statistics.f_namemax = kNameBytesMax;
    request.statistics(statistics);
    return {};
  });
}

constexpr std::string_view kXattrEpoch = "user.epochfs.epoch";
constexpr std::string_view kXattrCommitTime = "user.epochfs.commit_time";
constexpr std::string_view kXattrStateHash = "user.epochfs.state_hash";
constexpr std::string_view kXattrBasis = "user.epochfs.base_is";
constexpr std::string_view kXattrName = "user.epochfs.name";

bool has_xattrs(NodeKind kind) { return never_gets_more(kind) || kind == NodeKind::kEpochFile; }

std::optional<std::string> xattr_of(const engine::native::EpochFacts& facts,
                                    std::string_view name) {
  if (name == kXattrEpoch) return fmt::format("{}", facts.epoch.get());
  if (name == kXattrCommitTime) return engine::format_utc(facts.committed);
  if (name == kXattrStateHash && has_pages(facts.how)) return facts.state.hex();
  if (facts.basis == engine::native::Basis::kStored) return std::nullopt;
  if (name == kXattrBasis) return std::string(basis_name(facts.basis));
  if (name == kXattrName) return engine::zlayer::epoch_name(facts);
  return std::nullopt;
}

void op_getxattr(fuse_req_t raw, fuse_ino_t inode, const char* name, std::size_t room) {
  serve(raw, {Operation::kXattr, inode}, [&](Filesystem& fs, Request& request) -> Result<void> {
    TRY_ASSIGN(const Node node, node_at(fs, inode));
    std::optional<std::string> value;
    if (has_xattrs(node.kind) && std::string_view(name).starts_with("user.epochfs.")) {
      TRY_ASSIGN(const auto facts, fs.tree.epoch_facts(node));
      value = xattr_of(facts, name);
    }
    if (value)
      request.xattr(*value, room);
    else
      request.error(ENODATA);
    return {};
  });
}

void op_listxattr(fuse_req_t raw, fuse_ino_t inode, std::size_t room) {
  serve(raw, {Operation::kXattr, inode}, [&](Filesystem& fs, Request& request) -> Result<void> {
    TRY_ASSIGN(const Node node, node_at(fs, inode));
    std::string names;
    if (has_xattrs(node.kind)) {
      TRY_ASSIGN(const auto facts, fs.tree.epoch_facts(node));
      for (const std::string_view name :
           {kXattrEpoch, kXattrCommitTime, kXattrStateHash, kXattrBasis, kXattrName})
        if (xattr_of(facts, name)) names.append(name).push_back('\0');
    }
    request.xattr(names, room);
    return {};
  });
}

// --- what would change something ---

// The kernel refuses these on a read-only mount by itself; this is for one remounted read-write.
template <class... Arguments>
void refuse(fuse_req_t raw, fuse_ino_t inode, Arguments... /*arguments*/) {
  serve(raw, {Operation::kModify, inode}, [](Filesystem& /*fs*/, Request& request) -> Result<void> {
    request.error(EROFS);
    return {};
  });
}

void op_symlink(fuse_req_t raw, const char* /*target*/, fuse_ino_t parent, const char* /*name*/) {
  refuse(raw, parent);
}

void op_copy_file_range(fuse_req_t raw, fuse_ino_t /*from*/, off_t /*from_offset*/,
                        fuse_file_info* /*from_info*/, fuse_ino_t to, off_t /*to_offset*/,
                        fuse_file_info* /*to_info*/, std::size_t /*size*/, int /*flags*/) {
  refuse(raw, to);
}

fuse_lowlevel_ops make_handlers() {
  fuse_lowlevel_ops ops{};
  ops.init = op_init;
  ops.lookup = op_lookup;
  ops.forget = op_forget;
  ops.forget_multi = op_forget_multi;
  ops.getattr = op_getattr;
  ops.readlink = op_readlink;
  ops.open = op_open;
  ops.release = op_release;
  ops.read = op_read;
  ops.lseek = op_lseek;
  ops.opendir = op_opendir;
  ops.releasedir = op_releasedir;
  ops.readdir = op_readdir;
  ops.readdirplus = op_readdirplus;
  ops.statfs = op_statfs;
  ops.getxattr = op_getxattr;
  ops.listxattr = op_listxattr;

  ops.setattr = refuse<struct stat*, int, fuse_file_info*>;
  ops.mknod = refuse<const char*, mode_t, dev_t>;
  ops.mkdir = refuse<const char*, mode_t>;
  ops.unlink = refuse<const char*>;
  ops.rmdir = refuse<const char*>;
  ops.symlink = op_symlink;
  ops.rename = refuse<const char*, fuse_ino_t, const char*, unsigned>;
  ops.link = refuse<fuse_ino_t, const char*>;
  ops.create = refuse<const char*, mode_t, fuse_file_info*>;
  ops.write = refuse<const char*, std::size_t, off_t, fuse_file_info*>;
  ops.fallocate = refuse<int, off_t, off_t, fuse_file_info*>;
  ops.setxattr = refuse<const char*, const char*, std::size_t, int>;
  ops.removexattr = refuse<const char*>;
  ops.copy_file_range = op_copy_file_range;
  return ops;
}

}  // namespace

const fuse_lowlevel_ops& handlers() noexcept {
  static const fuse_lowlevel_ops ops = make_handlers();
  return ops;
}

}  // namespace epochfs::fs
