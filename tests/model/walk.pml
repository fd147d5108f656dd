/* Reconcile of a stream that is too long for one moment: the counters, a walk page by page, what was returned meanwhile, the
 * database, then the correction. And the count of a user beside such a stream.
 *
 * A page is one entry, an entry one claim. Every `atomic` is one call. `off` is by how much stock is off really: claims,
 * finishes and restocks leave it as it is. What a walk finds must be that, to the unit, whenever its correction applies.
 *
 * Sizes:  ENTRIES, DRIFT (units too many), FIXERS, RESTOCKS, LOG_MAX (finishes that the log of returns remembers).
 * Part:   COUNTS: the count of user 0 is looked at (it is off by COUNT_DRIFT) in place of the stock.
 * Guards to take out (each must be found out):
 *   NO_LOG        what was returned during the walk is not asked for
 *   LOG_MET       returned entries count although the walk met them
 *   LOG_ABOVE     returned entries count although they came after the counters
 *   LOG_SHORT     a log that has forgotten some is taken for whole
 *   LATE_STOCK    stock is read after the walk
 *   OVERLAP       rows of entries that the walk met count too
 *   NO_CAS        two fixers
 *   ALWAYS_KNOWN  claims in flight are judged though entries left during the walk
 *   NO_PRESENCE   (COUNTS) entries that the walk met are taken for being in flight still
 *   NO_TAIL       (COUNTS) what came after the walk is not looked at
 */
#ifndef ENTRIES
#define ENTRIES 3
#endif
#ifndef DRIFT
#define DRIFT 1
#endif
#ifndef COUNT_DRIFT
#define COUNT_DRIFT 1
#endif
#ifndef FIXERS
#define FIXERS 1
#endif
#ifndef RESTOCKS
#define RESTOCKS 1
#endif
#ifndef LOG_MAX
#define LOG_MAX ENTRIES
#endif
#define TOTAL ENTRIES
#define USER(k) ((k) % 2)
#define NONE 0
#define SETTLED 1
#define REFUSED 2

/* Redis */
bit in[ENTRIES];
byte next, gone;
short stock = TOTAL + DRIFT, total = TOTAL, inflight;
byte fix_seq;
byte returned[ENTRIES], returns; /* the log, from its beginning; only the last LOG_MAX of it are there */
short count0 = COUNT_DRIFT;
/* PostgreSQL */
byte out[ENTRIES];
/* how much is off, really */
short off = DRIFT, count_off = COUNT_DRIFT;
byte mended;

proctype claimer() {
  atomic {
    if
    :: stock > 0 && next < ENTRIES ->
       in[next] = 1; stock--; inflight++;
       if :: USER(next) == 0 -> count0++ :: else -> skip fi;
       next++
    :: else -> skip
    fi
  }
}

proctype consumer(byte i) {
end_consumer:
  atomic { in[i] -> if :: out[i] = SETTLED :: out[i] = REFUSED fi }
  atomic { /* finish */
    in[i] = 0; inflight--; gone++;
    if
    :: out[i] == REFUSED ->
       stock++; returned[returns] = i; returns++;
       if :: USER(i) == 0 -> count0-- :: else -> skip fi
    :: else -> skip
    fi
  }
}

proctype restock() { atomic { total++; stock++ } }

