#include "engine/formats/json/json_text.h"

#include <gtest/gtest.h>

#include <limits>

namespace epochfs::engine {
namespace {

TEST(JsonTextTest, KeepsTheOrderAndTheTypes) {
  JsonArray tags;
  JsonObject tag;
  tag.set("y", 1);
  tags.add("x").add(std::move(tag));
  JsonObject object;
  object.set("z", "text")
      .set("a", true)
      .set("big", std::numeric_limits<std::uint64_t>::max())
      .set("small", std::numeric_limits<std::int64_t>::min())
      .set("half", 0.5)
      .set_null("none")
      .set("tags", std::move(tags))
      .set("child", JsonObject());
  EXPECT_EQ(object.line(),
            R"({"z":"text","a":true,"big":18446744073709551615,"small":-9223372036854775808,)"
            R"("half":0.5,"none":null,"tags":["x",{"y":1}],"child":{}})");
}

TEST(JsonTextTest, ReplacesAMemberThatIsSetAgain) {
  EXPECT_EQ(JsonObject().set("a", 1).set("b", 2).set("a", 3).line(), R"({"a":3,"b":2})");
}

TEST(JsonTextTest, WritesAnyBytesAsValidJson) {
  EXPECT_EQ(JsonObject().set("k\xff", "caf\xe9\n\"").line(),
            "{\"k\xef\xbf\xbd\":\"caf\xef\xbf\xbd\\n\\\"\"}");
  EXPECT_EQ(JsonObject().set("n", std::numeric_limits<double>::quiet_NaN()).line(),
            R"({"n":null})");
}

TEST(JsonTextTest, IndentsForPeople) {
  EXPECT_EQ(JsonObject().set("a", 1).pretty(), "{\n  \"a\": 1\n}\n");
  EXPECT_EQ(JsonArray().add("a").pretty(), "[\n  \"a\"\n]\n");
  EXPECT_EQ(JsonArray().pretty(), "[]\n");
}

}  // namespace
}  // namespace epochfs::engine
