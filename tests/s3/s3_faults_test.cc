// A store, or the way to it, that fails: what passes is outlasted, what does not is told in time,
// and no answer is taken for what it is not.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ostream>
#include <thread>

#include "tests/s3/real_s3.h"
#include "tests/support/faulty_proxy.h"

namespace epochfs::engine {
namespace {

using std::chrono::milliseconds;
using test::FaultyProxy;
using test::ProxyFault;
using test::ProxyPlan;
using test::RealS3;
using test::RealS3Test;

constexpr S3Times kQuick = {
    .http = {.connect = milliseconds(2'000), .stall = std::chrono::seconds(1)},
    .total = milliseconds(10'000),
    .attempts_max = 4,
    .first_pause = milliseconds(5),
    .pause_max = milliseconds(20)};

std::string answer(std::string_view status, std::string_view code, std::string_view headers = "") {
  const std::string body =
      fmt::format("<Error><Code>{}</Code><Message>injected</Message></Error>", code);
  return fmt::format("HTTP/1.1 {}\r\n{}Content-Length: {}\r\n\r\n{}", status, headers, body.size(),
                     body);
}

class S3FaultsTest : public RealS3Test {
 protected:
  std::shared_ptr<Storage> storage(S3Times times = kQuick) const {
    return make_s3_storage(RealS3::settings(prefix_, proxy_.port()), times);
  }
  std::string text_of(const std::string& name) const {
    const auto content = storage()->get(name, 1000);
    return content ? std::string(as_text(content->bytes)) : "failed: " + content.error().text;
  }
  std::string version_of(const std::string& name) const {
    const auto info = storage()->stat(name);
    return info ? info->version : "failed: " + info.error().text;
  }

  FaultyProxy proxy_{RealS3::port()};
};

struct Passing {
  const char* name;
  ProxyPlan plan;
};
void PrintTo(const Passing& passing, std::ostream* out) { *out << passing.name; }

const Passing kPassing[] = {
    {"Drop", {.fault = ProxyFault::kDrop, .times = 2}},
    {"LostAnswer", {.fault = ProxyFault::kLoseAnswer, .times = 2}},
    {"TruncatedAnswer", {.fault = ProxyFault::kTruncate, .method = "GET", .times = 2}},
    {"Stall", {.fault = ProxyFault::kDelay, .delay = milliseconds(2'500)}},
    {"SlowDown",
     {.fault = ProxyFault::kAnswer, .times = 2, .answer = answer("503 Slow Down", "SlowDown")}},
    {"TooMany",
     {.fault = ProxyFault::kAnswer, .times = 2, .answer = answer("429 Too Many", "TooMany")}},
    {"Internal",
     {.fault = ProxyFault::kAnswer, .times = 2, .answer = answer("500 Oh", "InternalError")}},
    {"Conflict",
     {.fault = ProxyFault::kAnswer,
      .method = "PUT",
      .times = 2,
      .answer = answer("409 Conflict", "ConditionalRequestConflict")}},
    {"GatewayThatSpeaksNoXml",
     {.fault = ProxyFault::kAnswer,
      .times = 2,
      .answer = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>"}},
    {"GatewayThatSpeaksAtLength",
     {.fault = ProxyFault::kAnswer,
      .times = 2,
      .answer =
          "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 70000\r\n\r\n" + std::string(70'000, 'x')}},
};

class S3PassingFaults : public S3FaultsTest, public testing::WithParamInterface<Passing> {
 protected:
  void fail() { proxy_.fail(GetParam().plan); }
};

INSTANTIATE_TEST_SUITE_P(Faults, S3PassingFaults, testing::ValuesIn(kPassing),
                         [](const auto& passing) { return passing.param.name; });

TEST_P(S3PassingFaults, AreOutlastedByEveryOperation) {
  const auto store = storage();
  fail();
  const auto upload = store->create("app/data");
  ASSERT_TRUE(upload);
  ASSERT_TRUE((*upload)->append(as_bytes("content")));
  const auto finished = (*upload)->finish();
  ASSERT_TRUE(finished) << finished.error().text;

  fail();
  const auto listing = store->list("app");
  ASSERT_TRUE(listing) << listing.error().text;
  EXPECT_EQ(listing->objects.size(), 1U);

  fail();
  const auto blob = store->open("app/data");
  ASSERT_TRUE(blob) << blob.error().text;
  fail();
  Bytes out(4);
  const auto read = (*blob)->read(2, out);
  ASSERT_TRUE(read) << read.error().text;
  EXPECT_EQ(as_text(out), "nten");

  fail();
  const auto replaced = store->replace("app/data", as_bytes("other"), (*blob)->version());
  ASSERT_TRUE(replaced) << replaced.error().text;
  fail();
  EXPECT_EQ(text_of("app/data"), "other");
  fail();
  const auto removed = store->remove("app/data");
  ASSERT_TRUE(removed) << removed.error().text;
  fail();
  const auto removed_all = store->remove_all(std::vector<std::string>{"app/data", "app/more"});
  ASSERT_TRUE(removed_all) << removed_all.error().text;
}

TEST_F(S3FaultsTest, SeesItsOwnObjectBehindALostAnswer) {
  const auto store = storage();
  proxy_.fail({.fault = ProxyFault::kLoseAnswer, .method = "PUT"});
  ASSERT_TRUE(store->replace("m", as_bytes("ours"), std::nullopt));
  proxy_.fail({.fault = ProxyFault::kLoseAnswer, .method = "PUT", .times = 2});
  ASSERT_TRUE(store->replace("m", as_bytes("ours too"), version_of("m")));
  EXPECT_EQ(text_of("m"), "ours too");
}

// There libcurl repeats by itself what was not answered, and no attempt is counted.
TEST_F(S3FaultsTest, SeesItsOwnObjectBehindALostAnswerOnAKeptConnection) {
  const auto store = storage();
  ASSERT_TRUE(store->replace("other", as_bytes("keeps the connection"), std::nullopt));
  const ProxyPlan lost{.fault = ProxyFault::kLoseAnswer, .method = "PUT"};
  proxy_.fail(lost);
  const auto first = store->replace("m", as_bytes("ours"), std::nullopt);
  ASSERT_TRUE(first) << first.error().text;
  proxy_.fail(lost);
  const auto second = store->replace("m", as_bytes("ours too"), version_of("m"));
  ASSERT_TRUE(second) << second.error().text;
  EXPECT_EQ(text_of("m"), "ours too");
  const auto upload = store->create("new");
  ASSERT_TRUE(upload);
  ASSERT_TRUE((*upload)->append(as_bytes("new")));
  proxy_.fail(lost);
  const auto finished = (*upload)->finish();
  ASSERT_TRUE(finished) << finished.error().text;
  EXPECT_EQ(text_of("new"), "new");
}

TEST_F(S3FaultsTest, LosesToAnotherWriterOnlyWhenItHasSeenHisObject) {
  const auto store = storage();
  ASSERT_TRUE(store->replace("m", as_bytes("theirs"), std::nullopt));
  proxy_.fail({.fault = ProxyFault::kAnswer,
               .method = "HEAD",
               .times = 1000,
               .answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"});
  const auto replaced = store->replace("m", as_bytes("ours"), std::nullopt);
  ASSERT_FALSE(replaced);
  EXPECT_EQ(replaced.error().code, Code::kUnreachable) << replaced.error().text;
}

// Amazon's answer while another write of the name is under way.
TEST_F(S3FaultsTest, LosesToAnotherWriterWhoIsNotDone) {
  const auto store = storage();
  proxy_.fail({.fault = ProxyFault::kAnswer,
               .method = "PUT",
               .times = 1000,
               .answer = answer("409 Conflict", "ConditionalRequestConflict")});
  const auto replaced = store->replace("m", as_bytes("ours"), std::nullopt);
  ASSERT_FALSE(replaced);
  EXPECT_EQ(replaced.error().code, Code::kLocked) << replaced.error().text;
}

TEST_F(S3FaultsTest, LosesALargeObjectWhosePartsAreGoneToWhoeverHasTheName) {
  FaultyProxy outer(proxy_.port());
  const auto store = make_s3_storage(RealS3::settings(prefix_, outer.port()), kQuick);
  const auto upload = store->create("large");
  ASSERT_TRUE(upload);
  ASSERT_TRUE((*upload)->append(Bytes(16 * 1024 * 1024 + 1)));
  proxy_.fail({.fault = ProxyFault::kAnswer,
               .method = "POST",
               .answer = answer("404 Not Found", "NoSuchUpload")});
  outer.fail({.fault = ProxyFault::kAnswer,
              .method = "HEAD",
              .after = 1,
              .answer = "HTTP/1.1 200 OK\r\nETag: \"theirs\"\r\nContent-Length: 1\r\n\r\n"});
  const auto finished = (*upload)->finish();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code, Code::kExists) << finished.error().text;
}

TEST_F(S3FaultsTest, TakesNoOtherObjectForItsOwn) {
  const auto store = storage();
  ASSERT_TRUE(store->replace("m", as_bytes("theirs"), std::nullopt));
  proxy_.fail({.fault = ProxyFault::kDrop, .method = "PUT"});
  const auto replaced = store->replace("m", as_bytes("theirs"), std::nullopt);
  ASSERT_FALSE(replaced) << "equal bytes make it no less another writer's";
  EXPECT_EQ(replaced.error().code, Code::kLocked);
}

TEST_F(S3FaultsTest, CompletesALargeObjectBehindALostAnswer) {
  const auto upload = storage()->create("large");
  ASSERT_TRUE(upload);
  ASSERT_TRUE((*upload)->append(Bytes(16 * 1024 * 1024 + 1)));
  proxy_.fail({.fault = ProxyFault::kLoseAnswer, .method = "POST"});
  const auto finished = (*upload)->finish();
  EXPECT_TRUE(finished) << finished.error().text;
}

TEST_F(S3FaultsTest, CompletesNoObjectOfWhichAPartIsMissing) {
  const auto upload = storage()->create("large");
  ASSERT_TRUE(upload);
  proxy_.fail({.fault = ProxyFault::kDrop, .method = "PUT", .times = 100});
  EXPECT_FALSE((*upload)->append(Bytes(16 * 1024 * 1024 + 1)));
  proxy_.fail({.times = 0});
  EXPECT_FALSE((*upload)->append(as_bytes("more")));
  EXPECT_FALSE((*upload)->finish());
  EXPECT_EQ(storage()->stat("large").error().code, Code::kNotFound);
}

TEST_F(S3FaultsTest, BelievesNoSuccessThatHoldsAnError) {
  const auto upload = storage()->create("large");
  ASSERT_TRUE(upload);
  ASSERT_TRUE((*upload)->append(Bytes(16 * 1024 * 1024 + 1)));
  proxy_.fail({.fault = ProxyFault::kAnswer,
               .method = "POST",
               .times = 100,
               .answer = answer("200 OK", "InternalError")});
  const auto finished = (*upload)->finish();
  ASSERT_FALSE(finished);
  EXPECT_NE(finished.error().text.find("InternalError"), std::string::npos);
}

TEST_F(S3FaultsTest, TellsAfterAFewAttempts) {
  const auto store = storage();
  proxy_.fail(
      {.fault = ProxyFault::kAnswer, .times = 1000, .answer = answer("503 Slow Down", "SlowDown")});
  const int before = proxy_.requests();
  const auto content = store->get("data", 10);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code, Code::kUnreachable);
  EXPECT_NE(content.error().text.find("503 SlowDown (injected), after 4 attempts"),
            std::string::npos)
      << content.error().text;
  EXPECT_EQ(proxy_.requests() - before, kQuick.attempts_max);
}

TEST_F(S3FaultsTest, TriesOnceAtATimeWhatGivesNoAnswerUntilThereIsOne) {
  const auto store = storage();
  const auto requests_of_one = [&] {
    const int before = proxy_.requests();
    EXPECT_FALSE(store->get("data", 10));
    return proxy_.requests() - before;
  };
  proxy_.fail({.fault = ProxyFault::kDrop, .times = 1000});
  EXPECT_EQ(requests_of_one(), kQuick.attempts_max);
  EXPECT_EQ(requests_of_one(), 1);
  EXPECT_EQ(requests_of_one(), 1);
  proxy_.fail(
      {.fault = ProxyFault::kAnswer, .times = 1000, .answer = answer("503 Slow Down", "SlowDown")});
  EXPECT_EQ(requests_of_one(), 1) << "it began while nothing was heard";
  EXPECT_EQ(requests_of_one(), kQuick.attempts_max) << "a refusal is an answer";
  proxy_.fail({.fault = ProxyFault::kDrop, .times = 1000});
  EXPECT_GE(requests_of_one(), kQuick.attempts_max);
}

// One after another they would take their deadline each.
TEST_F(S3FaultsTest, WaitsOneDeadlineForAStoreThatIsSilent) {
  S3Times times = kQuick;
  times.total = milliseconds(900);
  times.silent = milliseconds(50);
  const auto store = storage(times);
  proxy_.fail({.fault = ProxyFault::kSilence, .times = 1000});
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 8; ++i) EXPECT_EQ(store->get("data", 10).error().code, Code::kUnreachable);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 6 * times.total);
}

TEST_F(S3FaultsTest, TriesAsOftenAsTheSettingsSay) {
  S3Settings settings = RealS3::settings(prefix_, proxy_.port());
  settings.attempts_max.value = 2;
  const auto store = make_s3_storage(settings, kQuick);
  proxy_.fail(
      {.fault = ProxyFault::kAnswer, .times = 1000, .answer = answer("503 Slow Down", "SlowDown")});
  EXPECT_FALSE(store->get("data", 10));
  EXPECT_EQ(proxy_.requests(), 2);
}

TEST_F(S3FaultsTest, OutlastsAStoreThatIsBusyForAFewSeconds) {
  const auto store = make_s3_storage(RealS3::settings(prefix_, proxy_.port()));
  ASSERT_TRUE(store->replace("data", as_bytes("content"), std::nullopt));
  proxy_.fail(
      {.fault = ProxyFault::kAnswer, .times = 1000, .answer = answer("503 Slow Down", "SlowDown")});
  std::jthread healer([this] {
    std::this_thread::sleep_for(milliseconds(3'500));
    proxy_.fail({.times = 0});
  });
  const auto content = store->get("data", 10);
  EXPECT_TRUE(content) << content.error().text;
}

TEST_F(S3FaultsTest, TellsARefusedObjectFromARefusedUser) {
  const auto store = storage();
  const auto failure = [&](std::string_view status, std::string_view code) {
    proxy_.fail({.fault = ProxyFault::kAnswer, .answer = answer(status, code)});
    return store->get("data", 10).error();
  };
  const Error archived = failure("403 Forbidden", "InvalidObjectState");
  EXPECT_EQ(archived.code, Code::kUnreachable);
  EXPECT_EQ(archived.system_errno, EACCES);
  EXPECT_NE(archived.text.find("restore the object first"), std::string::npos) << archived.text;
  EXPECT_EQ(failure("405 Not Allowed", "MethodNotAllowed").system_errno, EACCES);
  EXPECT_EQ(failure("403 Forbidden", "SignatureDoesNotMatch").system_errno, 0);
  proxy_.fail({.fault = ProxyFault::kAnswer, .answer = answer("403 Forbidden", "AccessDenied")});
  EXPECT_EQ(store->list("").error().system_errno, 0);
}

TEST_F(S3FaultsTest, SaysWithWhichCodeAnEndIsRefused) {
  const auto store = storage();
  ASSERT_TRUE(store->replace("data", as_bytes("content"), std::nullopt));
  proxy_.fail(
      {.fault = ProxyFault::kAnswer, .answer = answer("403 Forbidden", "InvalidObjectState")});
  const int before = proxy_.requests();
  const auto refused = store->open_with_tail("data", 3);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("InvalidObjectState"), std::string::npos)
      << refused.error().text;
  EXPECT_EQ(proxy_.requests() - before, 1);
}

// An older store, or an empty object.
TEST_F(S3FaultsTest, ReadsTheEndOfAnObjectWhereNoRangeCountsFromThere) {
  const auto store = storage();
  ASSERT_TRUE(store->replace("data", as_bytes("content"), std::nullopt));
  for (const std::string_view status : {"416 Range Not Satisfiable", "501 Not Implemented"}) {
    proxy_.fail({.fault = ProxyFault::kAnswer, .method = "GET", .answer = answer(status, "No")});
    const auto tailed = store->open_with_tail("data", 3);
    ASSERT_TRUE(tailed) << tailed.error().text;
    EXPECT_TRUE(std::ranges::equal(tailed->tail, as_bytes("ent")));
  }
}

TEST_F(S3FaultsTest, AsksOnceWhatIsRefusedForGood) {
  const auto store = storage();
  proxy_.fail({.fault = ProxyFault::kAnswer,
               .times = 1000,
               .answer = answer("403 Forbidden", "AccessDenied")});
  const int before = proxy_.requests();
  EXPECT_FALSE(store->get("data", 10));
  EXPECT_EQ(proxy_.requests() - before, 1);
}

TEST_F(S3FaultsTest, GivesUpOnAServerThatDrips) {
  ASSERT_TRUE(storage()->replace("data", Bytes(1000), std::nullopt));
  S3Times times = kQuick;
  times.total = milliseconds(300);
  proxy_.fail({.fault = ProxyFault::kDrip, .times = 1000, .delay = milliseconds(20)});
  const auto content = storage(times)->get("data", 1000);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code, Code::kUnreachable);
}

TEST_F(S3FaultsTest, WaitsNoLongerThanItsDeadlineWhenAskedTo) {
  proxy_.fail({.fault = ProxyFault::kAnswer,
               .times = 1000,
               .answer = answer("503 Later", "SlowDown", "Retry-After: 3000\r\n")});
  const auto content = storage()->get("data", 10);  // a wait would end this test's patience
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code, Code::kUnreachable);
}

TEST_F(S3FaultsTest, TellsWhenNobodyListens) {
  int port = 0;
  { port = FaultyProxy(RealS3::port()).port(); }
  const auto store = make_s3_storage(RealS3::settings(prefix_, port), kQuick);
  const auto content = store->get("data", 10);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code, Code::kUnreachable);
  EXPECT_NE(content.error().text.find(fmt::format("127.0.0.1:{}", port)), std::string::npos)
      << content.error().text;
}

TEST_F(S3FaultsTest, TakesNoShorterRangeForTheWholeOne) {
  const auto store = storage();
  ASSERT_TRUE(store->replace("data", as_bytes("0123456789"), std::nullopt));
  const auto blob = store->open("data");
  ASSERT_TRUE(blob);
  proxy_.fail({.fault = ProxyFault::kShorten, .method = "GET", .times = 1000});
  Bytes out(5);
  const auto read = (*blob)->read(2, out);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().text.find("4 bytes came"), std::string::npos) << read.error().text;
}

TEST_F(S3FaultsTest, TakesNoOtherRangeForItsOwn) {
  const auto store = storage();
  ASSERT_TRUE(store->replace("data", as_bytes("0123456789"), std::nullopt));
  const auto blob = store->open("data");
  ASSERT_TRUE(blob);
  const std::string etag = (*blob)->version();
  const auto read = [&](std::string_view status, std::string_view headers, std::string_view body) {
    proxy_.fail({.fault = ProxyFault::kAnswer,
                 .answer = fmt::format("HTTP/1.1 {}\r\n{}Content-Length: {}\r\n\r\n{}", status,
                                       headers, body.size(), body)});
    Bytes out(3);
    return (*blob)->read(2, out).has_value();
  };
  const std::string right_etag = fmt::format("ETag: \"{}\"\r\n", etag);
  const std::string right_range = "Content-Range: bytes 2-4/10\r\n";
  EXPECT_TRUE(read("206 Partial Content", right_etag + right_range, "234"));
  EXPECT_FALSE(read("206 Partial Content", right_etag + "Content-Range: bytes 3-5/10\r\n", "345"));
  EXPECT_FALSE(read("206 Partial Content", right_etag + "Content-Range: bytes 2-4/11\r\n", "234"));
  EXPECT_FALSE(read("206 Partial Content", right_etag, "234"));
  EXPECT_FALSE(read("206 Partial Content", "ETag: \"other\"\r\n" + right_range, "234"));
  EXPECT_FALSE(read("206 Partial Content", right_range, "234"));
  EXPECT_FALSE(read("200 OK", right_etag, "012")) << "a server that ignores ranges";
  EXPECT_FALSE(read("200 OK", right_etag, "0123456789"));
}

TEST_F(S3FaultsTest, EndsAListingThatHasNoEnd) {
  const std::string page =
      "<ListBucketResult><IsTruncated>true</IsTruncated>"
      "<NextContinuationToken>again</NextContinuationToken></ListBucketResult>";
  proxy_.fail({.fault = ProxyFault::kAnswer,
               .times = 1'000'000,
               .answer = fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", page.size(),
                                     page)});
  const auto listing = storage()->list("");
  ASSERT_FALSE(listing);
  EXPECT_EQ(listing.error().code, Code::kIo);
}

TEST_F(S3FaultsTest, KeepsItsConnections) {
  const auto store = storage();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(store->replace(fmt::format("{}", i), {}, std::nullopt));
  EXPECT_EQ(proxy_.connections(), 1);
}

// Amazon's refuses any other where objects are locked.
TEST_F(S3FaultsTest, SendsTheDigestOfWhateverItStores) {
  const auto store = storage();
  ASSERT_TRUE(store->replace("data", as_bytes("1"), std::nullopt));
  ASSERT_TRUE(store->replace("data", as_bytes("2"), version_of("data")));
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{16} * 1024 * 1024 + 1}) {
    const auto upload = store->create(fmt::format("new-{}", bytes));
    ASSERT_TRUE(upload);
    ASSERT_TRUE((*upload)->append(Bytes(bytes)));
    ASSERT_TRUE((*upload)->finish());
  }
  const std::string heads = proxy_.heads();
  int puts = 0;
  for (std::size_t at = heads.find("PUT "); at != std::string::npos;
       at = heads.find("PUT ", at + 1)) {
    ++puts;
    const std::string head = heads.substr(at, heads.find("\r\n\r\n", at) - at);
    EXPECT_NE(head.find("content-md5: "), std::string::npos) << head;
  }
  EXPECT_GE(puts, 5);
}

TEST_F(S3FaultsTest, SendsNoSecret) {
  ASSERT_TRUE(storage()->replace("data", {}, std::nullopt));
  EXPECT_NE(proxy_.heads().find("AKTEST"), std::string::npos);
  EXPECT_EQ(proxy_.heads().find("SKTEST"), std::string::npos);
}

}  // namespace
}  // namespace epochfs::engine
