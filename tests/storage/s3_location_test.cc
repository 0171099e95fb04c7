#include "engine/storage/s3_location.h"

#include <gtest/gtest.h>

namespace epochfs::engine {
namespace {

TEST(S3LocationTest, TakesBucketAndPrefix) {
  struct Row {
    const char* text;
    const char* bucket;
    const char* prefix;
    const char* key;  // of "app/data"
  };
  for (const Row& row :
       {Row{"s3://backups", "backups", "", "app/data"},
        Row{"s3://backups/", "backups", "", "app/data"},
        Row{"s3://my.back-ups_1/a b/c", "my.back-ups_1", "a b/c", "a b/c/app/data"},
        Row{"s3://backups/shop/", "backups", "shop", "shop/app/data"},
        Row{"s3://backups/.hidden", "backups", ".hidden", ".hidden/app/data"}}) {
    const auto location = parse_s3_location(row.text);
    ASSERT_TRUE(location) << row.text;
    EXPECT_EQ(location->bucket, row.bucket);
    EXPECT_EQ(location->prefix, row.prefix);
    EXPECT_EQ(location->key("app/data"), row.key);
    EXPECT_EQ(location->key(""), row.prefix);
  }
}

TEST(S3LocationTest, IsPrintedAsItIsWritten) {
  for (const char* text : {"s3://backups", "s3://backups/shop/2026"})
    EXPECT_EQ(parse_s3_location(text)->text(), text);
}

TEST(S3LocationTest, RefusesWhatCouldLeadElsewhere) {
  for (const char* text :
       {"", "backups", "s3:/backups", "S3://backups", "s3://", "s3:///a", "s3://ab", "s3://a@b.c/x",
        "s3://back ups", "s3://backups?x", "s3://backups//a", "s3://backups/a//b",
        "s3://backups/../x", "s3://backups/a/.", "s3://backups/a\nb", "s3://host:80/x"}) {
    const auto location = parse_s3_location(text);
    ASSERT_FALSE(location) << text;
    EXPECT_EQ(location.error().code, Code::kInvalid);
  }
}

}  // namespace
}  // namespace epochfs::engine
