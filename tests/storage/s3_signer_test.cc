// The examples that Amazon publishes with the description of Signature Version 4 for S3.
#include "engine/storage/s3_signer.h"

#include <gtest/gtest.h>

#include "engine/core/time.h"

namespace epochfs::engine {
namespace {

const S3Credentials kCredentials = {"AKIAIOSFODNN7EXAMPLE",
                                    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};

std::string value_of(const S3Fields& fields, std::string_view name) {
  for (const auto& [field, value] : fields) {
    if (field == name) return value;
  }
  return "none";
}

S3Fields sign(const S3Signable& request, const S3Credentials& credentials = kCredentials) {
  return signature_headers(request, credentials, "us-east-1", start_of(CalendarDay{2013, 5, 24}));
}

struct Example {
  const char* name;
  const char* method;
  const char* path;
  S3Fields query;
  S3Fields headers;
  const char* body;
  const char* signed_headers;
  const char* signature;
};

const S3Fields kHost = {{"host", "examplebucket.s3.amazonaws.com"}};

const Example kExamples[] = {
    {"GetOfARange",
     "GET",
     "/test.txt",
     {},
     {kHost[0], {"range", "bytes=0-9"}},
     "",
     "host;range;x-amz-content-sha256;x-amz-date",
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {"PutWithMoreHeaders",
     "PUT",
     "/test$file.text",
     {},
     {{"x-amz-storage-class", "REDUCED_REDUNDANCY"},
      kHost[0],
      {"date", "Fri, 24 May 2013 00:00:00 GMT"}},
     "Welcome to Amazon S3.",
     "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {"ParameterWithoutValue",
     "GET",
     "/",
     {{"lifecycle", ""}},
     kHost,
     "",
     "host;x-amz-content-sha256;x-amz-date",
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {"ParametersOutOfOrder",
     "GET",
     "/",
     {{"prefix", "J"}, {"max-keys", "2"}},
     kHost,
     "",
     "host;x-amz-content-sha256;x-amz-date",
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

class S3SignerExamples : public testing::TestWithParam<Example> {};

TEST_P(S3SignerExamples, AreSignedAsPublished) {
  const Example& example = GetParam();
  const std::string path = uri_encode(example.path, true);
  const std::string query = canonical_query(example.query);
  const S3Fields added =
      sign({example.method, path, query, example.headers, Sha256::of(as_bytes(example.body))});
  EXPECT_EQ(value_of(added, "x-amz-date"), "20130524T000000Z");
  EXPECT_EQ(value_of(added, "x-amz-content-sha256"), to_hex(Sha256::of(as_bytes(example.body))));
  EXPECT_EQ(value_of(added, "authorization"),
            std::string("AWS4-HMAC-SHA256 "
                        "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
                        "SignedHeaders=") +
                example.signed_headers + ",Signature=" + example.signature);
}

INSTANTIATE_TEST_SUITE_P(Published, S3SignerExamples, testing::ValuesIn(kExamples),
                         [](const auto& example) { return example.param.name; });

TEST(S3SignerTest, SignsTheTokenOfTemporaryKeys) {
  S3Credentials temporary = kCredentials;
  temporary.session_token = "token";
  const S3Signable request{"GET", "/", "", kHost, Sha256::of(ByteView())};
  const S3Fields with = sign(request, temporary);
  EXPECT_EQ(value_of(with, "x-amz-security-token"), "token");
  EXPECT_NE(value_of(with, "authorization").find("x-amz-date;x-amz-security-token,"),
            std::string::npos);
  EXPECT_EQ(value_of(sign(request), "x-amz-security-token"), "none");
}

TEST(S3SignerTest, SendsNoSecret) {
  for (const auto& [name, value] : sign({"GET", "/", "", kHost, Sha256::of(ByteView())}))
    EXPECT_EQ(value.find(kCredentials.secret_access_key), std::string::npos) << name;
}

TEST(UriEncodeTest, EncodesAllButTheUnreserved) {
  EXPECT_EQ(uri_encode("AZaz09-._~", false), "AZaz09-._~");
  EXPECT_EQ(uri_encode("a/b c+%\xc3\xa4*", true), "a/b%20c%2B%25%C3%A4%2A");
  EXPECT_EQ(uri_encode("a/b", false), "a%2Fb");
}

TEST(CanonicalQueryTest, SortsWhatIsEncoded) {
  EXPECT_EQ(canonical_query({{"uploads", ""}}), "uploads=");
  EXPECT_EQ(canonical_query({{"prefix", "a/b"}, {"list-type", "2"}, {"delimiter", "/"}}),
            "delimiter=%2F&list-type=2&prefix=a%2Fb");
  EXPECT_EQ(canonical_query({}), "");
}

}  // namespace
}  // namespace epochfs::engine
