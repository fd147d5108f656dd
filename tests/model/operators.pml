/* Two operators change the total of one coupon while it is sold: cut, restock, the take-back of a cut that Redis finds too
 * deep, the completion of a cut, a death at any point, and the reconciler that tells Redis what the dead one had to.
 *
 * Every write of the database is compare-and-set on the version that its writer read. At rest Redis and the database must
 * have the same total, stock and settled claims must add up to it, nothing accepted was refused, and the total is the one
 * of the last operator who was told that it is done: no restock is lost. -DNO_CAS takes the comparison out of update and
 * take-back, -DNO_CAS_BACK out of the take-back alone, -DNO_CAS_COMPLETE out of the completion of a cut.
 * -DCRASHES=n: so many deaths.   Abstractions: a round trip is atomic; a claim is one unit, and they settle in their order.
 */
#ifndef CRASHES
#define CRASHES 0
#endif
#define NOBODY 0
#define DONE 1
#define REFUSED 2 /* nothing was done, or it was taken back: the operator knows */
#define OVERTAKEN 3
#define DEAD 4

typedef Coupon { byte version; short target; short total };

Coupon db;                       /* a coupon of 4, of which 2 are settled */
short settled = 2, accepted = 2; /* in all; the difference is in flight */
byte redis_version;
short redis_total, stock;
byte crashes, ended;
byte outcome[3], wrote[3];      /* of operators 1 and 2, and the version of their update */
short wish[3];

#define SEEN(state) (db.version == state.version)
#ifdef NO_CAS
#define UPDATES(state) true
#define TAKES_BACK(state) true
#else
#define UPDATES(state) SEEN(state)
#ifdef NO_CAS_BACK
#define TAKES_BACK(state) true
#else
#define TAKES_BACK(state) SEEN(state)
#endif
#endif
#ifdef NO_CAS_COMPLETE
#define COMPLETES(state) true
#else
#define COMPLETES(state) SEEN(state)
#endif

inline copy(to, from) { to.version = from.version; to.target = from.target; to.total = from.total }
inline write(new_target) {
  db.version < 20; /* more is a quarrel without end, which only a model without a guard knows */
  db.target = new_target;
  if :: db.total < db.target -> db.total = db.target :: else fi;
  db.version++
}

/* apply_state, then the take-back where it said SHORT, or another look at the database; until what was told is the last. */
inline tell(state) {
  told = 0;
  do
  :: told -> break
  :: else ->
    atomic {
      short_of = 0;
      if
      :: state.version <= redis_version -> skip
      :: state.version > redis_version && stock + state.target - redis_total < 0 -> short_of = 1
      :: else -> stock = stock + state.target - redis_total; redis_total = state.target; redis_version = state.version
      fi
    };
    maybe_die();
    if
    :: short_of ->
      atomic {
        if
        :: TAKES_BACK(state) -> write(state.total); taken_back = 1
        :: else -> overtaken = 1
        fi;
        copy(state, db)
      }
    :: else ->
      atomic {
        if
        :: db.version <= state.version -> told = 1
        :: else -> copy(state, db); overtaken = 1
        fi
      }
    fi;
    maybe_die()
  od
}

inline maybe_die() {
  if
  :: atomic { mortal && crashes < CRASHES -> crashes++; outcome[me] = DEAD }; goto end
  :: true
  fi
}

proctype operator(byte me) {
  Coupon mine;
  bit told, short_of, taken_back, overtaken, mortal = 1;
  short last;
  if
  :: wish[me] = 1
  :: wish[me] = 3
  :: wish[me] = 6
  fi;
  atomic { copy(mine, db) };
  if /* another cut is under way */
  :: mine.target < mine.total && wish[me] < mine.total && wish[me] != mine.target -> outcome[me] = REFUSED; goto end
  :: else
  fi;
  atomic {
    if
    :: !(UPDATES(mine)) || wish[me] < settled || db.target == wish[me] -> outcome[me] = REFUSED; goto end
    :: else -> write(wish[me]); wrote[me] = db.version; copy(mine, db)
    fi
  };
  maybe_die();
  tell(mine);
  if
  :: overtaken && mine.target != wish[me] -> outcome[me] = OVERTAKEN; goto end
  :: !(overtaken && mine.target != wish[me]) && taken_back -> outcome[me] = REFUSED; goto end
  :: else
  fi;
  /* finish_cut */
  do
  :: mine.target >= mine.total -> outcome[me] = DONE; break
  :: else ->
    last = accepted;
    settled >= last;
    maybe_die();
    atomic {
      if
      :: COMPLETES(mine) -> db.version < 20; db.total = mine.target; db.target = mine.target; db.version++; copy(mine, db)
      :: else -> copy(mine, db); if :: mine.target != wish[me] -> outcome[me] = OVERTAKEN; goto end :: else fi
      fi
    };
    maybe_die();
    tell(mine);
    if :: mine.target != wish[me] -> outcome[me] = OVERTAKEN; break :: else fi
  od;
end:
  ended++
}

/* Two more claims, when there is stock; each settles some time later. */
proctype seller() {
  byte claims = 2;
  do
  :: claims > 0 && stock > 0 -> atomic { stock > 0 -> stock--; accepted++; claims-- }
  :: settled < accepted -> atomic { assert(settled < db.total); settled++ }
  :: settled == accepted -> break
  od;
  ended++
}

#define TOLD_LAST(a, b) (outcome[a] == DONE && wrote[a] > 0 && !((outcome[b] == DONE || outcome[b] == DEAD) && wrote[b] > wrote[a]))

init {
  Coupon now;
  bit told, short_of, taken_back, overtaken, mortal;
  byte me;
  atomic {
    db.version = 1; db.target = 4; db.total = 4;
    redis_version = 1; redis_total = 4; stock = 2;
    run operator(1); run operator(2); run seller()
  };
  ended == 3 -> copy(now, db);
  tell(now); /* the reconciler */
end:
  assert(redis_total == db.target);
  assert(stock + settled == redis_total && stock >= 0);
  assert(settled <= db.total);
  assert(!TOLD_LAST(1, 2) || db.target == wish[1]);
  assert(!TOLD_LAST(2, 1) || db.target == wish[2])
}
