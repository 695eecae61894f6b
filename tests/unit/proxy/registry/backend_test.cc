#include "proxy/registry/backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "tests/support/pool.h"

namespace remora::proxy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::unique_ptr<Backend> MakeBackend(std::string_view url, BackendEvents& events) {
  return std::make_unique<Backend>("default", "a", "uid-a", *ParseBackendUrl(url), &events);
}

ActiveRequest Admit(Backend& backend) {
  EXPECT_TRUE(backend.admission().TryAdmit(backend.admission().Load()));
  return ActiveRequest(backend);
}

TEST(BackendTest, AnIpLiteralNeedsNoResolving) {
  testing::RecordingEvents events;
  const auto backend = MakeBackend("http://127.0.0.1:9001", events);
  EXPECT_FALSE(backend->needs_resolving());
  ASSERT_EQ(backend->addresses()->size(), 1u);
  EXPECT_EQ(backend->addresses()->front().ToString(), "127.0.0.1:9001");
  EXPECT_EQ(backend->authority(), "127.0.0.1:9001");
}

TEST(BackendTest, AUnixSocketNeedsNoResolving) {
  testing::RecordingEvents events;
  const auto backend = MakeBackend("unix:/run/app.sock", events);
  EXPECT_FALSE(backend->needs_resolving());
  ASSERT_EQ(backend->addresses()->size(), 1u);
  EXPECT_EQ(backend->addresses()->front().ToString(), "unix:/run/app.sock");
}

TEST(BackendTest, ANameHasNoAddressUntilOneIsSet) {
  testing::RecordingEvents events;
  const auto backend = MakeBackend("app.example:80", events);
  EXPECT_TRUE(backend->needs_resolving());
  ASSERT_NE(backend->addresses(), nullptr);
  EXPECT_THAT(*backend->addresses(), IsEmpty());
  const auto before = backend->addresses();
  backend->SetAddresses({*SocketAddress::FromIp("10.0.0.1", 80)});
  EXPECT_EQ(backend->addresses()->size(), 1u);
  EXPECT_THAT(*before, IsEmpty()) << "a list in use does not change under its reader";
}

TEST(ActiveRequestTest, CountsUntilItIsDestroyed) {
  testing::RecordingEvents events;
  const auto backend = MakeBackend("127.0.0.1:1", events);
  {
    const ActiveRequest request = Admit(*backend);
    EXPECT_EQ(request.backend(), backend.get());
    EXPECT_EQ(backend->admission().Load().active(), 1u);
  }
  EXPECT_EQ(backend->admission().Load().active(), 0u);
}

TEST(ActiveRequestTest, MovingItCountsOnce) {
  testing::RecordingEvents events;
  const auto a = MakeBackend("127.0.0.1:1", events);
  const auto b = MakeBackend("127.0.0.1:2", events);
  ActiveRequest first = Admit(*a);
  ActiveRequest second = std::move(first);
  EXPECT_EQ(first.backend(), nullptr);
  EXPECT_EQ(a->admission().Load().active(), 1u);
  second = Admit(*b);
  EXPECT_EQ(a->admission().Load().active(), 0u) << "what was held before is let go";
  EXPECT_EQ(b->admission().Load().active(), 1u);
  second.Reset();
  second.Reset();
  EXPECT_EQ(b->admission().Load().active(), 0u);
}

TEST(ActiveRequestTest, TheLastOneOfAClosedBackendReportsItDrained) {
  testing::RecordingEvents events;
  const auto backend = MakeBackend("127.0.0.1:1", events);
  ActiveRequest first = Admit(*backend);
  ActiveRequest second = Admit(*backend);
  backend->admission().Close();
  first.Reset();
  EXPECT_THAT(events.drained(), IsEmpty());
  second.Reset();
  EXPECT_THAT(events.drained(), ElementsAre("uid-a"));
}

TEST(ActiveRequestTest, TheLastOneOfAnOpenBackendReportsNothing) {
  testing::RecordingEvents events;
  const auto backend = MakeBackend("127.0.0.1:1", events);
  Admit(*backend).Reset();
  EXPECT_THAT(events.drained(), IsEmpty());
}

TEST(BackendTest, AFailedConnectIsReportedOnceUntilItIsProbedAgain) {
  testing::RecordingEvents events;
  const auto backend = MakeBackend("127.0.0.1:1", events);
  backend->ReportConnectFailed();
  backend->ReportConnectFailed();
  EXPECT_THAT(events.connect_failed(), ElementsAre("uid-a"));
  backend->ResetConnectFailed();
  backend->ReportConnectFailed();
  EXPECT_THAT(events.connect_failed(), ElementsAre("uid-a", "uid-a"));
}

}  // namespace
}  // namespace remora::proxy
