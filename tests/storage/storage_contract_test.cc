#include "tests/storage/storage_contract.h"

#include <atomic>
#include <set>
#include <thread>

namespace epochfs::engine {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StorageContract);

namespace {

template <class T>
std::string code_of(const Result<T>& result) {
  if (result) return "success";
  switch (result.error().code) {
    case Code::kNotFound:
      return "kNotFound";
    case Code::kExists:
      return "kExists";
    case Code::kInvalid:
      return "kInvalid";
    case Code::kCorrupt:
      return "kCorrupt";
    case Code::kLocked:
      return "kLocked";
    default:
      return "another: " + result.error().text;
  }
}

using Names = std::vector<std::string>;

TEST_P(StorageContract, ReadsBackWhatWasWritten) {
  const auto upload = storage_->create("app/data");
  ASSERT_TRUE(upload);
  ASSERT_TRUE((*upload)->append(as_bytes("one ")));
  ASSERT_TRUE((*upload)->append(ByteView()));
  ASSERT_TRUE((*upload)->append(as_bytes("two")));
  ASSERT_TRUE((*upload)->finish());
  EXPECT_EQ(text_of("app/data"), "one two");
}

TEST_P(StorageContract, KeepsEmptyObjects) {
  put("empty", "");
  EXPECT_EQ(text_of("empty"), "");
  const auto info = storage_->stat("empty");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->size_bytes, 0U);
}

TEST_P(StorageContract, ShowsNothingBeforeFinish) {
  const auto upload = storage_->create("app/data");
  ASSERT_TRUE(upload);
  ASSERT_TRUE((*upload)->append(as_bytes("half")));
  EXPECT_EQ(code_of(storage_->open("app/data")), "kNotFound");
  EXPECT_EQ(code_of(storage_->stat("app/data")), "kNotFound");
  EXPECT_EQ(objects_in("app"), Names());
  ASSERT_TRUE((*upload)->finish());
  EXPECT_EQ(objects_in("app"), Names({"data"}));
}

TEST_P(StorageContract, LeavesNothingOfAnAbandonedUpload) {
  {
    const auto upload = storage_->create("app/data");
    ASSERT_TRUE(upload);
    ASSERT_TRUE((*upload)->append(as_bytes("half")));
  }
  EXPECT_EQ(code_of(storage_->stat("app/data")), "kNotFound");
  EXPECT_EQ(objects_in("app"), Names());
}

TEST_P(StorageContract, GivesANameToTheFirstWhoFinishes) {
  const auto slow = storage_->create("data");
  const auto quick = storage_->create("data");
  ASSERT_TRUE(slow && quick);
  ASSERT_TRUE((*slow)->append(as_bytes("slow")));
  ASSERT_TRUE((*quick)->append(as_bytes("quick")));
  ASSERT_TRUE((*quick)->finish());
  EXPECT_EQ(code_of((*slow)->finish()), "kExists");
  EXPECT_EQ(text_of("data"), "quick");
  EXPECT_EQ(objects_in(""), Names({"data"}));
}

TEST_P(StorageContract, EndsAnUploadWithItsFinish) {
  const auto upload = storage_->create("data");
  ASSERT_TRUE(upload);
  ASSERT_TRUE((*upload)->append(as_bytes("all")));
  ASSERT_TRUE((*upload)->finish());
  EXPECT_FALSE((*upload)->append(as_bytes("more")));
  EXPECT_FALSE((*upload)->finish());
  EXPECT_EQ(text_of("data"), "all");
}

TEST_P(StorageContract, ReplacesOnlyWhatIsExpected) {
  EXPECT_EQ(code_of(storage_->replace("app/m", as_bytes("0"), "no such version")), "kLocked");
  ASSERT_TRUE(storage_->replace("app/m", as_bytes("1"), std::nullopt));
  EXPECT_EQ(code_of(storage_->replace("app/m", as_bytes("2"), std::nullopt)), "kLocked");
  const std::string first = version_of("app/m");
  ASSERT_TRUE(storage_->replace("app/m", as_bytes("2"), first));
  EXPECT_EQ(code_of(storage_->replace("app/m", as_bytes("3"), first)), "kLocked");
  EXPECT_EQ(text_of("app/m"), "2");
  const std::string second = version_of("app/m");
  ASSERT_TRUE(storage_->remove("app/m"));
  EXPECT_EQ(code_of(storage_->replace("app/m", as_bytes("3"), second)), "kLocked");
  EXPECT_EQ(objects_in("app"), Names());
}

