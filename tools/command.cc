#include "tools/command.h"

namespace epochfs::tools {
namespace {

constexpr Command kCommands[] = {
    {"init", "make an empty repository", declare_init},
    {"backup", "store the database's new epochs", declare_backup},
    {"import", "take backups of Grafeo's own into a repository", declare_import},
    {"export", "write a history back as backups of Grafeo's own", declare_export},
    {"copy", "copy a repository to another place", declare_copy},
    {"mount", "show every epoch as a directory", declare_mount},
    {"umount", "take a mount away", declare_umount},
    {"restore", "write one epoch's database to a file", declare_restore},
    {"log", "list epochs, newest first", declare_log},
    {"info", "tell what can be restored", declare_info},
    {"verify", "look for damage", declare_verify},
    {"diff", "tell how two epochs differ", declare_diff},
    {"doctor", "tell what stands in the way of a place", declare_doctor},
    {"version", "tell versions", declare_version},
};

}  // namespace

std::span<const Command> commands() noexcept { return kCommands; }

}  // namespace epochfs::tools
