#include "fs/attribute_lifetime.h"

namespace epochfs::fs {

AttributeLifetime lifetime_of(NodeKind kind, const Attributes& attributes) noexcept {
  constexpr double kDay = 24 * 60 * 60;
  // The engine itself looks for new epochs no more often than that.
  constexpr double kMoment = 0.1;
  switch (kind) {
    case NodeKind::kEpoch:
    case NodeKind::kEpochUnpadded:
    case NodeKind::kEpochFolder:
    case NodeKind::kEpochFolderUnpadded:
    case NodeKind::kRecentLink:
    case NodeKind::kDayLink:
      return {kDay, kDay};  // an epoch never changes
    case NodeKind::kEpochFile:
      return {kDay, attributes.volatile_content ? 0 : kDay};
    case NodeKind::kYear:
    case NodeKind::kMonth:
    case NodeKind::kDay:
    case NodeKind::kRoot:
      return {kDay, kMoment};  // there for good, but its time moves with new epochs
    case NodeKind::kDatabase:
    case NodeKind::kEpochs:
    case NodeKind::kRecent:
    case NodeKind::kByTime:
    case NodeKind::kHidden:
      return {1, kMoment};  // another one when the database's history is replaced
    case NodeKind::kLatest:
    case NodeKind::kMomentLink:
    case NodeKind::kStatus:
    case NodeKind::kEpochLines:
      break;
  }
  return {0, 0};
}

}  // namespace epochfs::fs
