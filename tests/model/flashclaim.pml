/* The protocol of one coupon, from claim to finish, with crashes, duplicates, losses and repairs: INV-1 to INV-4.
 *
 * An entry holds one claim (a batch behaves as one: finish is called when all its claims have outcomes). Every `atomic`
 * is one round trip to one store; between two of them anything else may happen, and a process may die.
 *
 * Sizes:  CLAIMS claims by USERS users for TOTAL units, CONSUMERS; budgets CRASHES (a consumer or mirror dies between two
 *         steps), DUPS (a confirm is lost), SPURIOUS (an entry is published again although its message lives).
 * Faults: LOSS (Redis loses its data, then a rebuild; ID_REUSE: its clock goes back too, so entry ids repeat), BROKERLOSS
 *         (the queue loses its messages), LOSE_ONE (it loses one, wherever it stands), OVERTAKEN (an entry is published again when
 *         one that was published later is finished, too), DEAD=n (a message is dead-lettered, then replayed or rejected), DRIFT=n
 *         (phantom units; HEALS: they must be gone at rest), REPAIR_DEATHS=n (rebuild or reconcile dies between two steps and
 *         is begun anew; with LOSS at most 1).
 * Operations: RAISE, CUT, PAUSE, RECONCILE=n (fixers at once).
 * Guards to take out (each must be found out): NO_EPOCH, NO_EPOCH_IN_ID, NO_TOKEN, NO_CAS, OVERLAP, TOTAL_FROM_DATABASE,
 *         NO_VERSION, NO_ONE_STATE (a rebuild that reads the coupon twice), NO_RESET (a repeated rebuild that adds to what the
 *         dead one loaded), DELETE_BEFORE_CONFIRM, NO_REPLAY, NO_EMPTY_QUEUE (what OVERTAKEN finds is all that is published
 *         again), ABSENT_IS_FINISHED (a message is acknowledged without the database because its entry is gone, not because
 *         finish left a result); ACK_BEFORE_SETTLE alone is healed by the replay (that it holds is explored too) and is found
 *         out together with NO_REPLAY.
 */
#ifndef CLAIMS
#define CLAIMS 2
#endif
#ifndef USERS
#define USERS 2
#endif
#ifndef LIMIT
#define LIMIT 1
#endif
#ifndef TOTAL
#define TOTAL 1
#endif
#ifndef CONSUMERS
#define CONSUMERS 2
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef DUPS
#define DUPS 0
#endif
#ifndef SPURIOUS
#define SPURIOUS 0
#endif
#ifndef DEAD
#define DEAD 0
#endif
#ifndef DRIFT
#define DRIFT 0
#endif
#ifndef RECONCILE
#define RECONCILE 0
#endif

#ifndef REPAIR_DEATHS
#define REPAIR_DEATHS 0
#endif

#if REPAIR_DEATHS > 0
#define EPOCHS 3
#define epoch_t byte
#else
#define EPOCHS 2
#define epoch_t bit
#endif
#ifdef NO_EPOCH
#define SAME_EPOCH(a, b) true
#else
#define SAME_EPOCH(a, b) ((a) == (b))
#endif
#ifdef NO_VERSION
#define NEWER(a, b) true
#else
#define NEWER(a, b) ((a) > (b))
#endif
/* Where the database keeps the outcome of a claim: the claim id holds the epoch. */
#ifdef NO_EPOCH_IN_ID
#define OUT(e, k) out[k]
#else
#define OUT(e, k) out[(e) * CLAIMS + (k)]
#endif
#define NONE 0
#define SETTLED 1
#define REFUSED 2
#define CONFLICT 3

#define OPEN 0
#define PAUSED 1
#define LOADING 2
#define LOST 3

/* ---- Redis */
typedef Entry { bit in; bit acked; bit mirrored; bit dead; byte user; epoch_t epoch };
Entry stream[CLAIMS];
byte next_id;
byte status = OPEN;
epoch_t redis_epoch;
byte redis_version;
short stock = TOTAL + DRIFT;
byte redis_total = TOTAL;
byte count[USERS];
byte fix_seq;
bit suspect;
/* What finish left of an entry, for a while: whose and of which epoch it was. */
typedef Result { bit left; byte user; epoch_t epoch };
Result result[CLAIMS];

