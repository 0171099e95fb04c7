// What S3 storage does beyond the contract of every storage, at a real server.
#include "engine/storage/s3_storage.h"

#include <fmt/format.h>

#include <atomic>
#include <set>
#include <thread>

#include "tests/s3/real_s3.h"

namespace epochfs::engine {
namespace {

using test::RealS3;
using test::RealS3Test;

class S3StorageTest : public RealS3Test {
 protected:
  // Bytes that differ everywhere, so that a piece in the wrong place is seen.
  static Bytes pattern(std::size_t size) {
    Bytes bytes(size);
    std::uint64_t state = 88172645463325252U;
    for (std::byte& byte : bytes) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      byte = static_cast<std::byte>(state);
    }
    return bytes;
  }
  void put(const std::string& name, ByteView content) {
    const auto upload = storage_->create(name);
    ASSERT_TRUE(upload);
    const auto appended = (*upload)->append(content);
    ASSERT_TRUE(appended) << appended.error().text;
    const auto finished = (*upload)->finish();
    ASSERT_TRUE(finished) << finished.error().text;
  }
  // Uploads in parts that were begun and neither finished nor aborted, as the server tells it.
  std::size_t unfinished_uploads() const {
    const auto answer = client_.send_expecting_success(
        {.method = "GET", .query = {{"uploads", ""}, {"prefix", prefix_ + "/"}}}, "uploads");
    if (!answer) return 1'000'000;
    const std::string_view xml = as_text(answer->http.body);
    std::size_t count = 0;
    for (std::size_t at = xml.find("<UploadId>"); at != std::string_view::npos;
         at = xml.find("<UploadId>", at + 1))
      ++count;
    return count;
  }

