// What is no plain file in a repository, and forged databases by the hundred, as the command meets
// them: it opens nothing outside, keeps within its memory, and serves the good one among them.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "tests/mount/mounted_repository.h"
#include "tests/proof/hostile_cases.h"
#include "tests/support/live_database.h"
#include "tests/support/samples.h"
#include "tests/support/socket_file.h"

namespace epochfs::test {
namespace {

namespace fs = std::filesystem;

constexpr int kEndedBySignal = 128;
constexpr std::size_t kForgedMax = 150 / one_of_many_under_sanitizers(5);
constexpr std::size_t kOneForgedOf = 31;
constexpr std::chrono::minutes kCommandMinutesMax(2 * one_of_many_under_sanitizers(3));
// What a command may hold beside its cache, which is 64 MiB where nothing else is said.
constexpr std::size_t kMemoryKiBMax = (64 + 64) * 1024;

class HostileFilesTest : public MountedRepositoryTest {
 protected:
  using Put = std::function<void(const std::string& file, const std::string& content)>;

  std::vector<std::pair<std::string, Put>> kinds() const {
    const std::string outside = path("outside");
    return {
        {"link outside",
         [outside](const std::string& file, const std::string& content) {
           write_file(outside, content);
           fs::create_symlink(outside, file);
         }},
        {"link to a neighbour",
         [](const std::string& file, const std::string&) {
           fs::create_symlink("../c000/" + fs::path(file).filename().string(), file);
         }},
        {"link to itself",
         [](const std::string& file, const std::string&) { fs::create_symlink(file, file); }},
        {"link to a device", [](const std::string& file,
                                const std::string&) { fs::create_symlink("/dev/zero", file); }},
        {"FIFO", [](const std::string& file,
                    const std::string&) { ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0); }},
        {"device",
         [](const std::string& file, const std::string&) {
           if (::geteuid() != 0) return;  // then it is missing, which is as bad
           ASSERT_EQ(::mknod(file.c_str(), S_IFCHR | 0600, makedev(1, 5)), 0);
         }},
        {"socket",
         [](const std::string& file, const std::string&) { ASSERT_TRUE(make_socket_file(file)); }},
        {"directory",
         [](const std::string& file, const std::string&) { fs::create_directory(file); }},
    };
  }

  // A file like any other, for whoever reads it; nobody may write to it.
  void put_hard_link(const std::string& file) {
    const std::string outside = path(fmt::format("linked-{}", linked_.size()));
    fs::rename(file, outside);
    fs::create_hard_link(outside, file);
    linked_[outside] = file_bytes(outside);
  }
  void expect_linked_as_before() const {
    for (const auto& [file, content] : linked_) EXPECT_TRUE(file_bytes(file) == content) << file;
  }

  // The files that are opened in the log of `strace -y`, by where they are.
  static std::vector<std::string> opened(const std::string& log) {
    static const std::regex kResult(R"(= \d+<([^>]*)>)");
    std::vector<std::string> paths;
    std::istringstream lines(file_bytes(log));
    for (std::string line; std::getline(lines, line);) {
      std::smatch found;
      if (std::regex_search(line, found, kResult)) paths.push_back(found[1]);
    }
    return paths;
  }

  void expect_inside(const std::vector<std::string>& paths, std::size_t count_min = 100) const {
    EXPECT_GT(paths.size(), count_min);
    // Its own, and what any program opens; the scratch directory of a command has a name like ours,
    // and the thread sanitizer a file.
    const std::regex allowed(
        fmt::format("({0}|{1}|{2}/epochfs-[A-Za-z0-9]{{6}}|/usr|/lib[^/]*|/proc|/sys)(/.*)?|"
                    "/dev/(null|fuse|urandom)|{2}/tsan.rodata.[0-9]+|{3}",
                    repository(), path("cache"), fs::temp_directory_path().string(), mountpoint()));
    for (const std::string& opened_path : paths)
      EXPECT_TRUE(of_any_program_.contains(opened_path) || std::regex_match(opened_path, allowed))
          << opened_path;
  }

  // What a run opens of /etc where nobody means harm.
  void learn(const Specimen& specimen) {
    const Copies sound(specimen, path("sound"), 1);
    for (const char* const command : {"verify", "info", "log"})
      for (const std::string& opened_path : traced({command, sound.location()}))
        if (opened_path.starts_with("/etc/")) of_any_program_.insert(opened_path);
    EXPECT_FALSE(of_any_program_.contains("/etc/passwd"));
    fs::remove_all(path("cache"));
  }

  std::vector<std::string> traced_command(const std::vector<std::string>& arguments) const {
    return joined({"strace", "-f", "--seccomp-bpf", "-qq", "-y", "-o", path("trace"), "-e",
                   "trace=open,openat,openat2", EPOCHFS_COMMAND},
                  arguments);
  }
  enum class Ends { kAnyhow, kBadly };
  std::vector<std::string> traced(const std::vector<std::string>& arguments,
                                  Ends ends = Ends::kAnyhow) const {
    const ProcessResult result = run(traced_command(arguments), environment());
    EXPECT_LT(result.exit_code, kEndedBySignal) << result.err;
    if (ends == Ends::kBadly) {
      EXPECT_NE(result.exit_code, 0) << result.out;
    }
    return opened(path("trace"));
  }

