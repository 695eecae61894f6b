#include "proxy/message/trace_context.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "proxy/message/head_parser.h"

namespace remora::proxy::message {
namespace {

constexpr std::string_view kId = "4bf92f3577b34da6a3ce929d0e0e4736";

std::string Of(std::string_view value) {
  const std::string line = "Traceparent: " + std::string(value);
  RequestHead head;
  head.fields.push_back(*ParseFieldLine(line));
  return std::string(TraceId(head));
}

TEST(TraceContextTest, ReadsAValidField) {
  EXPECT_EQ(Of("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), kId);
}

TEST(TraceContextTest, ALaterVersionMayHaveMore) {
  EXPECT_EQ(Of("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"), kId);
  EXPECT_EQ(Of("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more"), "");
  EXPECT_EQ(Of("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"), "");
}

TEST(TraceContextTest, WhatIsNotValidIsNone) {
  for (const char* value : {"", "00", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
                            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                            "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
                            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
                            "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}) {
    EXPECT_EQ(Of(value), "") << value;
  }
}

TEST(TraceContextTest, TwoFieldsAreNone) {
  RequestHead head;
  for (int i = 0; i < 2; ++i) {
    head.fields.push_back(
        *ParseFieldLine("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
  }
  EXPECT_EQ(TraceId(head), "");
}

}  // namespace
}  // namespace remora::proxy::message
