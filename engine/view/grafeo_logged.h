// One epoch of a Grafeo database for a program that wants all of it.
#pragma once

#include <memory>

#include "engine/source/grafeo_source.h"
#include "engine/view/view.h"

namespace epochfs::engine {

// Every object that the epoch lies in is read whole, for its CRC.
std::shared_ptr<const LoggedEpoch> open_grafeo_logged(std::shared_ptr<const GrafeoSource> source,
                                                      GrafeoEpoch at);

}  // namespace epochfs::engine