  void expect_good_in_mount(const Specimen& specimen,
                            const std::vector<std::string>& databases = {"c000"}) {
    ProcessOptions options = environment();
    options.timeout = kCommandMinutesMax;
    const std::vector<std::string> words = {"mount",   repository(), mountpoint(),
                                            "--cache", "16M",        "--foreground"};
#ifdef EPOCHFS_SANITIZED
    const bool is_traced = false;  // leaks cannot be looked for under strace
#else
    const bool is_traced = ::geteuid() == 0;  // under strace fusermount3 has no rights of its own
#endif
    Process server(is_traced ? traced_command(words) : joined({EPOCHFS_COMMAND}, words), options);
    ASSERT_TRUE(eventually([this] { return is_mounted(); })) << server.wait().err;
    for (const std::string& database : databases) {
      for (const auto& [number, expected] : specimen.epochs) {
        const std::string file = fmt::format("{}/{}/epochs/{}/{}", mountpoint(), database, number,
                                             expected.files[0].path);
        EXPECT_TRUE(file_bytes(file) == expected.contents[0]) << file;
      }
    }
    // Whoever walks gets errors or files, and to the end.
    for (const std::string& name : list_directory(mountpoint())) {
      std::error_code error;
      for (const auto& epoch : fs::directory_iterator(mountpoint() + "/" + name + "/epochs", error))
        for (const auto& file : fs::directory_iterator(epoch.path(), error))
          if (file.is_regular_file(error))
            fs::copy_file(file.path(), path("copy"), fs::copy_options::overwrite_existing, error);
    }
    unmount();
    const ProcessResult served = server.wait();
    EXPECT_EQ(served.exit_code, 0) << served.err;
    if (is_traced) expect_inside(opened(path("trace")));
  }

 private:
  std::map<std::string, std::string> linked_;  // file outside -> content
  std::set<std::string> of_any_program_;
};

TEST_F(HostileFilesTest, AreNeitherOpenedNorInTheWay) {
  const Specimen specimen = make_sqlite_specimen(512);
  learn(specimen);
  const std::vector<std::string> files = {kManifest, specimen.segments[0], specimen.segments[1],
                                          "cursor.json"};
  Copies copies(specimen, repository(), 2 + files.size() * (kinds().size() + 1));
  std::size_t copy = 0;
  for (const std::string& name : files) {
    for (const auto& [what, put] : kinds()) {
      const std::string file = repository() + "/" + copies.name(++copy) + "/" + name;
      const std::string content = file_bytes(file);
      fs::remove(file);
      SCOPED_TRACE(what);
      put(file, content);
    }
  }
  std::vector<std::string> good = {"c000"};
  for (const std::string& name : files) {
    good.push_back(copies.name(++copy));
    put_hard_link(repository() + "/" + good.back() + "/" + name);
  }
  const std::string doubled = repository() + "/" + copies.name(++copy) + "/";
  fs::remove(doubled + specimen.segments[1]);
  fs::create_hard_link(doubled + specimen.segments[0], doubled + specimen.segments[1]);
  fs::create_directory(path("outside-database"));
  fs::create_directory_symlink(path("outside-database"), repository() + "/link");
  fs::create_directory_symlink("loop", repository() + "/loop");
  const ProcessResult verified = epochfs({"verify", repository()});
  EXPECT_EQ(verified.exit_code, 4);
  for (const std::string& name : good)
    EXPECT_EQ(verified.out.find(name), std::string::npos) << verified.out;
  EXPECT_NE(verified.out.find(copies.name(copy)), std::string::npos) << verified.out;
  expect_inside(traced({"verify", repository()}));
  expect_inside(traced({"info", repository()}));
  expect_inside(traced({"log", repository() + "#c000"}));
  expect_good_in_mount(specimen, good);
  expect_linked_as_before();
}

TEST_F(HostileFilesTest, AreNoIdentityOfARepository) {
  const Specimen specimen = make_sqlite_specimen(512);
  learn(specimen);
  const Copies copies(specimen, repository(), 1);
  LiveDatabase(database()).run("CREATE TABLE t(a)");
  const std::string file = repository() + "/epochfs.json";
  for (const auto& [what, put] : kinds()) {
    SCOPED_TRACE(what);
    fs::remove_all(file);
    put(file, specimen.identity);
    for (const char* const command : {"verify", "info", "log"})
      expect_inside(traced({command, repository()}, Ends::kBadly), 10);
    const ProcessResult backed_up = epochfs({"backup", database(), repository()});
    EXPECT_NE(backed_up.exit_code, 0) << backed_up.out;
    EXPECT_FALSE(backed_up.timed_out);
    EXPECT_FALSE(fs::exists(repository() + "/app"));
  }
  EXPECT_TRUE(file_bytes(path("outside")) == specimen.identity);
}

TEST_F(HostileFilesTest, LinkedToFilesOutsideDoNotChangeThem) {
  LiveDatabase live(database());
  live.run("CREATE TABLE t(a); INSERT INTO t VALUES(randomblob(9000))");
  backup();
  live.run("INSERT INTO t VALUES(1)");
  backup();
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(repository()))
    if (entry.is_regular_file()) files.push_back(entry.path());
  for (const std::string& file : files) put_hard_link(file);
  live.run("INSERT INTO t VALUES(2)");
  backup();
  expect_linked_as_before();
  const ProcessResult verified = epochfs({"verify", repository()});
  EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
  mount();
  expect_image(epoch_file(epochs().back()), live.image());
  unmount();
  expect_linked_as_before();
}

