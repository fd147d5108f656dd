// The users of the three services, and the folder of their passwords.
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "engine/access/access.h"
#include "engine/access/secret.h"
#include "engine/base/try.h"

namespace flashclaim::access {

const std::vector<AccessUser>& access_users() {
  static const std::vector<AccessUser> kUsers = {
      {"redis", "engine", "engine", "claims and views"},
      {"redis", "mirror", "mirror", "reads streams, acknowledges"},
      {"redis", "consumer", "consumer", "finishes entries, mends counts"},
      {"redis", "admin", "admin", "flashctl: coupons, repairs, the library"},
      {"rabbitmq", "mirror", "mirror", "publishes claims"},
      {"rabbitmq", "consumer", "consumer", "takes claims, publishes retries, dead letters and events"},
      {"rabbitmq", "admin", "admin", "flashctl: declares, looks, replays dead letters"},
      {"postgres", "owner", "flashclaim_owner", "owns the schema: flashctl db migrate"},
      {"postgres", "engine", "flashclaim_engine", "asks for outcomes by functions, reads no table"},
      {"postgres", "consumer", "flashclaim_consumer", "settles by settle_claims, writes no table"},
      {"postgres", "admin", "flashclaim_admin", "flashctl: operates coupons by functions, reads"},
  };
  return kUsers;
}

Result<std::vector<std::string>> make_keys(const std::string& folder) {
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return failure(folder + ": " + std::strerror(errno));
  std::vector<std::string> made;
  for (const AccessUser& user : access_users()) {
    const std::string name = std::string(user.service) + '-' + std::string(user.role);
    const auto fresh = TRY(make_password(folder + '/' + name));
    if (fresh) made.push_back(name);
  }
  return made;
}

}  // namespace flashclaim::access