  const std::shared_ptr<Storage> storage_ = make_s3_storage(RealS3::settings(prefix_));
  const S3Client client_{RealS3::settings(prefix_)};
};

constexpr std::size_t kPart = 16 * 1024 * 1024;

TEST_F(S3StorageTest, WritesLargeObjectsInParts) {
  const Bytes content = pattern(2 * kPart + 12'345);
  const auto upload = storage_->create("app/large");
  ASSERT_TRUE(upload);
  constexpr std::size_t kStep = 1'000'003;
  for (std::size_t at = 0; at < content.size(); at += kStep) {
    const auto appended =
        (*upload)->append(ByteView(content).subspan(at, std::min(kStep, content.size() - at)));
    ASSERT_TRUE(appended) << appended.error().text;
  }
  EXPECT_EQ(unfinished_uploads(), 1U);
  EXPECT_FALSE(storage_->stat("app/large")) << "nothing is there before finish()";
  const auto finished = (*upload)->finish();
  ASSERT_TRUE(finished) << finished.error().text;
  const auto back = storage_->get("app/large", content.size());
  ASSERT_TRUE(back) << back.error().text;
  EXPECT_TRUE(back->bytes == content);
  EXPECT_NE(back->version.find("-3"), std::string::npos) << "three parts: " << back->version;
  EXPECT_EQ(unfinished_uploads(), 0U);
}

TEST_F(S3StorageTest, WritesOnePartInOneRequest) {
  const Bytes content = pattern(kPart);
  put("whole", content);
  const auto back = storage_->get("whole", kPart);
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->bytes == content);
  EXPECT_EQ(back->version, to_hex(md5(content)))
      << "the ETag of an object that came in parts differs";
}

TEST_F(S3StorageTest, ClearsAwayTheParts) {
  {
    const auto upload = storage_->create("large");
    ASSERT_TRUE(upload);
    ASSERT_TRUE((*upload)->append(Bytes(kPart + 1)));
    EXPECT_EQ(unfinished_uploads(), 1U);
  }
  EXPECT_EQ(unfinished_uploads(), 0U);
}

TEST_F(S3StorageTest, KeepsALargeObjectFromTakingAName) {
  put("large", as_bytes("first"));
  {
    const auto upload = storage_->create("large");
    ASSERT_TRUE(upload);
    ASSERT_TRUE((*upload)->append(Bytes(kPart + 1)));
    const auto finished = (*upload)->finish();
    ASSERT_FALSE(finished);
    EXPECT_EQ(finished.error().code, Code::kExists);
  }
  EXPECT_EQ(as_text(storage_->get("large", 100)->bytes), "first");
  EXPECT_EQ(unfinished_uploads(), 0U);
}

TEST_F(S3StorageTest, ReadsRangesOnManyThreads) {
  const Bytes content = pattern(3'000'000);
  put("data", content);
  const auto blob = storage_->open("data");
  ASSERT_TRUE(blob);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::size_t at = thread * 7'919; at < content.size(); at += 8 * 37'501) {
        Bytes out(std::min<std::size_t>(37'501, content.size() - at));
        const auto read = (*blob)->read(at, out);
        if (!read || !std::ranges::equal(out, ByteView(content).subspan(at, out.size()))) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(S3StorageTest, ListsMoreThanAPageHolds) {
  constexpr std::size_t kObjects = 1'100;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kObjects; ++i) names.push_back(fmt::format("many/{:04}", i));
  std::atomic<std::size_t> next = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&] {
      for (std::size_t i = next++; i < kObjects; i = next++)
        EXPECT_TRUE(storage_->replace(names[i], as_bytes("x"), std::nullopt));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto listing = storage_->list("many");
  ASSERT_TRUE(listing) << listing.error().text;
  ASSERT_EQ(listing->objects.size(), kObjects);
  for (std::size_t i = 0; i < kObjects; ++i)
    EXPECT_EQ("many/" + listing->objects[i].name, names[i]);
  const auto removed = storage_->remove_all(names);
  ASSERT_TRUE(removed) << removed.error().text;
  EXPECT_EQ(storage_->list("many").error().code, Code::kNotFound);
}

TEST_F(S3StorageTest, LeavesOutWhatNoNameReaches) {
  put("app/data", as_bytes("x"));
  for (const char* key : {"/app/", "/app/.hidden", "/app/a\\b", "/app//deep", "/app/.git/config"}) {
    ASSERT_TRUE(client_.send_expecting_success({.method = "PUT", .key = prefix_ + key}, key));
  }
  const auto listing = storage_->list("app");
  ASSERT_TRUE(listing);
  ASSERT_EQ(listing->objects.size(), 1U);
  EXPECT_EQ(listing->objects[0].name, "data");
  EXPECT_TRUE(listing->directories.empty());
}

TEST_F(S3StorageTest, ReportsABlobThatWasReplaced) {
  put("data", as_bytes("before"));
  const auto blob = storage_->open("data");
  ASSERT_TRUE(blob);
  ASSERT_TRUE(storage_->replace("data", as_bytes("after!"), (*blob)->version()));
  Bytes out(3);
  const auto read = (*blob)->read(1, out);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::kIo);
  EXPECT_NE(read.error().text.find("replaced"), std::string::npos) << read.error().text;
}

TEST_F(S3StorageTest, NamesWhatWasRefusedAndByWhom) {
  S3Settings settings = RealS3::settings(prefix_);
  settings.credentials.value->secret_access_key = "wrong-secret";
  const auto refused = make_s3_storage(settings)->get("data", 10);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnreachable);
  for (const std::string& part :
       {storage_->describe("data"), fmt::format("127.0.0.1:{}", RealS3::port()), std::string("403"),
        std::string("SignatureDoesNotMatch"), std::string("check the credentials")})
    EXPECT_NE(refused.error().text.find(part), std::string::npos) << refused.error().text;
  EXPECT_EQ(refused.error().text.find("wrong-secret"), std::string::npos);
}

TEST_F(S3StorageTest, TellsAMissingBucketFromAMissingObject) {
  S3Settings settings = RealS3::settings(prefix_);
  settings.location.bucket = "no-such-bucket";
  const auto storage = make_s3_storage(settings);
  for (const auto& error : {storage->get("data", 10).error(), storage->list("").error(),
                            storage->replace("data", {}, std::nullopt).error()}) {
    EXPECT_EQ(error.code, Code::kUnreachable);
    EXPECT_NE(error.text.find("NoSuchBucket"), std::string::npos) << error.text;
  }
}

TEST_F(S3StorageTest, ReadsPublicBucketsWithoutKeys) {
  S3Settings settings = RealS3::settings("");
  settings.location.bucket = "epochfs-public";
  const S3Client owner(settings);
  const std::pair<std::string, std::string> is_public = {"x-amz-acl", "public-read"};
  ASSERT_TRUE(owner.send_expecting_success({.method = "PUT", .headers = {is_public}}, "bucket"));
  ASSERT_TRUE(owner.send_expecting_success(
      {.method = "PUT", .key = "data", .headers = {is_public}, .body = as_bytes("open")}, "data"));
  settings.credentials.value.reset();
  const auto storage = make_s3_storage(settings);
  const auto content = storage->get("data", 10);
  ASSERT_TRUE(content) << content.error().text;
  EXPECT_EQ(as_text(content->bytes), "open");
  EXPECT_FALSE(storage->replace("more", {}, std::nullopt));
  settings.location.bucket = RealS3::kBucket;
  const auto refused = make_s3_storage(settings)->list("");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("AccessDenied"), std::string::npos) << refused.error().text;
}

}  // namespace
}  // namespace epochfs::engine