#ifndef COUNTS
proctype fixer() {
  short stock_then, total_then, inflight_then, flight, drift;
  byte last, seen, since, gone_then, k;
  bit met[ENTRIES];
again:
  atomic { /* reconcile_counters */
    stock_then = stock; total_then = total; inflight_then = inflight; last = next; seen = fix_seq; since = returns;
    gone_then = gone; flight = 0; k = 0;
    do :: k < ENTRIES -> met[k] = 0; k++ :: else -> break od; k = 0 }
  do /* XRANGE, page by page */
  :: atomic { k < last -> met[k] = in[k]; flight = flight + in[k]; k++ }
  :: atomic { k >= last -> k = 0; break }
  od;
  atomic { /* reconcile_counters with since */
#ifdef LATE_STOCK
    stock_then = stock; total_then = total;
#endif
#ifndef LOG_SHORT
    if :: returns - since > LOG_MAX -> goto again :: else -> skip fi;
#endif
#ifdef ALWAYS_KNOWN
    assert(inflight_then == flight);
#else
    assert(gone != gone_then || inflight_then == flight);
#endif
#ifndef NO_LOG
    k = (returns - since > LOG_MAX -> returns - LOG_MAX : since);
    do
    :: k < returns ->
       if
#ifdef LOG_MET
       :: returned[k] < last -> flight++
#else
#ifdef LOG_ABOVE
       :: !met[returned[k]] -> flight++
#else
       :: returned[k] < last && !met[returned[k]] -> flight++
#endif
#endif
       :: else -> skip
       fi; k++
    :: else -> break
    od
#endif
    k = 0 }
  atomic { /* the database: rows up to `last` that the walk did not meet */
    drift = stock_then + flight - total_then;
    do
    :: k < last ->
#ifdef OVERLAP
       if :: out[k] == SETTLED -> drift++ :: else -> skip fi; k++
#else
       if :: out[k] == SETTLED && !met[k] -> drift++ :: else -> skip fi; k++
#endif
    :: else -> break
    od; k = 0 }
  atomic { /* reconcile_fix */
    if
#ifdef NO_CAS
    :: true -> stock = stock - drift; off = off - drift; mended++
#else
    :: fix_seq == seen -> assert(drift == off); stock = stock - drift; off = off - drift; fix_seq++; mended++
#endif
    :: else -> skip
    fi; stock_then = 0; total_then = 0; inflight_then = 0; flight = 0; drift = 0; last = 0; seen = 0; since = 0; gone_then = 0;
    do :: k < ENTRIES -> met[k] = 0; k++ :: else -> break od; k = 0 }
}
#else
proctype fixer() {
  short counted, expected;
  byte known, last, k;
  bit met[ENTRIES], flying[ENTRIES];
  do /* the walk, to the end of the stream as it is then */
  :: atomic { known < next -> met[known] = in[known]; known++ }
  :: atomic { known >= next -> break }
  od;
  atomic { /* user_counts: the count, which of the known entries are in flight, and what came above them */
    counted = count0; last = next; k = 0; expected = 0;
    do
    :: k < ENTRIES ->
       if
#ifdef NO_PRESENCE
       :: k < known -> flying[k] = met[k]
#else
       :: k < known -> flying[k] = met[k] && in[k]
#endif
#ifdef NO_TAIL
       :: else -> flying[k] = 0
#else
       :: else -> flying[k] = in[k]
#endif
       fi;
       if :: flying[k] && USER(k) == 0 -> expected++ :: else -> skip fi;
       k++
    :: else -> break
    od; k = 0 }
  atomic { /* the database: rows up to `last` that are not in flight */
    do
    :: k < last ->
       if :: USER(k) == 0 && out[k] == SETTLED && !flying[k] -> expected++ :: else -> skip fi; k++
    :: else -> break
    od; k = 0;
    assert(counted - expected == count_off) }
  atomic { count0 = count0 - (counted - expected); count_off = 0; mended++ }
}
#endif

init {
  byte k;
  short rows;
  atomic {
    k = 0; do :: k < ENTRIES -> run claimer(); run consumer(k); k++ :: else -> break od;
    k = 0; do :: k < FIXERS -> run fixer(); k++ :: else -> break od;
    k = 0; do :: k < RESTOCKS -> run restock(); k++ :: else -> break od; k = 0
  }
  timeout -> /* at rest */
  atomic {
    rows = 0;
    do :: k < ENTRIES -> assert(!in[k]); if :: out[k] == SETTLED -> rows++ :: else -> skip fi; k++ :: else -> break od;
#ifndef COUNTS
    assert(mended > 0 && stock + rows == total);
#else
    rows = 0; k = 0;
    do :: k < ENTRIES -> if :: out[k] == SETTLED && USER(k) == 0 -> rows++ :: else -> skip fi; k++ :: else -> break od;
    assert(mended > 0 && count0 == rows);
#endif
    assert(inflight == 0)
  }
}
