-- Roles. They cannot log in, own nothing and bypass nothing: orgate_app acts inside one organization,
-- orgate_directory does the few named reads and writes outside any one. Roles belong to the whole cluster, so two
-- databases that migrate at the same moment may race here; whoever comes second finds them made.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['orgate_app', 'orgate_directory'] loop
    if not exists (select from pg_roles where rolname = wanted) then
      begin
        execute format('create role %I nologin nosuperuser nobypassrls nocreatedb nocreaterole noinherit', wanted);
      exception when duplicate_object or unique_violation then
        null;
      end;
    end if;
  end loop;
end $$;

grant usage on schema public to orgate_app, orgate_directory;
-- So that the gateway's own login can tell which migrations were applied.
grant select on _prisma_migrations to orgate_directory;

-- The one line that a new org-owned table needs: row-level security that also binds the table's owner, one policy
-- for every command, and the application's grants. '' and NULL both mean "no organization", and match no row.
create procedure orgate_isolate(isolated text, org_column text default 'org_id')
language plpgsql
set search_path = public, pg_temp
as $$
begin
  execute format('alter table %I enable row level security', isolated);
  execute format('alter table %I force row level security', isolated);
  execute format(
    'create policy isolation on %1$I for all to orgate_app
       using (%2$I = (select nullif(current_setting(''app.org_id'', true), '''')))
       with check (%2$I = (select nullif(current_setting(''app.org_id'', true), '''')))',
    isolated, org_column);
  execute format('grant select, insert, update, delete on %I to orgate_app', isolated);
end $$;
revoke all on procedure orgate_isolate(text, text) from public;

-- Global: people, once, whatever organizations they belong to. The application's role never sees these two tables.

create table person (
  id             text primary key,
  email          text not null unique check (email = lower(email)),
  name           text not null,
  system_role    text not null default 'USER' check (system_role in ('USER', 'SYSTEM_ADMIN')),
  status         text not null default 'ACTIVE' check (status in ('ACTIVE', 'DISABLED')),
  default_org_id text,
  created_at     timestamptz(3) not null default current_timestamp,
  updated_at     timestamptz(3) not null default current_timestamp
);
grant select, insert, update on person to orgate_directory;

create table identity (
  issuer     text not null,
  subject    text not null,
  person_id  text not null references person (id),
  created_at timestamptz(3) not null default current_timestamp,
  primary key (issuer, subject)
);
create index identity_person_id_idx on identity (person_id);
grant select, insert on identity to orgate_directory;

-- The organization: visible to itself only. The directory finds it, and makes it, but reads no tenant data of it.

create table organization (
  id                    text primary key,
  name                  text not null,
  slug                  text not null,
  description           text not null default '',
  status                text not null default 'ACTIVE' check (status in ('ACTIVE', 'SUSPENDED')),
  default_model         text,
  default_provider      text,
  max_concurrent_runs   integer not null default 10 check (max_concurrent_runs between 1 and 10000),
  external_agent_policy text not null default 'DENY' check (external_agent_policy in ('DENY', 'ALLOWED_DOMAINS', 'ALLOW')),
  allowed_domains       text[] not null default '{}',
  feature_flags         jsonb not null default '{}',
  plan                  text not null default 'FREE' check (plan in ('FREE', 'TEAM', 'ENTERPRISE')),
  subscription_status   text not null default 'ACTIVE' check (subscription_status in ('TRIALING', 'ACTIVE', 'PAST_DUE', 'CANCELLED')),
  seat_limit            integer check (seat_limit > 0),
  lock_version          integer not null default 0,
  created_at            timestamptz(3) not null default current_timestamp,
  updated_at            timestamptz(3) not null default current_timestamp,
  constraint organization_id_slug_key unique (id, slug)
);
call orgate_isolate('organization', 'id');
revoke insert, delete on organization from orgate_app;
grant select (id, name, slug, status, created_at), insert on organization to orgate_directory;
create policy directory_read on organization for select to orgate_directory using (true);
create policy directory_create on organization for insert to orgate_directory with check (true);

-- Names that are unique across organizations live here and nowhere else. An organization sees and renames its own; the
-- directory finds and makes them.
create table address (
  name   text primary key check (name = lower(name)),
  kind   text not null check (kind in ('SLUG')),
  org_id text not null references organization (id) on delete cascade,
  constraint address_org_id_name_key unique (org_id, name)
);
call orgate_isolate('address');
revoke insert, update, delete on address from orgate_app;
grant update (name) on address to orgate_app;
grant select, insert on address to orgate_directory;
create policy directory_read on address for select to orgate_directory using (true);
create policy directory_create on address for insert to orgate_directory with check (true);

alter table organization add constraint organization_id_slug_fkey
  foreign key (id, slug) references address (org_id, name) deferrable initially deferred;

create table membership (
  org_id     text not null references organization (id) on delete cascade,
  user_id    text not null,
  email      text not null check (email = lower(email)),
  name       text not null,
  role       text not null check (role in ('OWNER', 'ADMIN', 'DEVELOPER', 'VIEWER')),
  status     text not null check (status in ('INVITED', 'ACTIVE', 'SUSPENDED', 'REMOVED')),
  granted    text[] not null default '{}',
  withheld   text[] not null default '{}',
  invited_by text,
  joined_at  timestamptz(3),
  created_at timestamptz(3) not null default current_timestamp,
  updated_at timestamptz(3) not null default current_timestamp,
  primary key (org_id, user_id),
  constraint membership_org_id_email_key unique (org_id, email),
  constraint owner_is_whole check (role <> 'OWNER' or withheld = '{}')
);
create index membership_user_id_org_id_idx on membership (user_id, org_id);
call orgate_isolate('membership');
revoke delete on membership from orgate_app;
grant select on membership to orgate_directory;
create policy directory_read on membership for select to orgate_directory using (true);

create table repository (
  org_id         text not null references organization (id) on delete cascade,
  id             text not null,
  name           text not null,
  git_url        text not null,
  branch         text not null default 'main',
  description    text not null default '',
  last_synced_at timestamptz(3),
  created_at     timestamptz(3) not null default current_timestamp,
  updated_at     timestamptz(3) not null default current_timestamp,
  primary key (org_id, id),
  constraint repository_org_id_name_key unique (org_id, name)
);
call orgate_isolate('repository');

create table agent (
  org_id        text not null references organization (id) on delete cascade,
  id            text not null,
  repository_id text not null,
  name          text not null,
  description   text not null default '',
  created_at    timestamptz(3) not null default current_timestamp,
  updated_at    timestamptz(3) not null default current_timestamp,
  primary key (org_id, id),
  constraint agent_org_id_name_key unique (org_id, name),
  constraint agent_org_id_repository_id_fkey foreign key (org_id, repository_id) references repository (org_id, id)
);
create index agent_org_id_repository_id_name_idx on agent (org_id, repository_id, name);
call orgate_isolate('agent');

-- Runs and their usage outlive the agent and the repository: the column list nulls only the reference, never org_id.
create table run (
  org_id            text not null references organization (id) on delete cascade,
  id                text not null,
  agent_id          text,
  repository_id     text,
  created_by        text not null,
  status            text not null default 'QUEUED' check (status in ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
  input             jsonb,
  output            jsonb,
  error             text,
  total_tokens      bigint not null default 0 check (total_tokens >= 0),
  total_cost_micros bigint not null default 0 check (total_cost_micros >= 0),
  idempotency_key   text,
  created_at        timestamptz(3) not null default current_timestamp,
  started_at        timestamptz(3),
  finished_at       timestamptz(3),
  updated_at        timestamptz(3) not null default current_timestamp,
  primary key (org_id, id),
  constraint run_org_id_idempotency_key_key unique (org_id, idempotency_key),
  constraint run_org_id_agent_id_fkey foreign key (org_id, agent_id) references agent (org_id, id) on delete set null (agent_id),
  constraint run_org_id_repository_id_fkey foreign key (org_id, repository_id) references repository (org_id, id) on delete set null (repository_id),
  constraint run_org_id_created_by_fkey foreign key (org_id, created_by) references membership (org_id, user_id)
);
create index run_org_id_status_id_idx on run (org_id, status, id);
create index run_org_id_agent_id_id_idx on run (org_id, agent_id, id);
create index run_org_id_repository_id_id_idx on run (org_id, repository_id, id);
create index run_org_id_created_at_idx on run (org_id, created_at);
call orgate_isolate('run');