TEST_P(StorageContract, ChangesTheVersionWithEveryReplace) {
  std::set<std::string> versions;
  std::optional<std::string> current;
  constexpr std::size_t kReplaces = 100;
  for (std::size_t i = 0; i < kReplaces; ++i) {
    ASSERT_TRUE(storage_->replace("m", as_bytes(i % 2 == 0 ? "a" : "b"), current));
    current = version_of("m");
    versions.insert(*current);
  }
  EXPECT_EQ(versions.size(), GetParam().is_object_store ? 2 : kReplaces);
}

TEST_P(StorageContract, ChangesTheVersionOfANameThatIsUsedAgain) {
  std::set<std::string> versions;
  constexpr std::size_t kTimes = 50;
  for (std::size_t i = 0; i < kTimes; ++i) {
    put("m", "same");
    versions.insert(version_of("m"));
    ASSERT_TRUE(storage_->remove("m"));
  }
  EXPECT_EQ(versions.size(), GetParam().is_object_store ? 1 : kTimes);
}

TEST_P(StorageContract, TellsTheSameVersionEverywhere) {
  put("app/data", "x");
  const std::string version = version_of("app/data");
  const auto blob = storage_->open("app/data");
  const auto listing = storage_->list("app");
  const auto content = storage_->get("app/data", 1);
  ASSERT_TRUE(blob && listing && content);
  EXPECT_EQ((*blob)->version(), version);
  EXPECT_EQ(content->version, version);
  ASSERT_EQ(listing->objects.size(), 1U);
  EXPECT_EQ(listing->objects[0].version, version);
  EXPECT_EQ(version_of("app/data"), version) << "reading changes nothing";
}

TEST_P(StorageContract, KeepsAnOpenBlobAsItWas) {
  put("data", "before");
  const auto blob = storage_->open("data");
  ASSERT_TRUE(blob);
  const std::string version = (*blob)->version();
  ASSERT_TRUE(storage_->replace("data", as_bytes("after, and longer"), version));
  ASSERT_TRUE(storage_->remove("data"));
  Bytes bytes(6);
  const auto read = (*blob)->read(0, bytes);
  if (GetParam().is_object_store) {
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Code::kIo);
  } else {
    ASSERT_TRUE(read);
    EXPECT_EQ(as_text(bytes), "before");
  }
  EXPECT_EQ((*blob)->size_bytes(), 6U);
  EXPECT_EQ((*blob)->version(), version);
}

TEST_P(StorageContract, ReadsEveryRange) {
  const std::string text = "0123456789abcdef";
  put("data", text);
  const auto blob = storage_->open("data");
  ASSERT_TRUE(blob);
  for (std::size_t begin = 0; begin <= text.size(); ++begin) {
    for (std::size_t size = 0; size <= text.size() - begin; ++size) {
      Bytes read(size);
      ASSERT_TRUE((*blob)->read(begin, read));
      EXPECT_EQ(as_text(read), text.substr(begin, size));
    }
  }
}

TEST_P(StorageContract, RefusesRangesBeyondTheEnd) {
  put("data", "0123");
  const auto blob = storage_->open("data");
  ASSERT_TRUE(blob);
  const auto read = [&](std::uint64_t offset, std::size_t size) {
    Bytes out(size);
    return code_of((*blob)->read(offset, out));
  };
  EXPECT_EQ(read(4, 0), "success");
  EXPECT_EQ(read(4, 1), "kCorrupt");
  EXPECT_EQ(read(0, 5), "kCorrupt");
  EXPECT_EQ(read(5, 0), "kCorrupt");
  EXPECT_EQ(read(~std::uint64_t{0}, 1), "kCorrupt");
  EXPECT_EQ(read(~std::uint64_t{0} - 2, 4), "kCorrupt");
}

TEST_P(StorageContract, GetsOnlyWhatIsNotTooLarge) {
  put("data", "0123");
  EXPECT_EQ(code_of(storage_->get("data", 4)), "success");
  EXPECT_EQ(code_of(storage_->get("data", 3)), "kCorrupt");
  EXPECT_EQ(code_of(storage_->get("other", 3)), "kNotFound");
}

