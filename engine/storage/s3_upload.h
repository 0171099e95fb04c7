// Writing objects of a bucket: nothing is there before the last request, and an answer that got
// lost is not taken for a refusal.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/storage/s3_client.h"
#include "engine/storage/storage.h"

namespace epochfs::engine {

// A request that makes an object, marked so that it can be told from another writer's.
//
// An attempt that was carried out although its answer got lost makes the next one fail: the name is
// taken, the condition does not hold any more, the parts are used up. Then the object itself says
// whether it is ours. It is asked after every such refusal, for nobody counts all the attempts.
class S3Write {
 public:
  S3Write(const S3Client& client, std::string key, std::string what);

  // To be sent with the request that says what the object's metadata is.
  [[nodiscard]] std::pair<std::string, std::string> mark() const;
  // A success, or the refusal that counts: a failed precondition when the name is another writer's,
  // or about to be. kUnreachable too when the object cannot be looked at.
  Result<S3Answer> send(const S3Request& request) const;

 private:
  const S3Client& client_;
  std::string key_;
  std::string what_;
  std::string identity_;
};

// A new object. It is sent in one request when it has one part only, otherwise in parts as they
// fill; the last request carries If-None-Match, which the store obeys.
//
// A store may not know that condition for several parts (Ceph 16). It is asked beforehand whether
// the name is free, which leaves a moment to another writer of the same large object.
//
// Memory    one part: 16 MiB in the first 32 GiB of an object, more beyond
class S3Upload final : public Upload {
 public:
  S3Upload(std::shared_ptr<const S3Client> client, std::string key, std::string what);
  ~S3Upload() override;

  Result<void> append(ByteView bytes) override;
  Result<void> finish() override;

 private:
  Result<void> append_parts(ByteView bytes);
  Result<void> begin_parts();
  Result<void> send_part();
  Result<void> put_whole();
  Result<void> complete_parts();
  void abort_parts() noexcept;
  [[nodiscard]] Failure taken() const;

  std::shared_ptr<const S3Client> client_;
  std::string key_;
  std::string what_;
  S3Write write_;
  Bytes part_;                      // not sent yet
  std::string upload_id_;           // "": nothing was sent yet, one request may do
  std::vector<std::string> etags_;  // of the parts that were sent
  bool ended_ = false;              // by finish(), or by a failure
};

// Bytes of part `index` (from 0): the 10,000 parts that there may be hold 968 GiB.
[[nodiscard]] std::size_t s3_part_bytes(std::size_t index) noexcept;

}  // namespace epochfs::engine
