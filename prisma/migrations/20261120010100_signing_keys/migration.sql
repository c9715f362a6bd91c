-- Global: what orgate signs access tokens with. The private half is sealed under ORGATE_SECRET_KEY.
create table signing_key (
  -- Counted up by whoever makes the next key, so that of several replicas one makes it.
  generation  integer primary key check (generation > 0),
  kid         text not null,
  public_key  jsonb not null,
  private_key text not null,
  -- A key signs from here on until the next one does.
  signs_from  timestamptz(3) not null,
  created_at  timestamptz(3) not null default current_timestamp,
  constraint signing_key_kid_key unique (kid)
);
grant select, insert, delete on signing_key to orgate_directory;
