#include "proxy/registry/backend_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace remora::proxy {
namespace {

using ::testing::HasSubstr;

struct GoodCase {
  std::string text;
  std::string canonical;
  std::string authority;
};

TEST(BackendUrlTest, EachAllowedSpellingHasOneCanonicalForm) {
  const GoodCase cases[] = {
      {"127.0.0.1:9001", "http://127.0.0.1:9001", "127.0.0.1:9001"},
      {"http://127.0.0.1:9001", "http://127.0.0.1:9001", "127.0.0.1:9001"},
      {"http://127.0.0.1:9001/", "http://127.0.0.1:9001", "127.0.0.1:9001"},
      {"HTTP://App.Example:80", "http://app.example:80", "app.example:80"},
      {"http://app.example", "http://app.example:80", "app.example:80"},
      {"http://app.example/api", "http://app.example:80/api", "app.example:80"},
      {"http://app:1/a/b//", "http://app:1/a/b", "app:1"},
      {"http://app:1///", "http://app:1", "app:1"},
      {"app:1/api/", "http://app:1/api", "app:1"},
      {"app:65535", "http://app:65535", "app:65535"},
      {"a_b-c.d:1", "http://a_b-c.d:1", "a_b-c.d:1"},
      {"[::1]:9001", "http://[::1]:9001", "[::1]:9001"},
      {"http://[2001:DB8::1]/x", "http://[2001:db8::1]:80/x", "[2001:db8::1]:80"},
      {"http://[::ffff:1.2.3.4]:5", "http://[::ffff:1.2.3.4]:5", "[::ffff:1.2.3.4]:5"},
      {"unix:/run/app.sock", "unix:/run/app.sock", "localhost"},
  };
  for (const GoodCase& test : cases) {
    const auto url = ParseBackendUrl(test.text);
    ASSERT_TRUE(url.ok()) << test.text << ": " << url.status();
    EXPECT_EQ(url->ToString(), test.canonical) << test.text;
    EXPECT_EQ(url->Authority(), test.authority) << test.text;
    EXPECT_EQ(ParseBackendUrl(url->ToString()).value(), *url) << "not stable: " << test.text;
  }
}

struct BadCase {
  std::string text;
  std::string why;
};

TEST(BackendUrlTest, WhatIsNotAllowedIsRefusedWithTheReason) {
  const BadCase cases[] = {
      {"", "nothing"},
      {"https://app:443", "https needs TLS, not built yet"},
      {"HTTPS://app:443", "https needs TLS, not built yet"},
      {"ftp://app:1", "an unknown scheme"},
      {"://app:1", "an unknown scheme"},
      {"app", "no port"},
      {"app/api", "no port"},
      {"[::1]", "no port"},
      {"app:0", "a bad port"},
      {"app:65536", "a bad port"},
      {"app:", "a bad port"},
      {"http://app:", "a bad port"},
      {"app:80x", "a bad port"},
      {"app:+80", "a bad port"},
      {"app:-1", "a bad port"},
      {"app: 80", "a bad port"},
      {"http://", "a bad host"},
      {"http://:80", "a bad host"},
      {":80", "a bad host"},
      {"http://.app:80", "a bad host"},
      {"http://-app:80", "a bad host"},
      {"http://a b:80", "a bad host"},
      {"http://a\r\nX: y:80", "a bad host"},
      {"http://caf\xc3\xa9:80", "a bad host"},
      {"::1:9001", "a bad host"},
      {"http://user@app:80", "user information"},
      {"http://user:secret@app:80", "user information"},
      {"http://[::1:80", "without ']'"},
      {"http://[::1]80", "text after ']'"},
      {"http://[]:80", "a bad IPv6 address"},
      {"http://[fe80::1%lo]:80", "a bad IPv6 address"},
      {"http://app:1/a?b", "in the prefix"},
      {"http://app:1/a#b", "in the prefix"},
      {"http://app:1/a b", "in the prefix"},
      {"http://app:1/\r\n", "in the prefix"},
      {"unix:", "an absolute path"},
      {"unix:run/app.sock", "an absolute path"},
      {"unix:/run/a b", "a blank or unprintable byte"},
  };
  for (const BadCase& test : cases) {
    const auto url = ParseBackendUrl(test.text);
    ASSERT_FALSE(url.ok()) << test.text << " became " << url->ToString();
    EXPECT_EQ(url.status().code(), absl::StatusCode::kInvalidArgument) << test.text;
    EXPECT_THAT(std::string(url.status().message()), HasSubstr(test.why)) << test.text;
  }
}

// A bracketed text that no inet_pton takes would be looked up as a name later.
TEST(BackendUrlTest, BracketsHoldAnIPv6AddressAndNothingElse) {
  for (const char* text : {"http://[1.2.3.4]:80", "http://[abcd]:80", "http://[:::]:80",
                           "http://[1::2::3]:80", "http://[12345::]:80"}) {
    EXPECT_FALSE(ParseBackendUrl(text).ok()) << text;
  }
}

TEST(BackendUrlTest, TheErrorSaysWhatToWriteAndShowsNoControlBytes) {
  const auto url = ParseBackendUrl("http://a\x1b[31m:80");
  ASSERT_FALSE(url.ok());
  const std::string message(url.status().message());
  EXPECT_THAT(message, HasSubstr("write http://host:port[/prefix], host:port or unix:/path"));
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
}

TEST(BackendUrlTest, LengthsHaveLimits) {
  EXPECT_TRUE(ParseBackendUrl(std::string(253, 'a') + ":80").ok());
  EXPECT_FALSE(ParseBackendUrl(std::string(254, 'a') + ":80").ok());
  EXPECT_TRUE(ParseBackendUrl("http://a:1/" + std::string(1023, 'a')).ok());
  EXPECT_FALSE(ParseBackendUrl("http://a:1/" + std::string(1024, 'a')).ok());
  EXPECT_TRUE(ParseBackendUrl("unix:/" + std::string(106, 'a')).ok());
  EXPECT_FALSE(ParseBackendUrl("unix:/" + std::string(107, 'a')).ok());
}

std::string IdOf(std::string_view text) { return DeriveId(ParseBackendUrl(text).value()); }

TEST(DeriveIdTest, AnAddressThatFitsIsItsOwnId) {
  EXPECT_EQ(IdOf("127.0.0.1:9001"), "127-0-0-1-9001");
  EXPECT_EQ(IdOf("http://127.0.0.1:9001/"), "127-0-0-1-9001");
  EXPECT_EQ(IdOf("app.example:80"), "app-example-80");
}

TEST(DeriveIdTest, IdsAreValidAndDifferentForDifferentServers) {
  const std::vector<std::string> urls = {
      "127.0.0.1:9001",
      "127.0.0.1:9002",
      "http://a:1/x",
      "http://a:1/X",
      "http://a:1/x/y",
      "http://a:1/x-y",
      "http://a:1/x.y",
      "http://a:1/x_y",
      "http://[::1]:80",
      "http://[::2]:80",
      "unix:/run/app.sock",
      "unix:/run/app_sock",
      "unix:/run/app/sock",
      "unix:/RUN/app.sock",
      "unix:/----",
      "unix:/__",
      std::string(200, 'a') + ":80",
      std::string(201, 'a') + ":80",
      std::string(200, 'a') + ":81",
  };
  std::map<std::string, std::string> seen;
  for (const std::string& url : urls) {
    const std::string id = IdOf(url);
    EXPECT_TRUE(ValidId(id)) << url << " -> " << id;
    EXPECT_EQ(id, IdOf(url)) << "not stable";
    const auto [entry, fresh] = seen.emplace(id, url);
    EXPECT_TRUE(fresh) << id << " stands for " << entry->second << " and " << url;
  }
}

// Dots and dashes meet, which keeps the ids of common names short. The second server is then told
// that the id is taken.
TEST(DeriveIdTest, DotsAndDashesAreTheSame) {
  EXPECT_EQ(IdOf("a.b:80"), "a-b-80");
  EXPECT_EQ(IdOf("a-b:80"), "a-b-80");
}

TEST(ValidIdTest, OnlyLowerCaseDigitsAndInnerDashes) {
  for (const char* id : {"a", "0", "a-b", "a--b", "127-0-0-1-9001"}) EXPECT_TRUE(ValidId(id)) << id;
  for (const char* id : {"", "-", "-a", "a-", "A", "a_b", "a.b", "a b", "a/b", "\xc3\xa9"}) {
    EXPECT_FALSE(ValidId(id)) << id;
  }
  EXPECT_TRUE(ValidId(std::string(63, 'a')));
  EXPECT_FALSE(ValidId(std::string(64, 'a')));
}

}  // namespace
}  // namespace remora::proxy
