#include "engine/source/decompressed_objects.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "engine/segment/codec.h"
#include "engine/storage/memory_storage.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::engine {
namespace {

namespace files = std::filesystem;

constexpr std::size_t kPlainBytes = std::size_t{64} * 1024;

class DecompressedObjectsTest : public testing::Test {
 protected:
  DecompressedObjects::Object object(int number) {
    const std::string name = "object-" + std::to_string(number);
    const Bytes plain(kPlainBytes, static_cast<std::byte>(number));
    if (!storage_->stat(name)) {
      EXPECT_TRUE(storage_->replace(name, *compress_frame(plain, 0, 1), std::nullopt));
    }
    return {name, storage_->stat(name)->version, kPlainBytes, kPlainBytes};
  }
  void expect_right(DecompressedObjects& objects, int number) {
    const auto blob = objects.open(object(number));
    ASSERT_TRUE(blob) << blob.error().text;
    Bytes plain(kPlainBytes);
    ASSERT_TRUE((*blob)->read(0, plain));
    EXPECT_TRUE(std::ranges::all_of(
        plain, [&](std::byte byte) { return byte == static_cast<std::byte>(number); }));
  }
  // That this process holds open, removed files too.
  std::uint64_t bytes_held() const {
    std::uint64_t bytes = 0;
    for (const auto& entry : files::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      const std::string target = files::read_symlink(entry, gone);
      struct stat status {};
      if (!gone && target.starts_with(path_) && ::stat(entry.path().c_str(), &status) == 0)
        bytes += static_cast<std::uint64_t>(status.st_size);
    }
    return bytes;
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_ / "objects";
  std::shared_ptr<Storage> storage_ = make_memory_storage("store");
};

TEST_F(DecompressedObjectsTest, HoldNoMoreRoomThanTheyMay) {
  DecompressedObjects objects(storage_, path_, 2 * kPlainBytes);
  for (int number = 1; number <= 6; ++number) expect_right(objects, number);
  EXPECT_LE(bytes_held(), 2 * kPlainBytes);
  expect_right(objects, 1);
}

TEST_F(DecompressedObjectsTest, StandTheirDirectoryBeingRemoved) {
  DecompressedObjects objects(storage_, path_, 2 * kPlainBytes);
  std::atomic<bool> done = false;
  std::thread remover([&] {
    while (!done) {
      std::error_code ignored;
      files::remove_all(path_, ignored);
      std::this_thread::sleep_for(std::chrono::microseconds(300));
    }
  });
  for (int i = 0; i < 300; ++i) {
    const auto blob = objects.open(object(i));
    if (!blob) {
      EXPECT_NE(blob.error().code, Code::kNotFound) << blob.error().text;
    }
  }
  done = true;
  remover.join();
}

TEST_F(DecompressedObjectsTest, AreReadAsFarAsTheyAreWanted) {
  Bytes plain(9 * DecompressedObjects::kFrontBytesMin);
  std::mt19937 random(1);
  for (std::byte& byte : plain) byte = static_cast<std::byte>(random());
  ASSERT_TRUE(storage_->replace("long", *compress_frame(plain, 0, 1), std::nullopt));
  const std::string version = storage_->stat("long")->version;
  DecompressedObjects objects(storage_, path_);
  const auto expect_front = [&](std::uint64_t wanted) {
    const DecompressedObjects::Object object{"long", version, plain.size(), wanted};
    const auto blob = objects.open(object);
    ASSERT_TRUE(blob) << blob.error().text;
    ASSERT_GE((*blob)->size_bytes(), wanted);
    Bytes front(wanted);
    ASSERT_TRUE((*blob)->read(0, front));
    EXPECT_TRUE(std::ranges::equal(front, ByteView(plain).first(wanted)));
  };
  expect_front(1);
  expect_front(DecompressedObjects::kFrontBytesMin);
  const std::uint64_t after_first = objects.stored_bytes_read();
  EXPECT_LT(after_first, 3 * DecompressedObjects::kFrontBytesMin);
  expect_front(3 * DecompressedObjects::kFrontBytesMin);
  EXPECT_LT(objects.stored_bytes_read() - after_first, 6 * DecompressedObjects::kFrontBytesMin);
  expect_front(plain.size());
  // What is there whole is there in part.
  const std::uint64_t after_all = objects.stored_bytes_read();
  for (std::uint64_t wanted = 1; wanted < plain.size(); wanted *= 2) expect_front(wanted);
  EXPECT_EQ(objects.stored_bytes_read(), after_all);
}

TEST_F(DecompressedObjectsTest, RemoveWhatADeadProcessLeft) {
  files::create_directory(path_);
  const auto now = files::file_time_type::clock::now();
  for (const char* name : {".tmp-old", ".tmp-new"}) std::ofstream(path_ + "/" + name) << "x";
  files::last_write_time(path_ + "/.tmp-old", now - std::chrono::hours(25));
  DecompressedObjects objects(storage_, path_);
  expect_right(objects, 1);
  EXPECT_FALSE(files::exists(path_ + "/.tmp-old"));
  EXPECT_TRUE(files::exists(path_ + "/.tmp-new"));
}

}  // namespace
}  // namespace epochfs::engine
