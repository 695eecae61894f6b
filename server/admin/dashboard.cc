#include "server/admin/dashboard.h"

#include <openssl/evp.h>
#include <zlib.h>

#include <array>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "proxy/base/abseil.h"
#include "server/admin/dashboard_html.h"

namespace remora::server {
namespace {

constexpr int kGzip = 16;  // zlib: added to the size of the window

std::string Sha256(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

std::string Base64Hash(std::string_view text) {
  return absl::StrCat("'sha256-", absl::Base64Escape(Sha256(text)), "'");
}

// What stands between the first `<tag>` and its end.
std::string_view Element(std::string_view page, std::string_view tag) {
  const std::string open = absl::StrCat("<", ToAbsl(tag), ">");
  const std::size_t begin = page.find(open) + open.size();
  return page.substr(begin, page.find(absl::StrCat("</", ToAbsl(tag), ">"), begin) - begin);
}

std::string Gzip(std::string_view text) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, MAX_WBITS + kGzip, MAX_MEM_LEVEL,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return {};
  }
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const bool whole = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  packed.resize(whole ? stream.total_out : 0);
  deflateEnd(&stream);
  return packed;
}

struct Page {
  std::string_view plain;
  std::string packed;  // empty where it could not be made
  std::string policy;
  std::string tag;
};

Page MakePage() {
  Page page;
  page.plain = {reinterpret_cast<const char*>(kDashboardHtml), kDashboardHtmlSize};
  page.packed = Gzip(page.plain);
  page.policy = absl::StrCat(
      "default-src 'none'; script-src ", Base64Hash(Element(page.plain, "script")), "; style-src ",
      Base64Hash(Element(page.plain, "style")),
      "; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
      "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'");
  page.tag = absl::BytesToHexString(Sha256(page.plain)).substr(0, 16);
  return page;
}

const Page& GetPage() {
  static const Page page = MakePage();
  return page;
}

}  // namespace

bool TakesGzip(std::string_view accept_encoding) {
  for (const absl::string_view part : absl::StrSplit(ToAbsl(accept_encoding), ',')) {
    const std::vector<absl::string_view> words = absl::StrSplit(part, ';');
    if (!absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(words[0]), "gzip")) continue;
    if (words.size() == 1) return true;
    const absl::string_view weight = absl::StripAsciiWhitespace(words[1]);
    // "q=0", "q=0.000": not at all.
    return weight.find_first_not_of("qQ=0. ") != absl::string_view::npos;
  }
  return false;
}

HttpAnswer AnswerDashboard(const HttpRequest& request) {
  const Page& page = GetPage();
  const bool gzip = !page.packed.empty() && TakesGzip(request.accept_encoding);
  const std::string tag = absl::StrCat("\"", page.tag, gzip ? "-gzip" : "", "\"");
  HttpAnswer answer{.content_type = "text/html; charset=utf-8"};
  answer.fields = {{"Cache-Control", "no-cache"},
                   {"ETag", tag},
                   {"Vary", "Accept-Encoding"},
                   {"Content-Security-Policy", page.policy},
                   {"Referrer-Policy", "no-referrer"},
                   {"Cross-Origin-Opener-Policy", "same-origin"},
                   {"Cross-Origin-Resource-Policy", "same-origin"}};
  if (absl::StrContains(ToAbsl(request.if_none_match), tag)) {
    answer.status = 304;
    return answer;
  }
  if (gzip) answer.fields.emplace_back("Content-Encoding", "gzip");
  answer.body = gzip ? page.packed : std::string(page.plain);
  return answer;
}

}  // namespace remora::server
