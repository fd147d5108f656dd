// Files that hold a secret: who may be able to open them is judged here, once, for every file that we read.
#pragma once

#include <sys/types.h>

#include <string>

#include "engine/base/result.h"

namespace flashclaim {

/// Whom a secret file serves. Each value is the bits that the file's mode must not have. Everybody is never meant:
/// `chmod 600`, or 640 and a group.
enum class SecretFor : mode_t {
  /// A password that `flashctl access keys` made, with mode 0600: only its owner has a use for it. Another mode means
  /// that somebody has changed it since, and who was in the group at that time is not known.
  kOwner = 077,
  /// What an administrator brings: the key of a certificate, the keys of a gateway, a URL with its password
  /// (NAME_FILE).
  /// By a group a secret comes to a program that does not own it: Debian's ssl-cert (0640), Kubernetes' fsGroup (0440).
  kGroup = 007,
};

/// The file's content, at most 1 MiB, without a byte order mark. Its mode is looked at on the open descriptor: what was
/// judged is what is read. Any thread. The error begins with the path, says the way out, and never repeats the content;
/// wipe() what was returned once it is no longer needed.
Result<std::string> read_secret_file(const std::string& path, SecretFor readers);

/// For a file that a library reads by itself (OpenSSL: the key of a certificate): the same errors, beforehand.
Result<void> check_secret_file(const std::string& path, SecretFor readers = SecretFor::kGroup);

/// Overwrites the text, then empties it.
void wipe(std::string& text);

}  // namespace flashclaim