TEST_P(StorageContract, ListsOneLevelSorted) {
  for (const char* name : {"b/2", "b/10", "a/x/deep", "z", "b/1", "c", "a/y"}) put(name, name);
  const auto root = storage_->list("");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->directories, Names({"a", "b"}));
  EXPECT_EQ(objects_in(""), Names({"c", "z"}));
  EXPECT_EQ(objects_in("b"), Names({"1", "10", "2"}));
  const auto a = storage_->list("a");
  ASSERT_TRUE(a);
  EXPECT_EQ(a->directories, Names({"x"}));
  ASSERT_EQ(a->objects.size(), 1U);
  EXPECT_EQ(a->objects[0].size_bytes, 3U);
  EXPECT_EQ(objects_in("a/x"), Names({"deep"}));
}

TEST_P(StorageContract, KnowsNothingBeforeTheFirstWrite) {
  EXPECT_EQ(code_of(storage_->list("")), "kNotFound");
  EXPECT_EQ(code_of(storage_->open("data")), "kNotFound");
  EXPECT_EQ(code_of(storage_->stat("app/data")), "kNotFound");
  EXPECT_EQ(code_of(storage_->remove("app/data")), "success");
  EXPECT_EQ(code_of(storage_->list("")), "kNotFound");
}

TEST_P(StorageContract, TellsMissingDirectoriesFromEmptyOnes) {
  put("data", "");
  EXPECT_EQ(code_of(storage_->list("app")), "kNotFound");
  EXPECT_EQ(code_of(storage_->list("data")), "kNotFound") << "an object is no directory";
  ASSERT_TRUE(storage_->lock_writer("app", false));
  EXPECT_EQ(code_of(storage_->list("app")), GetParam().is_object_store ? "kNotFound" : "success");
  EXPECT_EQ(objects_in("app"), Names());
}

TEST_P(StorageContract, FindsNoObjectInADirectorysName) {
  put("app/data", "");
  EXPECT_EQ(code_of(storage_->open("app")), "kNotFound");
  EXPECT_EQ(code_of(storage_->stat("app")), "kNotFound");
}

TEST_P(StorageContract, RefusesNamesThatAreNone) {
  for (const std::string& name :
       {std::string("/a"), std::string("a/"), std::string("a//b"), std::string("."),
        std::string(".."), std::string("a/../b"), std::string("../a"), std::string("./a"),
        std::string("a\\b"), std::string("a\nb"), std::string("a\0b", 3), std::string("a\x7f"),
        std::string(256, 'x'), std::string("1/2/3/4/5/6/7/8/9"), std::string(".hidden"),
        std::string("app/.lock"), std::string("app/.tmp-1"), std::string(".git/config")}) {
    EXPECT_EQ(code_of(storage_->open(name)), "kInvalid") << name;
    EXPECT_EQ(code_of(storage_->stat(name)), "kInvalid") << name;
    EXPECT_EQ(code_of(storage_->list(name)), "kInvalid") << name;
    EXPECT_EQ(code_of(storage_->create(name)), "kInvalid") << name;
    EXPECT_EQ(code_of(storage_->replace(name, {}, std::nullopt)), "kInvalid") << name;
    EXPECT_EQ(code_of(storage_->remove(name)), "kInvalid") << name;
    EXPECT_EQ(code_of(storage_->lock_writer(name, false)), "kInvalid") << name;
    EXPECT_EQ(code_of(storage_->get(name, 1)), "kInvalid") << name;
  }
  EXPECT_EQ(code_of(storage_->open("")), "kInvalid");
  EXPECT_EQ(code_of(storage_->create("")), "kInvalid");
  EXPECT_EQ(code_of(storage_->list("")), "kNotFound") << "nothing was created";
}

TEST_P(StorageContract, AcceptsNamesAtTheirLimits) {
  for (const std::string& name :
       {std::string(255, 'x'), std::string("1/2/3/4/5/6/7/8"), std::string("a b/~c"),
        std::string("\xc3\xa4/\xe6\x97\xa5"), std::string("-rf"), std::string("a.")}) {
    put(name, name);
    EXPECT_EQ(text_of(name), name);
  }
}

