// A CSV of receipts: what is taken, writes as it was read.
#include "bench/receipts.h"

#include <cstdint>
#include <cstdlib>

using namespace flashclaim;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto receipts = bench::parse_receipts(text);
  if (!receipts) return 0;
  std::string again = "user_id,coupon_id,date_received\n";
  for (const auto& r : *receipts)
    again +=
        std::to_string(r.user_id) + "," + std::to_string(r.coupon_id) + "," + std::to_string(r.date_received) + "\n";
  if (again != text && again != text + "\n") std::abort();
  return 0;
}
