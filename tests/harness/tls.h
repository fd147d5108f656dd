// Certificates of their own for tests, and what a TLS client of theirs wants.
#pragma once

#include <memory>
#include <string>

namespace flashclaim::harness {

struct CertificateFiles {
  std::string certificate;  ///< PEM, signed by itself, for localhost and 127.0.0.1
  std::string key;          ///< PEM, mode 0600
};
/// `<folder>/<name>.pem` and `<folder>/<name>.key`, made anew. Throws when OpenSSL refuses.
CertificateFiles make_certificate(const std::string& folder, const std::string& name);

/// What an authority signs.
struct CertificateWanted {
  std::string names = "DNS:localhost,IP:127.0.0.1";  ///< subject alternative names, as openssl.cnf writes them
  int days = 1;                                      ///< from a day ago until so many days from now: negative, expired
};

/// An authority that signs certificates; its own is `<folder>/<name>.pem`. Throws when OpenSSL refuses.
class CertificateAuthority {
 public:
  CertificateAuthority(const std::string& folder, const std::string& name);
  ~CertificateAuthority();
  CertificateAuthority(const CertificateAuthority&) = delete;
  CertificateAuthority& operator=(const CertificateAuthority&) = delete;

  [[nodiscard]] std::string path() const { return folder_ + "/" + name_ + ".pem"; }
  /// `<folder>/<name>.pem` and `<folder>/<name>.key`, made anew.
  [[nodiscard]] CertificateFiles issue(const std::string& name, const CertificateWanted& wanted = {}) const;

 private:
  struct Pair;
  std::string folder_;
  std::string name_;
  std::unique_ptr<Pair> pair_;
};

enum class TlsVersion { k11 = 0x0302, k12 = 0x0303, k13 = 0x0304 };

struct TlsClient {
  std::string trusted;                     ///< the certificate that the server must have
  TlsVersion newest = TlsVersion::k13;     ///< what the client offers at most
  std::string protocols = "\x08http/1.1";  ///< ALPN, in its wire form; empty: none offered
};

}  // namespace flashclaim::harness
