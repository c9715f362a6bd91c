-- Links to all that an organization has, for the OWNER who asked for one. What it leads to is nowhere kept.
create table organization_export (
  org_id     text not null references organization (id) on delete cascade,
  id         text not null,
  maker_id   text not null,
  expires_at timestamptz(3) not null,
  -- When it had been read to its end; from then on it leads nowhere.
  read_at    timestamptz(3),
  created_at timestamptz(3) not null default current_timestamp,
  primary key (org_id, id)
);
call orgate_isolate('organization_export');
