// Each check that stands between a request and a change.
#include <gtest/gtest.h>

#include <string>

#include "server/admin/guard.h"

namespace remora::server {
namespace {

// What a program on this machine sends; everything is allowed to it.
HttpRequest FromHere() {
  HttpRequest request{.method = "POST", .path = "/servers", .query = {}};
  request.body = "{}";
  request.content_type = "application/json";
  request.host = "127.0.0.1:3002";
  request.peer_is_loopback = true;
  request.local_port = 3002;
  return request;
}

std::string Reason(Access access, const HttpRequest& request, bool allow_mutations = true) {
  const auto refusal = CheckAccess(access, request, allow_mutations);
  if (!refusal) return "";
  EXPECT_FALSE(refusal->message.empty());
  return refusal->reason;
}

constexpr Access kChanges[] = {Access::kChange, Access::kLegacyChange};

TEST(GuardTest, AProgramOnThisMachineMayDoEverything) {
  for (const Access access :
       {Access::kProbe, Access::kRead, Access::kStream, Access::kChange, Access::kLegacyChange}) {
    EXPECT_EQ(Reason(access, FromHere()), "");
  }
}

TEST(GuardTest, ChangesAreOffUnlessTheyAreAllowed) {
  for (const Access access : kChanges) {
    EXPECT_EQ(Reason(access, FromHere(), false), "mutations_off");
    EXPECT_EQ(CheckAccess(access, FromHere(), false)->status, 403U);
    EXPECT_NE(CheckAccess(access, FromHere(), false)->message.find("admin.allow_mutations: true"),
              std::string::npos);
  }
  EXPECT_EQ(Reason(Access::kRead, FromHere(), false), "");
}

TEST(GuardTest, ChangesAreTakenFromThisMachineOnly) {
  HttpRequest request = FromHere();
  request.peer_is_loopback = false;
  for (const Access access : kChanges) EXPECT_EQ(Reason(access, request), "peer_not_local");
  EXPECT_EQ(Reason(Access::kRead, request), "");
}

TEST(GuardTest, AHostIsOursIfItIsAnAddressOrLocalhostWithThePort) {
  for (const char* host : {"127.0.0.1:3002", "localhost:3002", "LocalHost:3002", "[::1]:3002",
                           "10.1.2.3:3002", "[fe80::1]:3002"}) {
    EXPECT_TRUE(IsOwnHost(host, 3002)) << host;
  }
  for (const char* host :
       {"", "127.0.0.1", "127.0.0.1:3003", "localhost", "evil.example:3002", "localhost.evil:3002",
        "127.0.0.1.evil.example:3002", "[::1", "::1:3002", "[127.0.0.1]:3002", "127.0.0.1:3002x",
        "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:68538", "127.1:3002", "0x7f000001:3002",
        "a@127.0.0.1:3002", " 127.0.0.1:3002"}) {
    EXPECT_FALSE(IsOwnHost(host, 3002)) << host;
  }
  EXPECT_TRUE(IsOwnHost("127.0.0.1", 80));
  EXPECT_TRUE(IsOwnHost("127.0.0.1:9", 0));
  EXPECT_FALSE(IsOwnHost("evil.example", 0));
}

TEST(GuardTest, ANameThatWasMadeToPointToUsIsRefused) {
  HttpRequest request = FromHere();
  request.host = "evil.example:3002";
  request.origin = "http://evil.example:3002";  // such a page is of our own origin
  for (const Access access : {Access::kRead, Access::kStream, Access::kChange}) {
    EXPECT_EQ(Reason(access, request), "host_not_allowed");
  }
  EXPECT_EQ(Reason(Access::kLegacyChange, request), "host_not_allowed");
  EXPECT_EQ(Reason(Access::kProbe, request), "");
}

TEST(GuardTest, FromAfarWeMayHaveANameAndBehindAForwardedPortAnotherPort) {
  HttpRequest request = FromHere();
  request.host = "localhost:8080";
  EXPECT_EQ(Reason(Access::kRead, request), "");
  EXPECT_EQ(Reason(Access::kChange, request), "host_not_allowed");
  request.host = "";  // HTTP/1.0
  EXPECT_EQ(Reason(Access::kRead, request), "");
  EXPECT_EQ(Reason(Access::kChange, request), "host_not_allowed");
  request.host = "remora.example:3002";
  request.peer_is_loopback = false;
  EXPECT_EQ(Reason(Access::kRead, request), "");
}

TEST(GuardTest, AnOriginMustBeOurOwn) {
  HttpRequest request = FromHere();
  request.origin = "http://127.0.0.1:3002";
  EXPECT_EQ(Reason(Access::kChange, request), "");
  for (const char* origin :
       {"http://evil.example", "null", "https://127.0.0.1:3002", "http://127.0.0.1:3003",
        "http://localhost:3002", "http://127.0.0.1:3002.evil.example", "127.0.0.1:3002"}) {
    request.origin = origin;
    EXPECT_EQ(Reason(Access::kChange, request), "cross_site") << origin;
  }
}

TEST(GuardTest, TheLegacyRoutesAreForNoPageAtAll) {
  HttpRequest request = FromHere();
  request.content_type = "";
  EXPECT_EQ(Reason(Access::kLegacyChange, request), "");
  request.origin = "http://127.0.0.1:3002";
  EXPECT_EQ(Reason(Access::kLegacyChange, request), "cross_site");
}

TEST(GuardTest, WhatABrowserCallsAnotherSiteIsRefused) {
  for (const char* site : {"cross-site", "same-site", "nonsense"}) {
    HttpRequest request = FromHere();
    request.sec_fetch_site = site;
    for (const Access access : {Access::kStream, Access::kChange, Access::kLegacyChange}) {
      EXPECT_EQ(Reason(access, request), "cross_site") << site;
    }
    // A link to the dashboard.
    EXPECT_EQ(Reason(Access::kRead, request), "");
  }
  for (const char* site : {"same-origin", "none"}) {
    HttpRequest request = FromHere();
    request.sec_fetch_site = site;
    EXPECT_EQ(Reason(Access::kChange, request), "") << site;
  }
}

TEST(GuardTest, JsonMustSayThatItIs) {
  HttpRequest request = FromHere();
  for (const char* type : {"application/json", "Application/JSON; charset=utf-8"}) {
    request.content_type = type;
    EXPECT_EQ(Reason(Access::kChange, request), "") << type;
  }
  // What a form of another site can send.
  for (const char* type : {"", "text/plain", "application/x-www-form-urlencoded",
                           "multipart/form-data", "text/plain; application/json"}) {
    request.content_type = type;
    EXPECT_EQ(Reason(Access::kChange, request), "content_type") << type;
    EXPECT_EQ(CheckAccess(Access::kChange, request, true)->status, 415U);
  }
  request.body = " \n[";
  EXPECT_EQ(Reason(Access::kChange, request), "content_type");
  request.body = "debug";
  EXPECT_EQ(Reason(Access::kChange, request), "");
}

}  // namespace
}  // namespace remora::server
