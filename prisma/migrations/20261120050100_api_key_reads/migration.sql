-- The directory finds a key and its owner. What the organization calls it, and who made it, is the organization's own.
revoke select on api_key from orgate_directory;
grant select (org_id, id, owner_id, permissions, secret_hash, created_at, expires_at, expiry_told_at, last_used_at, revoked_at)
  on api_key to orgate_directory;
