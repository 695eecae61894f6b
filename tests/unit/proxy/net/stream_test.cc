#include "proxy/net/stream.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <exception>
#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "proxy/base/unique_fd.h"
#include "proxy/net/spawn.h"

namespace remora::proxy::net {
namespace {

using std::chrono::milliseconds;

// Generous, as each of several addresses gets only its share.
constexpr std::chrono::seconds kPatience{60};

using Connected = std::expected<std::unique_ptr<Stream>, error_code>;

error_code SystemError(int value) { return {value, boost::system::system_category()}; }

// A socket that listens at `address`, and where.
class Listening {
 public:
  explicit Listening(const SocketAddress& address)
      : fd_(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    EXPECT_EQ(bind(fd_, address.data(), address.size()), 0);
    EXPECT_EQ(listen(fd_, 16), 0);
    sockaddr_storage bound{};
    socklen_t size = sizeof(bound);
    auto* generic = reinterpret_cast<sockaddr*>(&bound);
    EXPECT_EQ(getsockname(fd_, generic, &size), 0);
    address_ = SocketAddress(generic, size);
  }
  ~Listening() { close(fd_); }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

  const SocketAddress& address() const { return address_; }

 private:
  int fd_;
  SocketAddress address_;
};

// Where nothing listens.
SocketAddress Refusing() { return Listening(*SocketAddress::FromIp("127.0.0.1", 0)).address(); }

Connected ConnectAny(std::vector<SocketAddress> addresses, std::size_t start) {
  Loop loop;
  Connected connected;
  Spawn(loop,
        Stream::ConnectAny(loop,
                           std::make_shared<const std::vector<SocketAddress>>(std::move(addresses)),
                           start, Clock::now() + kPatience),
        [&](const std::exception_ptr& failure, Connected result) {
          EXPECT_EQ(failure, nullptr);
          if (!result) connected = std::unexpected(result.error());
          loop.Close();
        });
  loop.Run();
  return connected;
}

// What is short in this process is short for each address; what one address lacks another may not.
TEST(StreamTest, OnlyWhatIsShortForEachDestinationIsAShortageOfOurOwn) {
  for (const int value : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
    EXPECT_TRUE(IsLocalShortage(SystemError(value))) << value;
  }
  for (const int value : {EADDRNOTAVAIL, ECONNREFUSED, ENETUNREACH, EAFNOSUPPORT, ETIMEDOUT}) {
    EXPECT_FALSE(IsLocalShortage(SystemError(value))) << value;
  }
}

TEST(StreamTest, AnAddressThatFailsAtOnceIsFollowedByTheNext) {
  const Listening live(*SocketAddress::FromIp("127.0.0.1", 0));
  EXPECT_TRUE(ConnectAny({Refusing(), live.address()}, 0).has_value());
  EXPECT_TRUE(ConnectAny({live.address(), Refusing()}, 1).has_value());
  EXPECT_EQ(ConnectAny({Refusing(), Refusing()}, 0).error(), SystemError(ECONNREFUSED));
}

// Bug: `localhost` on a host without IPv6 was a shortage of our own at every second try.
TEST(StreamTest, AnAddressOfAFamilyThatTheHostLacksIsFollowedByTheNext) {
  const std::string path = std::filesystem::temp_directory_path() /
                           ("remora-stream-" + std::to_string(getpid()) + ".sock");
  const Listening live(*SocketAddress::FromUnixPath(path));
  bool alone = false;
  // A thread in a network of its own, in which not even the loopback device is up.
  std::thread([&] {
    alone = unshare(CLONE_NEWNET) == 0;
    if (!alone) return;
    const SocketAddress lacking = *SocketAddress::FromIp("::1", 1);
    EXPECT_EQ(ConnectAny({lacking}, 0).error(), SystemError(EADDRNOTAVAIL));
    EXPECT_TRUE(ConnectAny({lacking, live.address()}, 0).has_value());
  }).join();
  std::filesystem::remove(path);
  if (!alone) GTEST_SKIP() << "needs the right to make a network namespace";
}

// ---- reading and writing ------------------------------------------------------------------------

// A stream whose peer is a blocking descriptor of the test's own.
class StreamPairTest : public ::testing::Test {
 protected:
  StreamPairTest() {
    std::array<int, 2> pair{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
    peer_ = UniqueFd(pair[0]);
    stream_ = Stream::Make(loop_, UniqueFd(pair[1]));
  }
  void Send(std::string_view text) {
    ASSERT_EQ(write(peer_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  // Starts a read of at most `room` bytes whose end is noted in `result`.
  void Read(std::size_t room, std::optional<IoResult>& result, Duration timeout = kPatience) {
    Spawn(loop_, stream_->Read(std::span(buffer_).first(room), timeout),
          [&result](const std::exception_ptr&, IoResult read) { result = read; });
  }
  void TurnUntil(const auto& condition) {
    const TimePoint give_up = Clock::now() + kPatience;
    while (!condition() && Clock::now() < give_up) loop_.Turn(milliseconds(100));
  }
  std::string_view Got(const std::optional<IoResult>& result) const {
    return {buffer_.data(), result ? result->bytes : 0};
  }

  Loop loop_;
  UniqueFd peer_;
  std::unique_ptr<Stream> stream_;
  std::array<char, 64> buffer_{};
};

TEST_F(StreamPairTest, AReadEndsWhenBytesCome) {
  std::optional<IoResult> result;
  Read(64, result);
  loop_.Turn();
  EXPECT_FALSE(result);
  Send("hello");
  TurnUntil([&] { return result.has_value(); });
  EXPECT_EQ(Got(result), "hello");
}

// What a full buffer left behind comes without another event, and so does the end of the stream.
TEST_F(StreamPairTest, NothingIsLostBehindAReadThatFilledItsBuffer) {
  Send("abcdef");
  peer_.Reset();
  for (const std::string_view expected : {"abc", "def", ""}) {
    std::optional<IoResult> result;
    Read(3, result);
    TurnUntil([&] { return result.has_value(); });
    EXPECT_EQ(Got(result), expected);
    if (expected.empty()) EXPECT_EQ(result->error, asio::error::eof);
  }
}

// The event that tells of the end may come before the bytes have been read.
TEST_F(StreamPairTest, TheEndIsSeenBehindAShortRead) {
  std::optional<IoResult> first;
  Read(64, first);
  loop_.Turn();
  Send("abc");
  shutdown(peer_.get(), SHUT_WR);
  TurnUntil([&] { return first.has_value(); });
  EXPECT_EQ(Got(first), "abc");
  std::optional<IoResult> second;
  Read(64, second);
  TurnUntil([&] { return second.has_value(); });
  ASSERT_TRUE(second);
  EXPECT_EQ(second->error, asio::error::eof);
}

TEST_F(StreamPairTest, ADeadlineAnInterruptAndACloseEndARead) {
  std::optional<IoResult> result;
  Read(64, result, milliseconds(1));
  TurnUntil([&] { return result.has_value(); });
  EXPECT_EQ(result->error, asio::error::timed_out);

  result.reset();
  Read(64, result);
  loop_.Turn();
  stream_->InterruptRead();
  TurnUntil([&] { return result.has_value(); });
  EXPECT_EQ(result->error, asio::error::operation_aborted);

  // Sticky until it is taken back.
  result.reset();
  Read(64, result);
  TurnUntil([&] { return result.has_value(); });
  EXPECT_EQ(result->error, asio::error::operation_aborted);

  stream_->ResumeReads();
  result.reset();
  Read(64, result);
  loop_.Turn();
  EXPECT_FALSE(result);
  stream_->Close();
  TurnUntil([&] { return result.has_value(); });
  EXPECT_EQ(result->error, asio::error::operation_aborted);
}

TEST_F(StreamPairTest, AWriteWaitsForItsReaderAndLosesNothing) {
  const std::string text(4'000'000, 'x');
  std::optional<error_code> result;
  const auto send = [](Stream& stream, std::string_view all) -> Awaitable<error_code> {
    GatherBuffers buffers;
    buffers.Add(all.substr(0, 1));
    buffers.Add(all.substr(1));
    co_return co_await stream.Write(buffers, kPatience);
  };
  Spawn(loop_, send(*stream_, text),
        [&](const std::exception_ptr&, error_code error) { result = error; });
  loop_.Turn();
  EXPECT_FALSE(result);
  std::size_t received = 0;
  std::thread reader([&] {
    std::vector<char> into(65536);
    while (received < text.size()) {
      const ssize_t bytes = read(peer_.get(), into.data(), into.size());
      if (bytes <= 0) return;
      received += static_cast<std::size_t>(bytes);
    }
  });
  TurnUntil([&] { return result.has_value(); });
  ASSERT_TRUE(result);
  EXPECT_FALSE(*result);
  reader.join();
  EXPECT_EQ(received, text.size());
}

TEST_F(StreamPairTest, AWriteThatNobodyReadsMeetsItsDeadline) {
  const std::string text(4'000'000, 'x');
  std::optional<error_code> result;
  const auto send = [](Stream& stream, std::string_view all) -> Awaitable<error_code> {
    GatherBuffers buffers;
    buffers.Add(all);
    co_return co_await stream.Write(buffers, milliseconds(1));
  };
  Spawn(loop_, send(*stream_, text),
        [&](const std::exception_ptr&, error_code error) { result = error; });
  TurnUntil([&] { return result.has_value(); });
  EXPECT_EQ(*result, asio::error::timed_out);
}

// Also where it is the turn of others: see kMaxDirectReads.
TEST_F(StreamPairTest, ReadsOfAClosedStreamEndHoweverManyThereWere) {
  stream_->Close();
  for (int i = 0; i < 40; ++i) {
    std::optional<IoResult> result;
    Read(1, result);
    loop_.Turn();
    ASSERT_TRUE(result) << i;
    EXPECT_EQ(result->error, asio::error::operation_aborted);
  }
}

TEST_F(StreamPairTest, ManyReadsThatNeverWaitLetOthersHaveTheirTurn) {
  Send(std::string(60, 'x'));
  std::size_t bytes = 0;
  std::size_t seen = 0;
  const auto read_all = [](Stream& stream, std::span<char> into,
                           std::size_t& count) -> Awaitable<> {
    while (count < 60) count += (co_await stream.Read(into.first(1), kPatience)).bytes;
  };
  const auto look = [](Loop& loop, const std::size_t& count, std::size_t& at) -> Awaitable<> {
    co_await NextTurn(loop);
    at = count;
  };
  Spawn(loop_, read_all(*stream_, buffer_, bytes), [](const std::exception_ptr&) {});
  Spawn(loop_, look(loop_, bytes, seen), [](const std::exception_ptr&) {});
  TurnUntil([&] { return bytes == 60; });
  EXPECT_EQ(bytes, 60U);
  EXPECT_GT(seen, 0U);
  EXPECT_LT(seen, 60U);
}

TEST_F(StreamPairTest, NewsAreKnownWithoutAskingTheKernel) {
  std::optional<IoResult> result;
  Read(64, result);
  Send("x");
  TurnUntil([&] { return result.has_value(); });
  EXPECT_FALSE(stream_->HadNews());
  Send("y");
  EXPECT_TRUE(stream_->HasNews());
  loop_.Turn(kPatience);
  EXPECT_TRUE(stream_->HadNews());
}

}  // namespace
}  // namespace remora::proxy::net
