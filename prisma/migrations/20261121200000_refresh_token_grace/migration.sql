-- Two tabs may use one refresh token at the same moment: for a few seconds the one that was replaced gives the same
-- successor again. That is made from it and from a salt, so that nobody reads a token here.
alter table refresh_token
  add column replaced_hash text,
  add column replaced_at timestamptz(3),
  add column salt text;