TEST_F(HostileFilesTest, OutsideAreNotOpenedByTheirNamesInAManifest) {
  const Specimen specimen = make_sqlite_specimen(512);
  learn(specimen);
  const std::vector<std::string> names = {path("outside"), "../../outside", "../c000/outside",
                                          "/etc/passwd"};
  Copies copies(specimen, repository(), 1 + names.size());
  const std::string& segment = specimen.segments[0];
  // The right bytes: who opens them finds nothing amiss.
  for (const std::string& file : {path("outside"), repository() + "/c000/outside"})
    write_file(file, specimen.files.at(segment));
  for (std::size_t n = 0; n < names.size(); ++n) {
    const DamageCase forged{names[n], "other", Harm::kListed, [&](Files& files) {
                              engine::native::Manifest manifest = manifest_in(files);
                              for (engine::native::SegmentEntry& entry : manifest.segments) {
                                if (entry.filename == segment) entry.filename = names[n];
                                if (entry.base == segment) entry.base = names[n];
                              }
                              put_manifest(files, manifest);
                              files.erase(segment);
                            }};
    ASSERT_TRUE(copies.damage(1 + n, forged));
  }
  const ProcessResult verified = epochfs({"verify", repository()});
  EXPECT_EQ(verified.exit_code, 4);
  for (const char* const command : {"verify", "info"})
    expect_inside(traced({command, repository()}));
  for (std::size_t n = 1; n <= names.size(); ++n) {
    EXPECT_NE(verified.out.find(copies.name(n)), std::string::npos) << names[n - 1];
    const std::string source = repository() + "#" + copies.name(n);
    expect_inside(traced({"log", source}), 10);
    expect_inside(traced({"restore", source + "@1", path("restored")}, Ends::kBadly), 10);
    EXPECT_FALSE(fs::exists(path("restored"))) << names[n - 1];
  }
  EXPECT_EQ(epochfs({"restore", repository() + "#c000@1", path("restored")}).exit_code, 0);
  expect_good_in_mount(specimen);
}

TEST_F(HostileFilesTest, AndForgedDatabasesLeaveTheGoodOneAlone) {
  const Specimen specimen = make_sqlite_specimen(512);
  learn(specimen);
  Copies copies(specimen, repository(), kForgedMax + 1);
  std::size_t copy = 0;
  std::size_t number = kOneForgedOf - first_sample(kOneForgedOf);
  for_each_hostile(specimen, [&](const HostileCase& hostile) {
    const bool is_document = hostile.how.what.find("manifest is") != std::string::npos;
    if (copy == kForgedMax || (!is_document && number++ % kOneForgedOf != 0)) return;
    if (copies.damage(copy + 1, hostile.how)) ++copy;
  });
  EXPECT_EQ(copy, kForgedMax);
  ProcessOptions options = environment();
  options.timeout = kCommandMinutesMax;
  std::chrono::steady_clock::duration slowest{};
  for (const char* const command : {"info", "verify"}) {
    const auto begin = std::chrono::steady_clock::now();
    const ProcessResult result = run({EPOCHFS_COMMAND, command, repository()}, options);
    slowest = std::max(slowest, std::chrono::steady_clock::now() - begin);
    EXPECT_LT(result.exit_code, kEndedBySignal) << command << result.err;
    EXPECT_FALSE(result.timed_out) << command;
  }
  rusage used{};
  ASSERT_EQ(::getrusage(RUSAGE_CHILDREN, &used), 0);
#ifndef EPOCHFS_SANITIZED
  EXPECT_LE(static_cast<std::size_t>(used.ru_maxrss), kMemoryKiBMax);
#endif
  RecordProperty("memory_kib", std::to_string(used.ru_maxrss));
  RecordProperty("slowest_ms", std::to_string(slowest / std::chrono::milliseconds(1)));
  expect_inside(traced({"verify", repository()}));
  expect_good_in_mount(specimen);
}

}  // namespace
}  // namespace epochfs::test