TEST_P(StorageContract, Removes) {
  put("app/data", "x");
  put("app/other", "x");
  ASSERT_TRUE(storage_->remove("app/data"));
  EXPECT_EQ(objects_in("app"), Names({"other"}));
  EXPECT_TRUE(storage_->remove("app/data")) << "absent is fine";
}

TEST_P(StorageContract, RemovesManyAtOnce) {
  for (const char* name : {"a/1", "a/2 & <3>", "b"}) put(name, "x");
  const Names gone = {"a/1", "a/2 & <3>", "absent"};
  const auto removed = storage_->remove_all(gone);
  EXPECT_TRUE(removed) << removed.error().text;
  EXPECT_EQ(objects_in("a"), Names());
  EXPECT_EQ(objects_in(""), Names({"b"}));
  EXPECT_TRUE(storage_->remove_all(Names()));
  EXPECT_EQ(code_of(storage_->remove_all(Names({"b", "../b"}))), "kInvalid");
}

TEST_P(StorageContract, ExcludesASecondWriterOfTheSameDirectory) {
  EXPECT_NE(storage_->has_locks(), GetParam().is_object_store);
  auto first = storage_->lock_writer("app", false);
  ASSERT_TRUE(first);
  EXPECT_EQ(code_of(storage_->lock_writer("app", false)),
            GetParam().is_object_store ? "success" : "kLocked");
  EXPECT_TRUE(storage_->lock_writer("other", false));
  EXPECT_TRUE(storage_->lock_writer("", false));
  first->reset();
  EXPECT_TRUE(storage_->lock_writer("app", false));
}

TEST_P(StorageContract, WaitsForTheOtherWriter) {
  auto first = storage_->lock_writer("app", false);
  ASSERT_TRUE(first);
  std::atomic<bool> released = false;
  std::thread waiter([&] {
    const auto second = storage_->lock_writer("app", true);
    EXPECT_TRUE(second);
    EXPECT_TRUE(released || GetParam().is_object_store) << "it came while another had it";
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // lets a wrong lock show itself
  released = true;
  first->reset();
  waiter.join();
}

TEST_P(StorageContract, LetsOneOfManyCreate) {
  constexpr int kThreads = 8;
  std::atomic<int> created = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      const auto upload = storage_->create("app/data");
      ASSERT_TRUE(upload);
      const auto finished = (*upload)->finish();
      EXPECT_EQ(code_of(finished), finished ? "success" : "kExists");
      if (finished) ++created;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(created, 1);
}

// Every increment is a compare-and-swap, so none may be lost.
TEST_P(StorageContract, LosesNoReplaceOfMany) {
  constexpr int kThreads = 4;
  constexpr int kEach = 25;
  ASSERT_TRUE(storage_->replace("count", as_bytes("0"), std::nullopt));
  const auto increment = [&] {
    for (int done = 0; done < kEach;) {
      const auto now = storage_->get("count", 100);
      ASSERT_TRUE(now) << now.error().text;
      const std::string next = std::to_string(std::stoi(std::string(as_text(now->bytes))) + 1);
      const auto replaced = storage_->replace("count", as_bytes(next), now->version);
      ASSERT_EQ(code_of(replaced), replaced ? "success" : "kLocked");
      if (replaced) ++done;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(increment);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(text_of("count"), std::to_string(kThreads * kEach));
}

TEST_P(StorageContract, NamesTheObjectInItsErrors) {
  put("app/data", "x");
  const std::string what = storage_->describe("app/data");
  const auto starts_so = [&](const auto& result) {
    return !result && result.error().text.starts_with(what + ": ");
  };
  EXPECT_TRUE(starts_so(storage_->get("app/data", 0)));
  EXPECT_TRUE(starts_so(storage_->replace("app/data", {}, std::nullopt)));
  EXPECT_TRUE(starts_so(storage_->replace("app/data", {}, "stale")));
  EXPECT_TRUE(starts_so((*storage_->create("app/data"))->finish()));
  const auto blob = storage_->open("app/data");
  Bytes two(2);
  EXPECT_TRUE(starts_so((*blob)->read(0, two)));
  ASSERT_TRUE(storage_->remove("app/data"));
  EXPECT_TRUE(starts_so(storage_->open("app/data")));
  EXPECT_TRUE(starts_so(storage_->stat("app/data")));
}

}  // namespace
}  // namespace epochfs::engine
