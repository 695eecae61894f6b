#include "cli/discovery/slices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

namespace remora::cli::discovery {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

Slice Parse(const std::string& text) {
  auto slice = ParseSlice(boost::json::parse(text));
  EXPECT_TRUE(slice) << slice.error();
  return slice ? *slice : Slice();
}

SliceEndpoint At(const std::string& address) { return {.address = address}; }
SliceEndpoint Ending(const std::string& address, bool serving = true) {
  return {.address = address, .ready = false, .serving = serving, .terminating = true};
}
SliceEndpoint NotReady(const std::string& address) {
  return {.address = address, .ready = false, .serving = false};
}

Slices Of(std::vector<Slice> list) {
  Slices slices;
  for (Slice& slice : list) {
    if (slice.ports.empty()) slice.ports = {{.name = "http", .port = 80}};
    const std::string name = slice.name;
    slices.emplace(name, std::move(slice));
  }
  return slices;
}

std::vector<std::string> Urls(const Slices& slices, const SliceRules& rules = {}) {
  const auto servers = ServersOf(slices, rules);
  if (!servers) return {"error: " + servers.error()};
  std::vector<std::string> urls;
  for (const auto& [key, endpoint] : *servers) urls.push_back(endpoint.url);
  return urls;
}

TEST(ParseSliceTest, EverythingThatCountsIsRead) {
  const Slice slice = Parse(R"({"metadata": {"name": "web-1", "resourceVersion": "7"},
      "addressType": "IPv6",
      "ports": [{"name": "http", "protocol": "TCP", "port": 8080, "appProtocol": "kubernetes.io/ws"},
                {"name": "dns", "protocol": "UDP", "port": 53}, {"name": "any", "protocol": "TCP"}],
      "endpoints": [{"addresses": ["fd00::1", "fd00::2"], "nodeName": "n1", "zone": "a",
          "conditions": {"ready": false, "serving": true, "terminating": true},
          "targetRef": {"kind": "Pod", "name": "web-abc"},
          "hints": {"forZones": [{"name": "a"}, {"name": "b"}]}}]})");
  EXPECT_EQ(slice.name, "web-1");
  EXPECT_EQ(slice.type, Slice::AddressType::kIpv6);
  ASSERT_EQ(slice.ports.size(), 1U) << "neither UDP nor a port without number";
  EXPECT_EQ(slice.ports[0].name, "http");
  EXPECT_EQ(slice.ports[0].port, 8080);
  EXPECT_EQ(slice.ports[0].app_protocol, "kubernetes.io/ws");
  ASSERT_EQ(slice.endpoints.size(), 1U);
  const SliceEndpoint& endpoint = slice.endpoints[0];
  EXPECT_EQ(endpoint.address, "fd00::1") << "only the first one";
  EXPECT_FALSE(endpoint.ready);
  EXPECT_TRUE(endpoint.serving && endpoint.terminating);
  EXPECT_EQ(endpoint.zone + endpoint.node + endpoint.pod, "an1web-abc");
  EXPECT_THAT(endpoint.hinted_zones, ElementsAre("a", "b"));
}

