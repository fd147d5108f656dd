// See tls.h.
#include "tests/harness/tls.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cstdio>
#include <memory>
#include <random>
#include <stdexcept>

namespace flashclaim::harness {
namespace {

void must(bool done) {
  if (!done) throw std::runtime_error("OpenSSL refused to make a certificate");
}

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

File create(const std::string& path) {
  File file(std::fopen(path.c_str(), "w"), std::fclose);
  must(file != nullptr && fchmod(fileno(file.get()), S_IRUSR | S_IWUSR) == 0);
  return file;
}

void add_names(X509* certificate) {
  X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
  must(names != nullptr && X509_add_ext(certificate, names, -1) == 1);
  X509_EXTENSION_free(names);
}

}  // namespace

CertificateFiles make_certificate(const std::string& folder, const std::string& name) {
  constexpr long kDay = 86400;
  CertificateFiles files{folder + "/" + name + ".pem", folder + "/" + name + ".key"};
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, void (*)(X509*)> certificate(X509_new(), X509_free);
  must(key && certificate);
  std::random_device device;
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), device() & 0x7fffffff);
  X509_set_version(certificate.get(), 2);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kDay);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(certificate.get(), subject);
  add_names(certificate.get());
  must(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);
  must(PEM_write_X509(create(files.certificate).get(), certificate.get()) == 1);
  must(PEM_write_PrivateKey(create(files.key).get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return files;
}

}  // namespace flashclaim::harness
