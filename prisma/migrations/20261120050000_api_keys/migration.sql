-- A service account is a member that is a machine: role rules, rights and references hold for it as they are. It takes
-- no seat, and is never OWNER, so that an organization is always owned by people.
alter table membership add column kind text not null default 'PERSON' check (kind in ('PERSON', 'SERVICE_ACCOUNT'));
alter table membership add constraint owner_is_a_person check (kind = 'PERSON' or role <> 'OWNER');

alter table organization add column api_key_max_days integer not null default 365 check (api_key_max_days between 1 and 3650);

create table api_key (
  org_id        text not null references organization (id) on delete cascade,
  id            text not null,
  name          text not null,
  -- Whose rights it has: the person who made it, or a service account.
  owner_id      text not null,
  permissions   text[] not null,
  secret_hash   text not null,
  last_four     text not null,
  created_by    text not null,
  created_at    timestamptz(3) not null default current_timestamp,
  expires_at    timestamptz(3) not null,
  expiry_told_at timestamptz(3),
  last_used_at  timestamptz(3),
  revoked_at    timestamptz(3),
  primary key (org_id, id),
  constraint api_key_org_id_owner_id_fkey foreign key (org_id, owner_id) references membership (org_id, user_id),
  constraint api_key_org_id_created_by_fkey foreign key (org_id, created_by) references membership (org_id, user_id)
);
create index api_key_org_id_owner_id_id_idx on api_key (org_id, owner_id, id);
create index api_key_org_id_created_by_idx on api_key (org_id, created_by);
-- A key names itself before any organization is known.
create index api_key_id_idx on api_key (id);
create index api_key_expires_at_idx on api_key (expires_at);
call orgate_isolate('api_key');
revoke delete on api_key from orgate_app;
grant select on api_key to orgate_directory;
create policy directory_read on api_key for select to orgate_directory using (true);
