-- Machines of the deployment that work on runs of whichever organization lets them. Such a machine belongs to none, and its token
-- claims and does nothing else: what it works on it is told by each claim.
create table executor (
  id           text primary key,
  name         text not null,
  -- Which runs it works on: those whose agent names the same.
  pool         text not null,
  token_hash   text not null,
  last_four    text not null,
  created_by   text not null references person (id),
  created_at   timestamptz(3) not null default current_timestamp,
  rotated_at   timestamptz(3) not null default current_timestamp,
  last_used_at timestamptz(3),
  revoked_at   timestamptz(3)
);
create unique index executor_name_key on executor (name) where revoked_at is null;
create index executor_created_by_idx on executor (created_by);
grant select, insert, update (token_hash, last_four, rotated_at, last_used_at, revoked_at) on executor to orgate_directory;
call orgate_record('executor', org_column => '', secret => '{token_hash}', silent => '{last_used_at}');
