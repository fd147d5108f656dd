-- The functions by name. Flags: `no-writes` reads only; `allow-oom` works at maxmemory, for what frees memory or repairs;
-- none: refused at maxmemory before anything is written.

register('claim', {}, claim)
register('rebuild_load_stock', {}, rebuild_load_stock)
register('rebuild_load_users', {}, rebuild_load_users)

register('finish', { 'allow-oom' }, finish)
register('apply_state', { 'allow-oom' }, apply_state)
register('reconcile_fix', { 'allow-oom' }, reconcile_fix)
register('user_counts_fix', { 'allow-oom' }, user_counts_fix)
register('rebuild_freeze', { 'allow-oom' }, rebuild_freeze)
register('rebuild_begin', { 'allow-oom' }, rebuild_begin)
register('rebuild_clear_users', { 'allow-oom' }, rebuild_clear_users)
register('rebuild_open', { 'allow-oom' }, rebuild_open)
register('mark_ready', { 'allow-oom' }, mark_ready)
register('mark_dead', { 'allow-oom' }, mark_dead)
register('unmark_dead', { 'allow-oom' }, unmark_dead)
register('mark_suspect', { 'allow-oom' }, mark_suspect)
register('retire_coupon', { 'allow-oom' }, retire_coupon)
register('purge_coupon', { 'allow-oom' }, purge_coupon)

register('reconcile_counters', { 'no-writes' }, reconcile_counters)
register('reconcile_snapshot', { 'no-writes' }, reconcile_snapshot)
register('user_counts', { 'no-writes' }, user_counts)
register('entry_view', { 'no-writes' }, entry_view)
register('claim_view', { 'no-writes' }, claim_view)
register('coupon_view', { 'no-writes' }, coupon_view)
register('flashclaim_version', { 'no-writes' }, flashclaim_version)