/* ---- RabbitMQ */
chan queue = [6] of { byte, byte, epoch_t }; /* entry, user, epoch */
chan dlq = [2] of { byte, byte, epoch_t };
byte unacked;
#ifdef OVERTAKEN
bit later[CLAIMS * CLAIMS]; /* later[k * CLAIMS + j]: j was published after k's last publish */
bit overtaken[CLAIMS];      /* ... and is finished */
#define OVERTOOK(k) overtaken[k]
inline note_published(i) {
  overtaken[i] = 0; n_ = 0;
  do
  :: n_ < CLAIMS -> later[i * CLAIMS + n_] = 0; if :: n_ != i -> later[n_ * CLAIMS + i] = 1 :: else -> skip fi; n_++
  :: else -> break
  od; n_ = 0
}
inline note_finished(i) {
  n_ = 0;
  do
  :: n_ < CLAIMS -> if :: later[n_ * CLAIMS + i] -> overtaken[n_] = 1 :: else -> skip fi; n_++
  :: else -> break
  od; n_ = 0
}
byte n_;
#else
#define OVERTOOK(k) false
#define note_published(i) skip
#define note_finished(i) skip
#endif

/* ---- PostgreSQL */
epoch_t epoch;
byte version;
byte total = TOTAL;
byte target = TOTAL;
bit wants_pause;
byte settled;
byte rows[USERS];
byte out[EPOCHS * CLAIMS];
byte out_user[EPOCHS * CLAIMS];
epoch_t row_epoch[EPOCHS * CLAIMS];

/* ---- what users were told: the checker's ledger */
typedef Answer { byte id; byte user; epoch_t epoch; bit may_be_lost };
Answer told[CLAIMS];
byte answers;

byte crashes = CRASHES, dups = DUPS, spurious = SPURIOUS, deads = DEAD;
#if REPAIR_DEATHS > 0
byte repair_deaths = REPAIR_DEATHS;
#endif
byte conflicts;
byte operations; /* finished */

inline claim(u) {
  atomic {
    if
    :: status == OPEN && stock > 0 && count[u] < LIMIT && next_id < CLAIMS ->
       stream[next_id].in = 1; stream[next_id].acked = 0; stream[next_id].mirrored = 0; stream[next_id].dead = 0;
       stream[next_id].user = u; stream[next_id].epoch = redis_epoch;
       count[u]++; stock--;
       told[answers].id = next_id; told[answers].user = u; told[answers].epoch = redis_epoch; answers++;
       next_id++
    :: else -> skip
    fi
  }
}

/* settle_claims: one statement. o = its outcome. The epoch, stock and limit are judged, first outcome wins. */
inline settle(i, u, e, o, reject) {
  if
  :: OUT(e, i) != NONE && out_user[(e) * CLAIMS + i] == u -> o = OUT(e, i)
#ifdef NO_EPOCH_IN_ID
  :: OUT(e, i) != NONE && out_user[(e) * CLAIMS + i] != u && out_user[(1 - e) * CLAIMS + i] == u -> o = OUT(e, i)
  :: OUT(e, i) != NONE && out_user[(e) * CLAIMS + i] != u && out_user[(1 - e) * CLAIMS + i] != u -> o = CONFLICT; conflicts++
#else
  :: OUT(e, i) != NONE && out_user[(e) * CLAIMS + i] != u -> o = CONFLICT; conflicts++
#endif
  :: OUT(e, i) == NONE ->
     out_user[(e) * CLAIMS + i] = u;
     if
     :: !SAME_EPOCH(e, epoch) || reject -> o = REFUSED
     :: else ->
        if
           :: settled < total && rows[u] < LIMIT ->
              settled++; rows[u]++; row_epoch[(e) * CLAIMS + i] = epoch; o = SETTLED
           :: else -> o = REFUSED; suspect = 1
           fi
     fi;
     OUT(e, i) = o
  fi
}

