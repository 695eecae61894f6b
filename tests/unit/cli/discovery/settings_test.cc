#include "cli/discovery/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/discovery/endpoints.h"
#include "cli/discovery/file_source.h"

namespace remora::cli::discovery {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(DiscoverSettingsTest, AServiceHasANamespaceAndMayHaveAPort) {
  EXPECT_EQ(ParseService("default/web"), (ServiceName{"default", "web", ""}));
  EXPECT_EQ(ParseService("default/web:http"), (ServiceName{"default", "web", "http"}));
  EXPECT_EQ(ParseService("default/web:8080"), (ServiceName{"default", "web", "8080"}));
  for (const char* text : {"", "web", "/web", "default/", "default/web:", "a/b/c", "a/B", "a/b?c",
                           "a/b:c:d", "../x", "a/b&c"}) {
    EXPECT_FALSE(ParseService(text)) << text;
  }
}

TEST(DiscoverSettingsTest, AHostHasAPort) {
  EXPECT_EQ(ParseHostPort("app.example:80"), (HostPort{"app.example", 80}));
  EXPECT_EQ(ParseHostPort("[fd00::1]:53"), (HostPort{"fd00::1", 53}));
  for (const char* text :
       {"", "app", "app:", ":80", "app:0", "app:65536", "app:x", "a b:1", "fd00::1:53"}) {
    EXPECT_FALSE(ParseHostPort(text)) << text;
  }
}

TEST(DiscoverSettingsTest, WhatDoesNotGoTogetherIsSaid) {
  const std::vector<std::pair<DiscoverOptions, std::string>> cases = {
      {{.source = "kubernetes"}, "--source kubernetes needs --service"},
      {{.source = "kubernetes", .services = {"web"}}, "'web' is not a service"},
      {{.source = "kubernetes", .services = {"a/b"}, .prefer_zone = true}, "needs --zone"},
      {{.source = "kubernetes", .services = {"a/b"}, .file = "f"}, "--file does not go with"},
      {{.source = "dns"}, "--source dns needs --host NAME:PORT or --srv NAME"},
      {{.source = "dns", .hosts = {"a"}}, "'a' is not an address"},
      {{.source = "dns", .hosts = {"a:1"}, .dns_server = "x"}, "'x' is not an address"},
      {{.source = "dns", .records = {"a b"}}, "is not a name for --srv"},
      {{.source = "dns", .services = {"a/b"}}, "--service does not go with --source dns"},
      {{.source = "file"}, "--source file needs --file"},
      {{.source = "file", .hosts = {"a:1"}, .file = "f"}, "--host does not go with"},
      {{.name = "Web", .source = "file", .file = "f"}, "'Web' is not a name for the owner"},
      {{.source = "file", .file = "f", .scheme = "ftp"}, "'ftp' is not a scheme"},
      {{.source = "file", .file = "f", .path_prefix = "api"}, "--path-prefix begins with a slash"},
  };
  for (const auto& [options, message] : cases) {
    const auto checked = CheckOptions(options);
    ASSERT_FALSE(checked) << message;
    EXPECT_EQ(checked.error().exit, ExitCode::kUsage);
    EXPECT_THAT(checked.error().message, HasSubstr(message));
    EXPECT_NE(checked.error().hint, "");
  }
  EXPECT_TRUE(CheckOptions({.source = "file", .file = "f"}));
  EXPECT_TRUE(CheckOptions({.source = "dns", .records = {"_http._tcp.x"}}));
  EXPECT_TRUE(CheckOptions(
      {.source = "kubernetes", .services = {"a/b"}, .zone = "z", .prefer_zone = true}));
}

TEST(DiscoverSettingsTest, TheOwnerHasTheNameOfThePoolTheServiceOrTheSource) {
  EXPECT_EQ(NameOf({.name = "n", .pool = "p"}), "n");
  EXPECT_EQ(NameOf({.services = {"a/web:http"}, .pool = "p"}), "p");
  EXPECT_EQ(NameOf({.services = {"a/web:http"}}), "web");
  EXPECT_EQ(NameOf({.source = "dns"}), "dns");
}

TEST(EndpointsTest, UrlsAreCanonicalAndIdsThoseOfTheSidecar) {
  EXPECT_EQ(UrlFor({}, "10.0.0.5", 8080), "http://10.0.0.5:8080");
  EXPECT_EQ(UrlFor({.path_prefix = "/api/"}, "fd00::1", 80), "http://[fd00::1]:80/api");
  EXPECT_EQ(IdFor("http://10.0.0.5:8080"), "10-0-0-5-8080");
  EXPECT_EQ(IdFor("http://app.example:80"), "app-example-80");
  // What folding loses is in the hash at the end.
  EXPECT_THAT(IdFor("http://a:80/api"), testing::StartsWith("a-80-api-"));
  EXPECT_NE(IdFor("http://a:80/api/x"), IdFor("http://a:80/api-x"));
  EXPECT_THAT(IdFor("http://[fd00::1]:80"), testing::StartsWith("fd00-1-80-"));
  EXPECT_THAT(IdFor("unix:/run/app.sock"), testing::StartsWith("unix-run-app-sock-"));
  EXPECT_LE(IdFor("http://" + std::string(300, 'a') + ":80").size(), 63U);
}

TEST(EndpointsTest, AnEndpointSurvivesTheWayToTheSidecarAndBack) {
  const Endpoint endpoint{
      .url = "http://a:80", .weight = 3, .max_active = 9, .labels = {{"k", "v"}}};
  const v1::DesiredServer server = ToDesired({"p", "i"}, endpoint);
  EXPECT_EQ(server.pool() + server.id(), "pi");
  EXPECT_EQ(EndpointOf(server.spec()), endpoint);
}

TEST(FileServersTest, AFileIsReadAsByApply) {
  const auto servers =
      ServersOfFile("servers: ['A:1/', {id: b, url: 'c:2', weight: 2, pool: blue}]", "f", "green");
  ASSERT_TRUE(servers);
  EXPECT_THAT(
      *servers,
      ElementsAre(testing::Pair(ServerKey{"blue", "b"}, Endpoint{.url = "http://c:2", .weight = 2}),
                  testing::Pair(ServerKey{"green", "a-1"}, Endpoint{.url = "http://a:1"})));
  EXPECT_FALSE(ServersOfFile("", "f", "default")) << "half of a file is no list";
}

}  // namespace
}  // namespace remora::cli::discovery
