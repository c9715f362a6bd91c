-- Whether the deployment's own people may look in is asked with each of their requests, by a role that reads no other setting.
alter table organization add column support_access text not null
  generated always as (coalesce(settings ->> 'support.access', 'READ')) stored
  check (support_access in ('READ', 'ON_GRANT', 'DENIED'));
grant select (support_access) on organization to orgate_directory;
call orgate_record('organization', org_column => 'id',
  silent => '{lock_version,default_model,default_provider,external_agent_policy,support_access,purged_to}');

-- What an OWNER allows the deployment's own people, for a while.
create table support_access_grant (
  org_id     text not null references organization (id) on delete cascade,
  id         text not null,
  scope      text not null check (scope in ('READ', 'WRITE')),
  granted_by text not null,
  expires_at timestamptz(3) not null,
  revoked_at timestamptz(3),
  created_at timestamptz(3) not null default current_timestamp,
  primary key (org_id, id),
  constraint support_access_grant_org_id_granted_by_fkey foreign key (org_id, granted_by) references membership (org_id, user_id)
);
create index support_access_grant_org_id_expires_at_idx on support_access_grant (org_id, expires_at);
create index support_access_grant_org_id_granted_by_idx on support_access_grant (org_id, granted_by);
call orgate_isolate('support_access_grant');
grant select on support_access_grant to orgate_directory;
create policy directory_read on support_access_grant for select to orgate_directory using (true);

-- A system administrator who acts as a member. They are told by name and address, since no organization reads who they are.
create table impersonation (
  org_id      text not null references organization (id) on delete cascade,
  id          text not null,
  actor_id    text not null,
  actor_name  text not null,
  actor_email text not null,
  user_id     text not null,
  reason      text not null,
  -- The most that it could do at any time.
  scope       text not null check (scope in ('READ', 'WRITE')),
  -- The administrator's own session that it began in: it ends with that. Null where another issuer's token was presented.
  session_id  text,
  expires_at  timestamptz(3) not null,
  ended_at    timestamptz(3),
  created_at  timestamptz(3) not null default current_timestamp,
  primary key (org_id, id),
  constraint impersonation_org_id_user_id_fkey foreign key (org_id, user_id) references membership (org_id, user_id)
);
create index impersonation_org_id_expires_at_idx on impersonation (org_id, expires_at);
create index impersonation_org_id_user_id_idx on impersonation (org_id, user_id);
create index impersonation_actor_id_id_idx on impersonation (actor_id, id);
call orgate_isolate('impersonation', is_recorded => false);
call orgate_record('impersonation', silent => '{session_id}');
revoke delete on impersonation from orgate_app;
grant select on impersonation to orgate_directory;
create policy directory_read on impersonation for select to orgate_directory using (true);