/* finish: XDEL == 1 is the only token. */
inline finish(i, u, e, o) {
  if
  :: status == LOST || !SAME_EPOCH(e, redis_epoch) -> skip
  :: else ->
        if
#ifdef NO_TOKEN
        :: o == REFUSED -> stream[i].in = 0; stream[i].dead = 0; stock++; count[u] = (count[u] > 0 -> count[u] - 1 : 0)
        :: o == SETTLED -> stream[i].in = 0; stream[i].dead = 0
#else
        :: stream[i].in && stream[i].user == u && o != CONFLICT ->
           stream[i].in = 0; stream[i].dead = 0;
           result[i].left = 1; result[i].user = u; result[i].epoch = e;
           note_finished(i);
           if
           :: o == REFUSED -> stock++; count[u]--
           :: else -> skip
           fi
#endif
        :: else -> skip
        fi
  fi
}

proctype claimer(byte u) { claim(u) }

#define WAITS(k) (stream[k].in && !stream[k].acked)
proctype mirror() {
  byte i, u;
  epoch_t e;
end_mirror:
  do
  :: atomic { /* XREADGROUP: what it read stays in its memory, whatever happens to Redis */
       (WAITS(0) || (CLAIMS > 1 && WAITS(1 % CLAIMS)) || (CLAIMS > 2 && WAITS(2 % CLAIMS))) ->
       i = 0;
       do :: i < CLAIMS && !WAITS(i) -> i++ :: else -> break od;
       u = stream[i].user; e = stream[i].epoch;
#ifdef DELETE_BEFORE_CONFIRM
       stream[i].in = 0
#endif
     }
#ifdef DELETE_BEFORE_CONFIRM
     if
     :: atomic { crashes > 0 -> crashes-- } goto end_mirror
     :: skip
     fi;
#endif
     atomic { /* publish, confirmed by the broker */
       nfull(queue) -> queue ! i, u, e; note_published(i);
       if
       :: stream[i].in && stream[i].user == u && stream[i].epoch == e -> stream[i].mirrored = 1
       :: else -> skip
       fi }
     if
     :: atomic { dups > 0 -> dups-- } /* the confirm is lost, or the mirror dies before XACK: published again */
     :: atomic { if :: stream[i].in && stream[i].epoch == e -> stream[i].acked = 1 :: else -> skip fi; i = 0; u = 0; e = 0 }
     fi
  od
}

/* Published again: mirrored, unfinished, not dead, and its message seems gone: the queue is empty and quiet, or one that was
 * published later is finished. At will within a budget: the belief may be wrong. */
#ifdef NO_EMPTY_QUEUE
#define QUIET false
#else
#define QUIET (len(queue) == 0 && unacked == 0)
#endif
#define OLD(k) (stream[k].in && stream[k].acked && !stream[k].dead && (spurious > 0 || QUIET || OVERTOOK(k)))
inline find_lost(i) {
  i = 0;
  do
  :: i < CLAIMS && !OLD(i) -> i++
  :: else -> break
  od
}
proctype replayer() {
  byte i;
end_replayer:
  do
  :: atomic { nfull(queue) && (OLD(0) || (CLAIMS > 1 && OLD(1 % CLAIMS)) || (CLAIMS > 2 && OLD(2 % CLAIMS))) ->
       find_lost(i);
       if :: !QUIET && !OVERTOOK(i) -> spurious-- :: else -> skip fi;
       queue ! i, stream[i].user, stream[i].epoch; note_published(i); i = 0 }
  od
}

