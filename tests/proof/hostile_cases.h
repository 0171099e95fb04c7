// Repositories whose author means harm: every sum and seal fits, and what they cover is a lie.
#pragma once

#include "tests/proof/damage_cases.h"

namespace epochfs::test {

struct HostileCase {
  DamageCase how;
  // Epochs before this one have nothing to do with what was forged.
  std::uint64_t first_touched = 0;
};

// Every numeric field of every document, footer, table and record, one after the other, with the
// numbers that arithmetic goes wrong at; names; frames that are not what they seem; documents
// without end.
void for_each_hostile(const Specimen& specimen,
                      const std::function<void(const HostileCase&)>& visit);

}  // namespace epochfs::test
