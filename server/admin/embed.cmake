# cmake -DINPUT=a.html -DOUTPUT=a.cc -P embed.cmake: the file as the bytes of dashboard_html.h.
file(READ "${INPUT}" bytes HEX)
string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE "${OUTPUT}" "#include \"server/admin/dashboard_html.h\"

namespace remora::server {

const unsigned char kDashboardHtml[] = {
${bytes}};
const std::size_t kDashboardHtmlSize = sizeof kDashboardHtml;

}  // namespace remora::server
")
