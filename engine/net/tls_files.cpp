// Reads the parameters of a URL one by one; a name that is not known is refused.
#include "engine/net/tls_files.h"

#include <utility>

namespace flashclaim::net {

Result<TlsFiles> tls_files_of(const Url& url) {
  TlsFiles files;
  for (auto& [name, value] : url.parameters()) {
    if (name == "verify" && value == "verify_peer") continue;
    if (name == "verify") return failure("the server is always verified, verify=verify_peer is all there is");
    std::string* file = name == "cacertfile" ? &files.trusted
                        : name == "certfile" ? &files.certificate
                        : name == "keyfile"  ? &files.key
                                             : nullptr;
    if (file == nullptr) return failure("the parameters are cacertfile, certfile and keyfile, and no others");
    if (value.empty() || !file->empty()) return failure(name + " must be given once, with a file");
    *file = std::move(value);
  }
  if (files.certificate.empty() != files.key.empty()) return failure("certfile and keyfile go together");
  return files;
}

}  // namespace flashclaim::net