/* The look in Redis before the database is asked. */
#ifdef ABSENT_IS_FINISHED
#define FINISHED(i, u, e) (status != LOST && !(stream[i].in && stream[i].epoch == e))
#else
#define FINISHED(i, u, e) (result[i].left && result[i].user == u && result[i].epoch == e)
#endif
proctype consumer() {
  byte i, u, o;
  epoch_t e;
end_consumer:
  do
  :: atomic { queue ? i, u, e; unacked++; /* and the look: nothing of this process happens between the two */
#ifdef ACK_BEFORE_SETTLE
       unacked--;
#endif
       if :: FINISHED(i, u, e) -> goto acknowledge :: else -> skip fi
     }
     if
     :: atomic { crashes > 0 -> crashes--;
#ifndef ACK_BEFORE_SETTLE
          queue ! i, u, e; unacked--;
#endif
          goto again }
     :: atomic { deads > 0 && nfull(dlq) -> deads--;
          if :: stream[i].in && stream[i].epoch == e && status != LOST -> stream[i].dead = 1 :: else -> skip fi }
        if
        :: atomic { crashes > 0 -> crashes--; queue ! i, u, e; unacked--; goto again }
        :: atomic { dlq ! i, u, e; unacked--; goto again }
        fi
     :: atomic { settle(i, u, e, o, false) }
     fi;
     if
     :: atomic { crashes > 0 -> crashes--;
#ifndef ACK_BEFORE_SETTLE
          queue ! i, u, e; unacked--;
#endif
          goto again }
     :: atomic { finish(i, u, e, o) }
     fi;
acknowledge:
     if
     :: atomic { crashes > 0 -> crashes--;
#ifndef ACK_BEFORE_SETTLE
          queue ! i, u, e; unacked--;
#endif
          goto again }
     :: atomic {
#ifndef ACK_BEFORE_SETTLE
          unacked--
#else
          skip
#endif
        }
     fi;
again:
     atomic { i = 0; u = 0; o = 0; e = 0 }
  od
}

/* The operator of the DLQ: replay (publish, unmark, then ack) or reject (settle in reject mode, finish, then ack). */
proctype dlq_operator() {
  byte i, u, o;
  epoch_t e;
end_dlq:
  do
  :: atomic { dlq ? <i, u, e> }
     if
     :: atomic { nfull(queue) -> queue ! i, u, e }
        atomic { if :: stream[i].epoch == e -> stream[i].dead = 0 :: else -> skip fi; dlq ? i, u, e }
     :: atomic { settle(i, u, e, o, true) }
        atomic { finish(i, u, e, o) }
        atomic { dlq ? i, u, e }
     fi;
     atomic { i = 0; u = 0; o = 0; e = 0 }
  od
}

/* apply_state: absolute values; a version at or below the stored one is ignored; stock moves with the total. */
inline apply_state(v, t, p, short_of) {
  short_of = 0;
  if
  :: status == LOST || status == LOADING || !NEWER(v, redis_version) -> skip
  :: else ->
        if
        :: stock + t - redis_total < 0 && t < redis_total -> short_of = 1
        :: else -> stock = stock + t - redis_total; redis_total = t; redis_version = v;
                   status = (p -> PAUSED : OPEN)
        fi
  fi
}

proctype raise() { /* the database first */
  byte v, t;
  bit p, s;
  atomic { version++; total++; target++; v = version; t = target; p = wants_pause }
  if
  :: atomic { apply_state(v, t, p, s) }
  :: atomic { apply_state(v, t, p, s) } atomic { apply_state(v, t, p, s) } /* its answer was lost: repeated */
  fi;
  operations++
}

proctype cut() { /* Redis first, drain, then the database */
  byte v, t, k;
  bit p, s;
  atomic { target > 0 -> version++; target--; v = version; t = target; p = wants_pause }
  atomic { apply_state(v, t, p, s);
           if :: !s && redis_version < v && (status == LOST || status == LOADING) -> s = 1 :: else -> skip fi }
  if
  :: s -> atomic { version++; target++; v = version; t = target; p = wants_pause }
          atomic { apply_state(v, t, p, s) }
  :: else -> atomic { !(stream[0].in) && !(stream[1 % CLAIMS].in) && !(stream[2 % CLAIMS].in) -> skip }
             atomic { total = (total < target -> total : target) }
  fi;
  operations++
}

proctype pause_and_resume() {
  byte v, t;
  bit p, s;
  atomic { version++; wants_pause = 1; v = version; t = target; p = 1 }
  atomic { apply_state(v, t, p, s) }
  atomic { version++; wants_pause = 0; v = version; t = target; p = 0 }
  atomic { apply_state(v, t, p, s) }
  operations++
}

