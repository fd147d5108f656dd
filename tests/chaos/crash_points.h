// Every named crash point of the sources, by the scene in which the tests make a process die there.
#pragma once

#include <array>
#include <string_view>

namespace flashclaim::chaos {

/// Passed by an engine with mirror while claims flow.
inline constexpr std::array<std::string_view, 12> kEnginePoints = {
    "engine.claim.sending",      // a batch stands, Redis has not got it
    "engine.claim.sent",         // its bytes left, no answer yet
    "engine.claim.answered",     // Redis decided, nobody was told
    "engine.claim.told",         // the answers are in the buffers of the connections
    "engine.answer.written",     // some clients have read their answer, others of the same batch have not
    "mirror.entries.read",       // pending in the group, not published
    "mirror.publish.sending",    //
    "mirror.publish.sent",       // queued or on the wire, not confirmed
    "mirror.publish.confirmed",  // held by RabbitMQ, still pending
    "mirror.ack.sending",        //
    "mirror.ack.sent",           //
    "mirror.ack.answered",       //
};

/// Passed by a consumer while claims flow.
inline constexpr std::array<std::string_view, 9> kConsumerPoints = {
    "consumer.batch.gathered",   // delivered, nothing done
    "consumer.settle.sending",   //
    "consumer.settle.sent",      // the statement is under way: committed or not
    "consumer.settle.answered",  // committed, not finished
    "consumer.finish.sending",   //
    "consumer.finish.sent",      //
    "consumer.finish.answered",  // finished, not acknowledged
    "consumer.ack.sending",      //
    "consumer.ack.sent",         //
};

/// Passed by a consumer that meets messages at fault themselves.
inline constexpr std::array<std::string_view, 7> kFaultPoints = {
    "consumer.retry.publishing",  //
    "consumer.retry.published",   // in the retry queue and, not acknowledged, in the queue
    "consumer.publish.sent",      // to a retry queue or the DLQ, not confirmed
    "consumer.dead.marking",      //
    "consumer.dead.marked",       // dead in Redis, in no DLQ yet
    "consumer.dead.publishing",   //
    "consumer.dead.published",    // in the DLQ and, not acknowledged, in the queue
};

/// Passed by `flashctl dlq replay`.
inline constexpr std::array<std::string_view, 5> kReplayPoints = {
    "admin.dlq.gathered",   // every letter is taken, none acknowledged
    "admin.dlq.unmarked",   // alive in Redis, not published
    "admin.publish.sent",   // not confirmed
    "admin.dlq.published",  // in the queue and in the DLQ
    "admin.dlq.acked",      //
};

/// Passed by `flashctl dlq reject`.
inline constexpr std::array<std::string_view, 2> kRejectPoints = {
    "admin.dlq.rejected",  // refused in the database, the unit not returned
    "admin.dlq.finished",  // returned, the letter not acknowledged
};

/// Passed by flashctl's operations on coupons.
inline constexpr std::array<std::string_view, 12> kOperationPoints = {
    "admin.operate.committed",  // the database knows, Redis does not
    "admin.operate.told",       //
    "admin.update.committed",   // restock, cut: the database knows, Redis does not
    "admin.update.told",        // cut: Redis gives out no more, the database waits
    "admin.cut.drained",        // what was in flight is finished
    "admin.cut.committed",      //
    "admin.cut.told",           //
    "admin.cut.refused",        // Redis has fewer left, the database still wants the cut
    "admin.cut.taken_back",     //
    "admin.purge.cleared",      // the user counts are gone, all else is there
    "admin.purge.committed",    // the tombstone stands, Redis has the coupon
    "admin.purge.told",         //
};

/// Passed by `flashctl rebuild`.
inline constexpr std::array<std::string_view, 8> kRebuildPoints = {
    "admin.rebuild.frozen",         //
    "admin.rebuild.drained",        //
    "admin.rebuild.epoch_raised",   // in the database, not in Redis
    "admin.rebuild.begun",          // in both; no stock
    "admin.rebuild.users_cleared",  //
    "admin.rebuild.users_loaded",   //
    "admin.rebuild.stock_loaded",   //
    "admin.rebuild.opened",         //
};

/// Passed by `flashctl reconcile --fix`, and by the reconciler of every consumer.
inline constexpr std::array<std::string_view, 5> kReconcilePoints = {
    "reconcile.state.told",    //
    "reconcile.users.fixing",  //
    "reconcile.users.fixed",   //
    "reconcile.stock.fixing",  //
    "reconcile.stock.fixed",   //
};

}  // namespace flashclaim::chaos
