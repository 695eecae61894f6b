#include "tests/soak/pipeline_clients.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <deque>
#include <stdexcept>
#include <string_view>

#include "tests/soak/cut_stream.h"
#include "tests/soak/message_reader.h"

namespace remora::soak {
namespace {

constexpr std::size_t kLongestPipeline = 8;
// Nothing comes for this long: an answer is missing.
constexpr int kPatienceMs = 30'000;

struct Wrong : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::string Shorten(std::string_view text) {
  constexpr std::size_t kMost = 1'500;
  if (text.size() <= kMost) return std::string(text);
  return std::string(text.substr(0, kMost)) + "[... " + std::to_string(text.size()) + " bytes]";
}

}  // namespace

class PipelineClients::Client {
 public:
  Client(const ClientsOptions& options, ClientsResult& result, int epoll, std::size_t number,
         std::uint64_t messages)
      : options_(options),
        result_(result),
        epoll_(epoll),
        number_(number),
        random_(options.seed * 1'000'003 + number),
        left_(messages) {
    Open();
    StartPipeline();
  }
  ~Client() { Close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool done() const { return fd_ < 0; }

  void OnEvent(std::uint32_t events) {
    if ((events & EPOLLOUT) != 0) Send();
    if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) Receive();
    if (!done()) Watch();
  }

  // What is being done, for messages.
  std::string Describe() const {
    std::string text = "connection " + std::to_string(number_);
    if (waiting_.empty()) return text + ", nothing is due";
    const RequestPlan& plan = waiting_.front().plan;
    text += ", message " + std::to_string(waiting_.front().number) + ": ";
    text += std::string(plan.method) + " id " + Hex(plan.id);
    if (plan.form != BodyForm::kNone) {
      text += plan.form == BodyForm::kChunked ? ", chunked " : ", sized ";
      text += std::to_string(plan.body_length) + " B";
    }
    if (plan.expects_continue) text += ", expects 100";
    if (plan.waits_for_continue) text += " and waits for it";
    if (plan.close) text += ", close";
    if (plan.http10) text += ", HTTP/1.0";
    text += "; answer: " + std::string(NameOf(waiting_.front().answer.shape)) + ", " +
            std::to_string(interims_) + " interim answers so far, in its pipeline " +
            std::to_string(waiting_.size()) + " are due";
    return text;
  }

 private:
  struct Message {
    std::uint64_t number;  // of the connection, from 1
    RequestPlan plan;
    AnswerPlan answer;
    std::vector<unsigned> interims;
  };

  void Open();
  void Close();
  void StartPipeline();
  void Watch();
  void Send();
  void Receive();
  void OnEnd();
  void OnHead();
  void OnInterim(unsigned status);
  void CheckHead(unsigned status);
  Framing CheckFraming();
  void OnAnswer();
  void Count(const Message& message);
  void Must(bool holds, std::string_view what) const {
    if (!holds) Throw(what);
  }
  [[noreturn]] void Throw(std::string_view what) const {
    throw Wrong(std::string(what) + "\n  " + Describe() +
                "\n  what came: " + Shorten(reader_.head()));
  }

  const ClientsOptions& options_;
  ClientsResult& result_;
  const int epoll_;
  const std::size_t number_;
  Random random_;
  std::uint64_t left_;
  std::uint64_t next_number_ = 1;
  int fd_ = -1;
  bool watches_out_ = false;
  bool ending_ = false;  // the last answer said so: the end of the stream is due
  CutStream out_;
  MessageReader reader_;
  std::deque<Message> waiting_;
  std::size_t interims_ = 0;  // that came for the front
  std::vector<char> buffer_ = std::vector<char>(65536);
};

void PipelineClients::Client::Open() {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options_.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    Throw(std::string("can't connect: ") + std::strerror(errno));
  }
  watches_out_ = false;
  ending_ = false;
  epoll_event event{.events = EPOLLIN, .data = {.ptr = this}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, fd_, &event);
}

void PipelineClients::Client::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  out_.Clear();
}

void PipelineClients::Client::StartPipeline() {
  const auto length = std::min<std::uint64_t>(left_, random_.Between(1, kLongestPipeline));
  left_ -= length;
  for (std::uint64_t i = 0; i < length; ++i) {
    Message message{.number = next_number_++,
                    .plan = PlanRequest(random_, i + 1 == length),
                    .answer = {},
                    .interims = {}};
    const RequestPlan& plan = message.plan;
    const std::size_t body = AppendRequest(plan, random_, out_.bytes());
    if (plan.waits_for_continue) out_.Hold(body, message.number);
    message.answer = PlanAnswer(plan.id, plan.method, plan.expects_continue);
    // RFC 9110 section 15.2: HTTP/1.0 knows no interim answers.
    if (!plan.http10) {
      message.interims = message.answer.early;
      message.interims.insert(message.interims.end(), message.answer.late.begin(),
                              message.answer.late.end());
    }
    waiting_.push_back(std::move(message));
  }
  result_.bytes_sent += out_.bytes().size();
  out_.Cut(PlanCuts(out_.bytes(), 0, random_));
  Send();
  Watch();
}