/* The one who repairs dies, and is repeated from the beginning. */
#if REPAIR_DEATHS > 0
#define MAY_DIE if :: atomic { repair_deaths > 0 -> repair_deaths-- } goto again :: skip fi;
#else
#define MAY_DIE
#endif

/* reconcile --fix while the sale runs. */
proctype reconcile() {
  short stock_then, drift;
  byte total_then, last, seen, k, n, flight, user_rows;
  bit in_flight[CLAIMS];
again:
  atomic { status != LOST && status != LOADING ->
    stock_then = stock; total_then = redis_total; last = next_id; seen = fix_seq; k = 0; flight = 0;
    do :: k < CLAIMS -> in_flight[k] = stream[k].in; flight = flight + stream[k].in; k++ :: else -> break od; k = 0 }
  atomic { /* one query: rows of earlier epochs, or id <= last and not in flight */
    n = 0;
    do
    :: k < CLAIMS ->
       if
#ifdef OVERLAP
       :: k < last && OUT(redis_epoch, k) == SETTLED -> n++
#else
       :: k < last && OUT(redis_epoch, k) == SETTLED && !in_flight[k] -> n++
#endif
       :: else -> skip
       fi;
       if :: redis_epoch >= 1 && out[k] == SETTLED -> n++ :: else -> skip fi;
#if EPOCHS > 2
       if :: redis_epoch == 2 && out[CLAIMS + k] == SETTLED -> n++ :: else -> skip fi;
#endif
       k++
    :: else -> break
    od; k = 0;
#ifdef TOTAL_FROM_DATABASE
    drift = stock_then + flight + n - total
#else
    drift = stock_then + flight + n - total_then
#endif
  }
  MAY_DIE
  atomic {
    if
#ifdef NO_CAS
    :: true -> stock = stock - drift
#else
    :: fix_seq == seen && status != LOST && status != LOADING -> stock = stock - drift; fix_seq++
    :: else -> skip
#endif
    fi; k = 0; n = 0; last = 0; seen = 0; flight = 0; stock_then = 0; drift = 0; total_then = 0;
    do :: k < CLAIMS -> in_flight[k] = 0; k++ :: else -> break od; k = 0 }
  operations++
}

#ifdef LOSS
#define STREAM_EMPTY (!stream[0].in && !stream[1 % CLAIMS].in && !stream[2 % CLAIMS].in)
proctype loss_and_rebuild() {
  byte k, m, v, t;
  bit p, s;
#if REPAIR_DEATHS > 0
  bit opened;
  byte seen;
#endif
  atomic { /* Redis loses its data */
    status = LOST; stock = 0; redis_total = 0; redis_version = 0; k = 0;
    do
    :: k < CLAIMS ->
       if
       :: stream[k].in && !stream[k].mirrored ->
          m = 0;
          do
          :: m < answers -> if :: told[m].id == k && told[m].epoch == redis_epoch -> told[m].may_be_lost = 1 :: else -> skip fi; m++
          :: else -> break
          od; m = 0
       :: else -> skip
       fi;
       stream[k].in = 0; stream[k].acked = 0; stream[k].mirrored = 0; stream[k].dead = 0; stream[k].user = 0;
       stream[k].epoch = 0; k++
    :: else -> break
    od; k = 0;
    do :: k < USERS -> count[k] = 0; k++ :: else -> break od; k = 0;
    do :: k < CLAIMS -> result[k].left = 0; result[k].user = 0; result[k].epoch = 0; k++ :: else -> break od; k = 0;
#ifdef ID_REUSE
    next_id = 0
#endif
  }
again:
#if REPAIR_DEATHS > 0
  atomic { opened = (status != LOST && status != LOADING); status = LOADING }
  MAY_DIE
  /* drained, as far as one can see: the queue after a loss, and the stream of a coupon that was open again */
  atomic { (opened || (len(queue) == 0 && len(dlq) == 0)) && STREAM_EMPTY -> skip }
  MAY_DIE
  atomic { epoch++; seen = epoch; version++; v = version; t = target; p = wants_pause } /* one state, used to the end */
  MAY_DIE
#ifndef NO_RESET
  atomic { redis_epoch = seen; stock = 0 }
#else
  atomic { redis_epoch = seen }
#endif
  MAY_DIE
  atomic { k = 0; do :: k < USERS -> count[k] = 0; k++ :: else -> break od; k = 0 }
  MAY_DIE
#else
  atomic { status = LOADING }
  atomic { len(queue) == 0 && len(dlq) == 0 -> skip } /* drained, as far as one can see: unacked messages are not seen */
  atomic { epoch = 1; version++; v = version; t = target; p = wants_pause } /* one state, used to the end */
  atomic { redis_epoch = 1 }
#endif
#ifdef NO_ONE_STATE
  atomic { v = version; t = target }
#endif
#ifdef NO_RESET
  atomic { stock = stock + t - settled; redis_total = t }
#else
  atomic { stock = t - settled; redis_total = t }
#endif
  MAY_DIE
  atomic { k = 0; do :: k < USERS -> count[k] = rows[k]; k++ :: else -> break od; k = 0 }
  MAY_DIE
#ifdef NO_ONE_STATE
  atomic { v = version; p = wants_pause }
#endif
  atomic { status = (p -> PAUSED : OPEN); redis_version = v; fix_seq++ }
  MAY_DIE
  /* what was operated meanwhile was refused as LOADING: the database's state is applied once more */
  atomic { v = version; t = target; p = wants_pause }
  atomic { apply_state(v, t, p, s) }
  operations++
}
#endif

