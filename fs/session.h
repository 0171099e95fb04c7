// One mount, from the kernel's point of view: made, served, taken away.
#pragma once

#include <memory>
#include <string>

#include "engine/repo/repository.h"
#include "fs/stop_signals.h"

struct fuse_session;

namespace epochfs::fs {

struct Filesystem;

struct SessionOptions {
  std::string source;      // as mount(8) shows it
  std::string database;    // this one is the mount point; empty: all, by name
  std::string mountpoint;  // absolute, without links
  bool allow_other = false;
};

class Session {
 public:
  // kNotFound: no such database. kMount: the kernel or fusermount3 refused. From here on programs
  // that touch the mount point wait for serve().
  static engine::Result<std::unique_ptr<Session>> mount(
      std::shared_ptr<engine::Repository> repository, const SessionOptions& options);

  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();  // takes the mount away if it is still there

  // Answers until somebody unmounts or a signal comes. On the first signal nobody finds the mount
  // any more, and what has files open may go on reading until they are closed; a second one ends
  // that too.
  engine::Result<void> serve(const StopSignals& signals);

 private:
  Session(std::unique_ptr<Filesystem> filesystem, std::string mountpoint);

  void watch(const StopSignals& signals, int done, pthread_t server);
  // Unless another has done so. kBusy: what lies on top of it is not ours to take away.
  engine::Result<void> detach();
  void end_loop(int done, pthread_t server);

  std::unique_ptr<Filesystem> filesystem_;
  const std::string mountpoint_;
  std::string device_;  // as MountedPlace has it
  fuse_session* session_ = nullptr;
  bool detached_ = false;  // written by the watching thread, read after it is joined
};

}  // namespace epochfs::fs
