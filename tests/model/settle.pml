/* Two consumers settle the same claim (the message and its duplicate) while a restock is under way: the snapshot rule.
 *
 * PostgreSQL gives a statement the snapshot of its beginning. settle_claims takes the user locks in a first statement and
 * reads only in later ones. -DONE_STATEMENT takes that guard out: the snapshot predates the wait for the lock, and a claim
 * ends both as a row and as a refusal (INV-3).
 */
bit row, refusal, lock, entry = 1;
byte settled = 1, total = 1, finished;
short stock = -1; /* a phantom unit was given: the claim in question */

inline read_outcomes() { atomic { saw_row = row; saw_refusal = refusal } }
inline take_lock() { atomic { lock == 0 -> lock = 1 } }

proctype consumer() {
  bit saw_row, saw_refusal, won;
#ifdef ONE_STATEMENT
  read_outcomes(); take_lock();
#else
  take_lock(); read_outcomes();
#endif
  atomic {
    if
    :: saw_row -> won = 1
    :: !saw_row && saw_refusal -> won = 0
    :: else -> if
               :: settled < total -> settled++; row = 1; won = 1
               :: else -> refusal = 1; won = 0
               fi
    fi
  }
  lock = 0; /* commit */
  atomic { /* finish */
    if
    :: entry -> entry = 0; stock = (won -> stock : stock + 1)
    :: else -> skip
    fi;
    finished++
  }
}

proctype restock() { total++; stock++ }

init {
  atomic { run consumer(); run consumer(); run restock() }
  timeout -> assert(!(row && refusal)); assert(settled <= total); assert(stock + settled == total)
}
