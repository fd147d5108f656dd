-- The outcomes of claims: a row in user_coupon (settled) or a row in claim_rejection (refused), never both (INV-3).
-- Written by settle_claims only; pruned by purge_coupon only.

-- The claim id is the key. No foreign key to coupon: it would cost a lookup and a lock per row, and no row is inserted
-- without the coupon's own row having been updated in the same transaction.
CREATE TABLE user_coupon (
  id          bigint      GENERATED ALWAYS AS IDENTITY (CACHE 100), -- a short handle for people; has gaps, proves nothing
  coupon_id   bigint      NOT NULL,
  user_id     bigint      NOT NULL,
  entry_ms    bigint      NOT NULL,
  entry_seq   bigint      NOT NULL,
  claimed_at  timestamptz NOT NULL, -- the entry's time: Redis' clock
  settled_at  timestamptz NOT NULL,
  epoch       integer     NOT NULL,
  entry_index integer     NOT NULL,
  ordinal     integer     NOT NULL, -- the user's how-manieth: 1..user_limit
  status      text        NOT NULL DEFAULT 'received',
  CONSTRAINT user_coupon_claim_key PRIMARY KEY (coupon_id, epoch, entry_ms, entry_seq, entry_index),
  CONSTRAINT user_coupon_ordinal_key UNIQUE (coupon_id, user_id, ordinal), -- INV-2; the seed's (user_id, coupon_id) at limit 1
  CONSTRAINT user_coupon_ids_positive CHECK (coupon_id > 0 AND user_id > 0 AND epoch > 0),
  CONSTRAINT user_coupon_entry_not_negative CHECK (entry_ms >= 0 AND entry_seq >= 0 AND entry_index >= 0),
  CONSTRAINT user_coupon_ordinal_from_1 CHECK (ordinal >= 1),
  CONSTRAINT user_coupon_status_known CHECK (status = 'received')
);

CREATE TABLE claim_rejection (
  coupon_id   bigint      NOT NULL,
  user_id     bigint      NOT NULL,
  entry_ms    bigint      NOT NULL,
  entry_seq   bigint      NOT NULL,
  rejected_at timestamptz NOT NULL,
  epoch       integer     NOT NULL,
  entry_index integer     NOT NULL,
  reason      text        NOT NULL,
  CONSTRAINT claim_rejection_claim_key PRIMARY KEY (coupon_id, epoch, entry_ms, entry_seq, entry_index),
  CONSTRAINT claim_rejection_ids_positive CHECK (coupon_id > 0 AND user_id > 0 AND epoch > 0),
  CONSTRAINT claim_rejection_entry_not_negative CHECK (entry_ms >= 0 AND entry_seq >= 0 AND entry_index >= 0),
  CONSTRAINT claim_rejection_reason_known CHECK (reason IN
    ('over_limit', 'out_of_stock', 'stale_epoch', 'unknown_coupon', 'rejected'))
);

-- Every claim with an outcome; refusal is NULL where it settled.
CREATE VIEW claim_outcome AS
SELECT coupon_id, epoch, entry_ms, entry_seq, entry_index, user_id, NULL::text AS refusal, settled_at AS decided_at
FROM user_coupon
UNION ALL
SELECT coupon_id, epoch, entry_ms, entry_seq, entry_index, user_id, reason, rejected_at
FROM claim_rejection;
