#include "engine/storage/s3_xml.h"

#include <gtest/gtest.h>

#include <string>

namespace epochfs::engine {
namespace {

using Names = std::vector<std::string>;

const std::string kPage =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
    "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
    "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
    "<NextContinuationToken>a&amp;b</NextContinuationToken>"
    "<Contents><Key>p/a%2Bb+c%20d%C3%A4</Key><ETag>&quot;e1&quot;</ETag><Size>7</Size></Contents>"
    "<Contents><Key>p/empty</Key><ETag>e2</ETag><Size>0</Size></Contents>"
    "<CommonPrefixes><Prefix>p/x%2F</Prefix></CommonPrefixes>"
    "</ListBucketResult>";

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  return text.replace(text.find(from), from.size(), to);
}

TEST(S3XmlTest, TakesAPageOfAListing) {
  const auto page = parse_s3_page(as_bytes(kPage));
  ASSERT_TRUE(page) << page.error().text;
  ASSERT_EQ(page->objects.size(), 2U);
  EXPECT_EQ(page->objects[0].key, "p/a+b c d\xc3\xa4");
  EXPECT_EQ(page->objects[0].etag, "e1");
  EXPECT_EQ(page->objects[0].size_bytes, 7U);
  EXPECT_EQ(page->objects[1].etag, "e2");
  EXPECT_EQ(page->prefixes, Names({"p/x/"}));
  EXPECT_EQ(page->next, "a&b");
}

TEST(S3XmlTest, TakesKeysAsTheyAreWhenNotToldOtherwise) {
  const auto page =
      parse_s3_page(as_bytes(replaced(kPage, "<EncodingType>url</EncodingType>", "")));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->objects[0].key, "p/a%2Bb+c%20d%C3%A4");
}

TEST(S3XmlTest, EndsAListingThatIsNotTruncated) {
  const auto page = parse_s3_page(as_bytes(replaced(kPage, ">true<", ">false<")));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->next, std::nullopt);
}

TEST(S3XmlTest, RefusesListingsThatMakeNoSense) {
  for (const std::string& xml :
       {std::string(), std::string("no XML"), std::string("<Other/>"),
        kPage.substr(0, kPage.size() / 2), replaced(kPage, "<Size>7", "<Size>-7"),
        replaced(kPage, "<Size>7", "<Size>7x"), replaced(kPage, "<Size>7", "<Size>"),
        replaced(kPage, "<Size>7", "<Size>99999999999999999999"), replaced(kPage, "%20d", "%2"),
        replaced(kPage, "%2F<", "%2<"), replaced(kPage, "%C3", "%XY"),
        replaced(kPage, "a&amp;b", "")}) {
    const auto page = parse_s3_page(as_bytes(xml));
    ASSERT_FALSE(page) << xml;
    EXPECT_EQ(page.error().code, Code::kIo);
  }
}

TEST(S3XmlTest, RefusesPagesWithMoreThanWasAskedFor) {
  for (const std::string& entry :
       {std::string("<Contents><Key>k</Key><ETag>e</ETag><Size>0</Size></Contents>"),
        std::string("<CommonPrefixes><Prefix>p</Prefix></CommonPrefixes>")}) {
    std::string xml = "<ListBucketResult>";
    for (std::size_t i = 0; i < kPageKeysMax; ++i) xml += entry;
    EXPECT_TRUE(parse_s3_page(as_bytes(xml + "</ListBucketResult>")));
    EXPECT_FALSE(parse_s3_page(as_bytes(xml + entry + "</ListBucketResult>")));
  }
}

TEST(S3XmlTest, DoesNotCrashOnAnyPrefixOrFlippedBit) {
  for (std::size_t size = 0; size < kPage.size(); ++size)
    EXPECT_FALSE(parse_s3_page(as_bytes(kPage).first(size)));
  for (std::size_t bit = 0; bit < kPage.size() * 8; ++bit) {
    std::string flipped = kPage;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    static_cast<void>(parse_s3_page(as_bytes(flipped)));
  }
}

TEST(S3XmlTest, KnowsNoEntitiesAndNoOtherDocuments) {
  const std::string xml =
      "<!DOCTYPE Error [<!ENTITY a \"aaaaaaaa\"><!ENTITY f SYSTEM \"file:///etc/hostname\">]>"
      "<Error><Code>&a;</Code><Message>&f;</Message></Error>";
  const auto failure = parse_s3_failure(as_bytes(xml));
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code, "&a;");
  EXPECT_EQ(failure->message, "&f;");
}

TEST(S3XmlTest, SurvivesDeepNesting) {
  std::string xml = "<Error>";
  for (int i = 0; i < 100'000; ++i) xml += "<a>";
  EXPECT_FALSE(parse_s3_failure(as_bytes(xml)));
}

TEST(S3XmlTest, TakesFailures) {
  const auto failure = parse_s3_failure(as_bytes(
      "<Error><Code>SlowDown</Code><Message>please</Message><Region>eu-1</Region></Error>"));
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code, "SlowDown");
  EXPECT_EQ(failure->message, "please");
  EXPECT_EQ(failure->region, "eu-1");
  EXPECT_FALSE(parse_s3_failure(as_bytes("<html><body>503</body></html>")));
  EXPECT_FALSE(parse_s3_failure(ByteView()));
}

TEST(S3XmlTest, TakesTheIdentityOfAnUpload) {
  const auto id = parse_s3_upload_id(as_bytes(
      "<InitiateMultipartUploadResult><UploadId>2~a/b</UploadId></InitiateMultipartUploadResult>"));
  ASSERT_TRUE(id);
  EXPECT_EQ(*id, "2~a/b");
  EXPECT_FALSE(parse_s3_upload_id(as_bytes("<InitiateMultipartUploadResult/>")));
}

TEST(S3XmlTest, TellsWhatWasNotDeleted) {
  const auto all = parse_s3_deleted(as_bytes("<DeleteResult/>"));
  ASSERT_TRUE(all);
  EXPECT_FALSE(*all);
  const auto some = parse_s3_deleted(as_bytes(
      "<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code></Error></DeleteResult>"));
  ASSERT_TRUE(some && *some);
  EXPECT_EQ((*some)->key, "a");
  EXPECT_EQ((*some)->failure.code, "AccessDenied");
  EXPECT_FALSE(parse_s3_deleted(as_bytes("<Other/>")));
}

TEST(S3XmlTest, WritesWhatServersRead) {
  EXPECT_EQ(complete_upload_xml(Names({"e1", "e2"})),
            "<?xml version=\"1.0\"?><CompleteMultipartUpload>"
            "<Part><PartNumber>1</PartNumber><ETag>\"e1\"</ETag></Part>"
            "<Part><PartNumber>2</PartNumber><ETag>\"e2\"</ETag></Part>"
            "</CompleteMultipartUpload>");
  EXPECT_EQ(delete_objects_xml(Names({"a<&>", "b"})),
            "<?xml version=\"1.0\"?><Delete><Quiet>true</Quiet>"
            "<Object><Key>a&lt;&amp;&gt;</Key></Object><Object><Key>b</Key></Object></Delete>");
}

}  // namespace
}  // namespace epochfs::engine