TEST(ParseSliceTest, AConditionThatIsNotThereMeansReadyServingNotTerminating) {
  for (const char* conditions : {"", R"(, "conditions": {})", R"(, "conditions": null)",
                                 R"(, "conditions": {"ready": null})"}) {
    const Slice slice =
        Parse(std::string(R"({"metadata": {"name": "s"}, "addressType": "IPv4", "endpoints":
            [{"addresses": ["10.0.0.1"])") +
              conditions + "}]}");
    ASSERT_EQ(slice.endpoints.size(), 1U) << conditions;
    EXPECT_TRUE(slice.endpoints[0].ready && slice.endpoints[0].serving) << conditions;
    EXPECT_FALSE(slice.endpoints[0].terminating) << conditions;
  }
}

TEST(ParseSliceTest, ASliceWithoutListsIsEmpty) {
  const Slice slice = Parse(
      R"({"metadata": {"name": "s"}, "addressType": "FQDN", "ports": null, "endpoints": null})");
  EXPECT_EQ(slice.type, Slice::AddressType::kOther);
  EXPECT_THAT(slice.ports, IsEmpty());
  EXPECT_THAT(slice.endpoints, IsEmpty());
}

TEST(ParseSliceTest, WhatIsNoSliceIsAnErrorAndWhatIsNoEndpointIsPassedOver) {
  for (const char* text : {"1", "[]", "{}", R"({"metadata": []})", R"({"metadata": {}})"}) {
    EXPECT_FALSE(ParseSlice(boost::json::parse(text))) << text;
  }
  const Slice slice = Parse(R"({"metadata": {"name": "s"}, "ports": [1, {"port": 70000}],
      "endpoints": [1, {}, {"addresses": []}, {"addresses": [1]}, {"addresses": [""]}]})");
  EXPECT_THAT(slice.ports, IsEmpty());
  EXPECT_THAT(slice.endpoints, IsEmpty());
}

TEST(SlicesTest, AllSlicesCountTogetherAndAnAddressOnce) {
  const Slices slices = Of({{.name = "a", .endpoints = {At("10.0.0.1"), At("10.0.0.2")}},
                            {.name = "b", .endpoints = {At("10.0.0.2"), At("10.0.0.3")}}});
  EXPECT_THAT(Urls(slices),
              ElementsAre("http://10.0.0.1:80", "http://10.0.0.2:80", "http://10.0.0.3:80"));
}

TEST(SlicesTest, OnItsWayBetweenTwoSlicesTheReadyOneCounts) {
  for (const bool ready_first : {true, false}) {
    const Slices slices =
        Of({{.name = ready_first ? "a" : "b", .endpoints = {At("10.0.0.1")}},
            {.name = ready_first ? "b" : "a", .endpoints = {NotReady("10.0.0.1")}}});
    EXPECT_THAT(Urls(slices), ElementsAre("http://10.0.0.1:80")) << ready_first;
  }
}

TEST(SlicesTest, OnlyReadyOnesAreTakenWhileThereIsOne) {
  EXPECT_THAT(Urls(Of({{.name = "a", .endpoints = {At("10.0.0.1"), NotReady("10.0.0.2")}},
                       {.name = "b", .endpoints = {Ending("10.0.0.3")}}})),
              ElementsAre("http://10.0.0.1:80"));
}

TEST(SlicesTest, WhereNoneIsReadyThoseThatServeToTheirEndAreTaken) {
  EXPECT_THAT(Urls(Of({{.name = "a", .endpoints = {NotReady("10.0.0.1"), Ending("10.0.0.2")}},
                       {.name = "b", .endpoints = {Ending("10.0.0.3", /*serving=*/false)}}})),
              ElementsAre("http://10.0.0.2:80"));
  EXPECT_THAT(Urls(Of({{.name = "a", .endpoints = {NotReady("10.0.0.1")}}})), IsEmpty());
}

TEST(SlicesTest, APodWithBothFamiliesIsOneServerAndFqdnIsNone) {
  using enum Slice::AddressType;
  EXPECT_THAT(Urls(Of({{.name = "a", .type = kIpv6, .endpoints = {At("fd00::1")}},
                       {.name = "b", .type = kIpv4, .endpoints = {At("10.0.0.1")}},
                       {.name = "c", .type = kOther, .endpoints = {At("example.org")}}})),
              ElementsAre("http://10.0.0.1:80"));
  EXPECT_THAT(Urls(Of({{.name = "a", .type = kIpv6, .endpoints = {At("fd00::1")}}})),
              ElementsAre("http://[fd00::1]:80"));
}

TEST(SlicesTest, ThePortIsTheOneThatIsNamed) {
  const std::vector<SlicePort> ports = {{.name = "http", .port = 8080},
                                        {.name = "metrics", .port = 9090}};
  const Slices slices =
      Of({{.name = "a", .ports = ports, .endpoints = {At("10.0.0.1")}},
          {.name = "b", .ports = {{.name = "http", .port = 8081}}, .endpoints = {At("10.0.0.2")}}});
  EXPECT_THAT(Urls(slices, {.port = "http"}),
              ElementsAre("http://10.0.0.1:8080", "http://10.0.0.2:8081"));
  EXPECT_THAT(Urls(slices, {.port = "9090"}), ElementsAre("http://10.0.0.1:9090"));
  EXPECT_THAT(Urls(slices),
              ElementsAre(HasSubstr("has several ports, http=8080 and metrics=9090")));
  EXPECT_THAT(Urls(slices, {.port = "grpc"}),
              ElementsAre(HasSubstr("has no port grpc; there are http=8080 metrics=9090")));
}

TEST(SlicesTest, AServiceWithoutEndpointsHasNoServersAndNoProblem) {
  EXPECT_THAT(Urls({}), IsEmpty());
  Slices slices;
  slices["a"] = {.name = "a"};
  EXPECT_THAT(Urls(slices, {.port = "http"}), IsEmpty());
}

TEST(SlicesTest, ServersHaveIdPoolUrlAndLabels) {
  const Slices slices =
      Of({{.name = "a",
           .ports = {{.port = 80, .app_protocol = "http"}},
           .endpoints = {{.address = "10.0.0.1", .zone = "z", .node = "n", .pod = "p"}}}});
  const auto servers =
      ServersOf(slices, {.shape = {.pool = "web", .scheme = "https", .path_prefix = "/api"}});
  ASSERT_TRUE(servers);
  ASSERT_EQ(servers->size(), 1U);
  const auto& [key, endpoint] = *servers->begin();
  EXPECT_EQ(key.pool, "web");
  EXPECT_EQ(endpoint.url, "https://10.0.0.1:80/api");
  EXPECT_EQ(endpoint.weight, 1U);
  EXPECT_THAT(endpoint.labels, ElementsAre(Pair("app_protocol", "http"), Pair("node", "n"),
                                           Pair("pod", "p"), Pair("zone", "z")));
}

std::vector<std::uint32_t> Weights(const Slices& slices, const std::string& zone) {
  std::vector<std::uint32_t> weights;
  for (const auto& [key, endpoint] : *ServersOf(slices, {.prefer_zone = zone})) {
    weights.push_back(endpoint.weight);
  }
  return weights;
}

TEST(SlicesTest, HintsAreWeightsWhenAllHaveOneAndOneIsForTheZone) {
  const auto hinted = [](const char* address, const char* zone) {
    SliceEndpoint endpoint = At(address);
    if (*zone != '\0') endpoint.hinted_zones = {zone};
    return endpoint;
  };
  const auto of = [&](const char* first, const char* second) {
    return Of(
        {{.name = "s", .endpoints = {hinted("10.0.0.1", first), hinted("10.0.0.2", second)}}});
  };
  EXPECT_THAT(Weights(of("a", "b"), "a"), ElementsAre(100, 1));
  EXPECT_THAT(Weights(of("a", "b"), ""), ElementsAre(1, 1)) << "nobody asked";
  EXPECT_THAT(Weights(of("a", "b"), "c"), ElementsAre(1, 1)) << "none is for c";
  EXPECT_THAT(Weights(of("a", ""), "a"), ElementsAre(1, 1)) << "one has no hint";
}

}  // namespace
}  // namespace remora::cli::discovery
