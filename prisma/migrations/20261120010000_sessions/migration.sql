-- Global: a person signs in once and then acts in any of their organizations. Secrets are kept as hashes.

create table session (
  id           text primary key,
  person_id    text not null references person (id),
  -- The identity provider that signed the person in, by id; null where none did.
  provider     text,
  -- An organization's own provider opens that organization only.
  bound_org_id text,
  cookie_hash  text not null,
  user_agent   text,
  created_at   timestamptz(3) not null default current_timestamp,
  last_used_at timestamptz(3) not null default current_timestamp,
  expires_at   timestamptz(3) not null,
  ended_at     timestamptz(3),
  end_reason   text check (end_reason in ('SIGNED_OUT', 'REVOKED', 'TOKEN_REUSED')),
  constraint session_cookie_hash_key unique (cookie_hash),
  constraint session_ends_for_a_reason check ((ended_at is null) = (end_reason is null))
);
create index session_person_id_id_idx on session (person_id, id);
grant select, insert, delete, update (last_used_at, ended_at, end_reason) on session to orgate_directory;

-- One row for each client of a session that renews its access tokens. A refresh token has two parts: the family, which
-- stays, and the secret, which every use replaces; so a token that was used before is known as such.
create table refresh_token (
  family_hash  text primary key,
  session_id   text not null references session (id),
  secret_hash  text not null,
  created_at   timestamptz(3) not null default current_timestamp,
  last_used_at timestamptz(3) not null default current_timestamp
);
create index refresh_token_session_id_idx on refresh_token (session_id);
grant select, insert, update, delete on refresh_token to orgate_directory;
