// Makes keys and certificates with OpenSSL, and writes them to files.
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

constexpr long kDay = 86400;
using Key = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;
using Certificate = std::unique_ptr<X509, void (*)(X509*)>;

Key make_key() {
  Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  must(key != nullptr);
  return key;
}

void add(X509* certificate, int extension, const std::string& value) {
  X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, nullptr, extension, value.c_str());
  must(made != nullptr && X509_add_ext(certificate, made, -1) == 1);
  X509_EXTENSION_free(made);
}

/// All but the issuer and the signature.
Certificate begin(EVP_PKEY* key, const std::string& name, int days) {
  Certificate certificate(X509_new(), X509_free);
  must(certificate != nullptr);
  std::random_device device;
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), device() & 0x7fffffff);
  X509_set_version(certificate.get(), 2);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -(days < 0 ? 1 - days : 1) * kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), days * kDay);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  return certificate;
}

void sign(X509* certificate, X509* issuer, EVP_PKEY* issuer_key) {
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  must(X509_sign(certificate, issuer_key, EVP_sha256()) > 0);
}

CertificateFiles write(const std::string& folder, const std::string& name, X509* certificate, EVP_PKEY* key) {
  CertificateFiles files{folder + "/" + name + ".pem", folder + "/" + name + ".key"};
  must(PEM_write_X509(create(files.certificate).get(), certificate) == 1);
  must(PEM_write_PrivateKey(create(files.key).get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return files;
}

}  // namespace

CertificateFiles make_certificate(const std::string& folder, const std::string& name) {
  const Key key = make_key();
  const Certificate certificate = begin(key.get(), name, 1);
  add(certificate.get(), NID_subject_alt_name, CertificateWanted().names);
  sign(certificate.get(), certificate.get(), key.get());
  return write(folder, name, certificate.get(), key.get());
}

struct CertificateAuthority::Pair {
  Key key;
  Certificate certificate;
};

CertificateAuthority::CertificateAuthority(const std::string& folder, const std::string& name)
    : folder_(folder), name_(name) {
  Key key = make_key();
  Certificate certificate = begin(key.get(), name, 1);
  add(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  add(certificate.get(), NID_key_usage, "critical,keyCertSign");
  sign(certificate.get(), certificate.get(), key.get());
  write(folder, name, certificate.get(), key.get());
  pair_ = std::make_unique<Pair>(Pair{std::move(key), std::move(certificate)});
}

CertificateAuthority::~CertificateAuthority() = default;

CertificateFiles CertificateAuthority::issue(const std::string& name, const CertificateWanted& wanted) const {
  const Key key = make_key();
  const Certificate certificate = begin(key.get(), name, wanted.days);
  add(certificate.get(), NID_basic_constraints, "critical,CA:FALSE");
  add(certificate.get(), NID_subject_alt_name, wanted.names);
  sign(certificate.get(), pair_->certificate.get(), pair_->key.get());
  return write(folder_, name, certificate.get(), key.get());
}

}  // namespace flashclaim::harness