// One piece is sent each time that epoll says so.
void PipelineClients::Client::Watch() {
  if (out_.ready() == watches_out_) return;
  watches_out_ = out_.ready();
  epoll_event event{.events = watches_out_ ? EPOLLIN | EPOLLOUT : EPOLLIN, .data = {.ptr = this}};
  epoll_ctl(epoll_, EPOLL_CTL_MOD, fd_, &event);
}

void PipelineClients::Client::Send() {
  // Whoever closed early has said why: that is still to be read.
  if (out_.ready() && !out_.Send(fd_)) out_.Clear();
}

void PipelineClients::Client::Receive() {
  const ssize_t count = recv(fd_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  Must(count >= 0, "the connection was reset");
  if (count == 0) return OnEnd();
  result_.bytes_received += static_cast<std::uint64_t>(count);
  std::string_view bytes(buffer_.data(), static_cast<std::size_t>(count));
  for (;;) {
    if (!bytes.empty() && waiting_.empty()) {
      Throw("bytes that nobody asked for: " + Shorten(bytes));
    }
    switch (reader_.Read(bytes)) {
      case MessageReader::Event::kNeedMore:
        if (waiting_.empty() && !ending_ && left_ != 0) StartPipeline();
        if (waiting_.empty() && !ending_ && left_ == 0) Close();
        return;
      case MessageReader::Event::kBad:
        Throw(reader_.problem());
      case MessageReader::Event::kHead:
        OnHead();
        break;
      case MessageReader::Event::kEnd:
        OnAnswer();
        break;
    }
  }
}

void PipelineClients::Client::OnEnd() {
  if (reader_.EndsHere()) OnAnswer();
  Must(ending_ && waiting_.empty() && reader_.idle(), "the connection was closed early");
  Close();
  if (left_ == 0) return;
  ++result_.reconnects;
  Open();
  StartPipeline();
}

void PipelineClients::Client::OnHead() {
  const std::string_view start = reader_.start();
  unsigned status = 0;
  Must(start.starts_with("HTTP/1.1 ") && start.size() > 12 && start[12] == ' ',
       "a bad status line");
  const auto parsed = std::from_chars(start.data() + 9, start.data() + 12, status);
  Must(parsed.ptr == start.data() + 12, "a bad status");
  if (status < 200) return OnInterim(status);
  CheckHead(status);
  const std::string length = reader_.Field("Content-Length");
  std::uint64_t bytes = 0;
  std::from_chars(length.data(), length.data() + length.size(), bytes);
  reader_.StartBody(CheckFraming(), bytes);
}

void PipelineClients::Client::OnInterim(unsigned status) {
  const Message& message = waiting_.front();
  Must(interims_ < message.interims.size(), "an interim answer that no backend sent");
  Must(message.interims[interims_] == status, "another interim answer than the backend's");
  if (status == 103) {
    Must(reader_.Field("X-Id") == Hex(message.plan.id), "an interim answer to another request");
  }
  ++interims_;
  if (status == 100) out_.Release(message.number);
  reader_.Reset();
}

void PipelineClients::Client::CheckHead(unsigned status) {
  const Message& message = waiting_.front();
  const RequestPlan& plan = message.plan;
  Must(status == message.answer.status, "another status than the backend's");
  Must(reader_.Field("X-Id") == Hex(plan.id), "the answer to another request");
  Must(reader_.Field("X-Received") == soak::Describe({.method = plan.method,
                                                      .wants_trailers = plan.wants_trailers,
                                                      .trailer = plan.trailer,
                                                      .body = plan.body()}),
       "the backend did not receive what was sent");
  Must(interims_ == message.interims.size(), "an interim answer is missing");
  const std::string connection = reader_.Field("Connection");
  ending_ = plan.close || plan.http10;
  Must(connection == (ending_ ? "close" : ""), "Connection says something else than was agreed on");
}

// RFC 9112 section 6.3.
Framing PipelineClients::Client::CheckFraming() {
  const Message& message = waiting_.front();
  const AnswerPlan& answer = message.answer;
  const bool chunked = reader_.Has("Transfer-Encoding");
  const bool sized = reader_.Has("Content-Length");
  const std::string length = std::to_string(answer.body_length);
  Must(!chunked || !sized, "Content-Length beside Transfer-Encoding");
  Must(!chunked || reader_.Field("Transfer-Encoding") == "chunked", "an unknown coding");
  Must(!sized || reader_.Field("Content-Length") == length, "another Content-Length");
  if (answer.shape == Shape::kNoContent) Must(!chunked && !sized, "a 204 with framing");
  if (message.plan.method == "HEAD" || !answer.has_body()) {
    const bool named = answer.shape == Shape::kLength || answer.shape == Shape::kHttp10KeepAlive ||
                       (answer.shape == Shape::kNotModified && answer.names_length);
    Must(sized == named, "Content-Length was lost or made up");
    return Framing::kNone;
  }
  if (sized) return Framing::kLength;
  if (message.plan.http10) {
    Must(!chunked, "chunks towards HTTP/1.0");
    return Framing::kUntilClose;
  }
  Must(chunked, "an answer without length");
  return Framing::kChunked;
}

void PipelineClients::Client::OnAnswer() {
  const Message& message = waiting_.front();
  const RequestPlan& plan = message.plan;
  const bool has_body = plan.method != "HEAD" && message.answer.has_body();
  const std::string body = has_body ? AnswerBody(plan.id, message.answer.body_length) : "";
  if (reader_.body() != body) {
    const auto [ours, theirs] = std::ranges::mismatch(body, reader_.body());
    Throw("another body than the backend's from byte " + std::to_string(ours - body.begin()) +
          " on; " + std::to_string(body.size()) + " bytes are due, " +
          std::to_string(reader_.body().size()) + " came");
  }
  const bool trailers =
      has_body && message.answer.shape == Shape::kTrailers && plan.wants_trailers && !plan.http10;
  Must(reader_.trailers() == (trailers ? "X-Checksum: " + message.answer.trailer + "\r\n" : ""),
       "other trailers: " + reader_.trailers());
  Count(message);
  out_.Release(message.number);
  reader_.Reset();
  interims_ = 0;
  waiting_.pop_front();
  ++result_.answered;
}

void PipelineClients::Client::Count(const Message& message) {
  const RequestPlan& plan = message.plan;
  auto& counts = result_.counts;
  ++counts[std::string(plan.method)];
  ++counts["answer " + std::string(NameOf(message.answer.shape))];
  counts["interim answers"] += message.interims.size();
  if (plan.form == BodyForm::kLength) ++counts["body sized"];
  if (plan.form == BodyForm::kChunked) ++counts["body chunked"];
  if (!plan.trailer.empty()) ++counts["body with trailer"];
  if (plan.expects_continue) ++counts["Expect"];
  if (plan.waits_for_continue) ++counts["waited for 100"];
  if (plan.wants_trailers) ++counts["TE: trailers"];
  if (plan.close) ++counts["Connection: close"];
  if (plan.http10) ++counts["HTTP/1.0"];
}

PipelineClients::PipelineClients(ClientsOptions options)
    : options_(std::move(options)), epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

PipelineClients::~PipelineClients() {
  clients_.clear();
  close(epoll_);
}

ClientsResult PipelineClients::Run() {
  try {
    for (std::size_t i = 0; i < options_.connections; ++i) {
      const std::uint64_t share = options_.messages / options_.connections +
                                  (i < options_.messages % options_.connections ? 1 : 0);
      if (share == 0) continue;
      clients_.push_back(std::make_unique<Client>(options_, result_, epoll_, i, share));
      ++running_;
    }
    while (running_ != 0) Wait();
    result_.failure = options_.problem();
  } catch (const Wrong& wrong) {
    result_.failure = wrong.what();
    // The cause is nearer there.
    const std::string problem = options_.problem();
    if (!problem.empty()) result_.failure += "\n" + problem;
  }
  return result_;
}

void PipelineClients::Wait() {
  std::array<epoll_event, 16> events;
  const int count = epoll_wait(epoll_, events.data(), events.size(), kPatienceMs);
  if (count == 0) {
    std::string text = "no answer within " + std::to_string(kPatienceMs / 1000) + " s";
    for (const auto& client : clients_) {
      if (!client->done()) text += "\n  " + client->Describe();
    }
    throw Wrong(text);
  }
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    auto* client = static_cast<Client*>(event.data.ptr);
    client->OnEvent(event.events);
    if (client->done()) --running_;
  }
}

}  // namespace remora::soak