#ifdef BROKERLOSS
proctype broker_loss() {
  byte i, u;
  epoch_t e;
  atomic { do :: nempty(queue) -> queue ? i, u, e :: else -> break od; i = 0; u = 0; e = 0 }
}
#endif

#ifdef LOSE_ONE
proctype lose_one() {
  byte i, u;
  epoch_t e;
  atomic { queue ? i, u, e; i = 0; u = 0; e = 0 } /* at the front, at any time: those behind it stand */
}
#endif

init {
  byte k, n;
  atomic {
    run mirror();
#ifndef NO_REPLAY
    run replayer();
#endif
    k = 0; do :: k < CONSUMERS -> run consumer(); k++ :: else -> break od;
    k = 0; do :: k < CLAIMS -> run claimer(k % USERS); k++ :: else -> break od;
    if :: DEAD > 0 -> run dlq_operator() :: else -> skip fi;
    k = 0; do :: k < RECONCILE -> run reconcile(); k++ :: else -> break od; k = 0;
#ifdef RAISE
    run raise();
#endif
#ifdef CUT
    run cut();
#endif
#ifdef PAUSE
    run pause_and_resume();
#endif
#ifdef LOSS
    run loss_and_rebuild();
#endif
#ifdef BROKERLOSS
    run broker_loss();
#endif
#ifdef LOSE_ONE
    run lose_one();
#endif
  }
  timeout -> /* at rest */
  atomic {
    assert(settled <= total);                                                           /* INV-1 */
    k = 0; do :: k < USERS -> assert(rows[k] <= LIMIT); k++ :: else -> break od;        /* INV-2 */
    k = 0;
    do                                                                                  /* INV-3 */
    :: k < answers ->
       assert(told[k].may_be_lost
              || (OUT(told[k].epoch, told[k].id) != NONE && out_user[told[k].epoch * CLAIMS + told[k].id] == told[k].user));
       k++
    :: else -> break
    od;
    assert(conflicts == 0);
    k = 0; do :: k < CLAIMS -> assert(!stream[k].in); k++ :: else -> break od;          /* INV-4 */
    assert(len(queue) == 0 && unacked == 0);
#ifndef HEALS
    assert(stock + settled == redis_total + DRIFT);
#else
    assert(stock + settled == redis_total);
#endif
    assert(redis_total == total);
    k = 0; do :: k < USERS -> assert(count[k] == rows[k]); k++ :: else -> break od
  }
}

/* INV-1 and INV-2 at every moment, not only at rest. */
active proctype always_bounded() {
end_always:
  atomic { settled > total || rows[0] > LIMIT || rows[1 % USERS] > LIMIT -> assert(false) }
}
