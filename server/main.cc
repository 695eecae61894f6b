#include "server/daemon.h"

int main(int argc, char** argv) { return remora::server::Main(argc, argv); }
