-- The coupon, and the log of what was done to it.

-- One hot row per coupon: settle_claims adds to issue_num once per batch. No index but the key, and room on the page, so
-- that every such update is a heap-only one.
CREATE TABLE coupon (
  id               bigint         CONSTRAINT coupon_pkey PRIMARY KEY,
  name             text           NOT NULL,
  status           text           NOT NULL DEFAULT 'draft',
  issue_begin_time timestamptz(3) NOT NULL,
  issue_end_time   timestamptz(3) NOT NULL,
  total_num        bigint         NOT NULL, -- the limit that settle_claims holds
  target_total     bigint         NOT NULL, -- what Redis is told; below total_num only while a cut is under way
  issue_num        bigint         NOT NULL DEFAULT 0, -- settled claims; changes in the transaction that inserts their rows
  user_limit       integer        NOT NULL,
  max_inflight     bigint         NOT NULL,
  epoch            integer        NOT NULL DEFAULT 1, -- rises when Redis lost its data: claims of an older one are refused
  version          bigint         NOT NULL DEFAULT 1, -- rises with every operation: Redis ignores what it has seen
  publish_version  bigint         NOT NULL DEFAULT 0, -- the version that the publish allocated, 0 = never published
  CONSTRAINT coupon_id_positive CHECK (id > 0),
  CONSTRAINT coupon_name_1_to_200 CHECK (char_length(name) BETWEEN 1 AND 200),
  CONSTRAINT coupon_status_known CHECK (status IN ('draft', 'issuing', 'paused', 'ended', 'purged')),
  CONSTRAINT coupon_window_in_order CHECK (issue_begin_time < issue_end_time),
  -- Below 10^11 milliseconds: somebody gave seconds.
  CONSTRAINT coupon_window_not_in_seconds CHECK (issue_begin_time >= to_timestamp(100000000)),
  CONSTRAINT coupon_total_1_to_10e12 CHECK (total_num BETWEEN 1 AND 1000000000000),
  CONSTRAINT coupon_target_at_most_total CHECK (target_total BETWEEN 1 AND total_num),
  CONSTRAINT coupon_never_oversold CHECK (issue_num BETWEEN 0 AND total_num), -- INV-1
  CONSTRAINT coupon_user_limit_1_to_10e6 CHECK (user_limit BETWEEN 1 AND 1000000),
  CONSTRAINT coupon_max_inflight_positive CHECK (max_inflight > 0),
  CONSTRAINT coupon_epoch_positive CHECK (epoch > 0),
  CONSTRAINT coupon_versions_in_order CHECK (version > 0 AND publish_version BETWEEN 0 AND version)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- A coupon as the programs see it: times in milliseconds.
CREATE VIEW coupon_state AS
SELECT id, name, status, epoch, version, publish_version, total_num, target_total, issue_num, user_limit,
       (extract(epoch FROM issue_begin_time) * 1000)::bigint AS begin_ms,
       (extract(epoch FROM issue_end_time) * 1000)::bigint AS end_ms,
       max_inflight
FROM coupon;

-- One row per version: the operation, who did it, and the coupon as it became.
CREATE TABLE coupon_event (
  coupon_id    bigint       NOT NULL,
  version      bigint       NOT NULL,
  operation    text         NOT NULL,
  actor        text         NOT NULL DEFAULT current_setting('application_name'),
  happened_at  timestamptz  NOT NULL DEFAULT clock_timestamp(),
  state        coupon_state NOT NULL,
  CONSTRAINT coupon_event_pkey PRIMARY KEY (coupon_id, version),
  CONSTRAINT coupon_event_coupon_fkey FOREIGN KEY (coupon_id) REFERENCES coupon (id),
  CONSTRAINT coupon_event_operation_known CHECK (operation IN
    ('create', 'publish', 'pause', 'resume', 'end', 'update', 'complete_cut', 'rebuild', 'purge'))
);
