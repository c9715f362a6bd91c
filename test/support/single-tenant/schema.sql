-- A deployment of one organization, in the words of an agent platform that had no tenants: what is there when it outgrows that.
create schema shaman;
create table shaman.app_user (
  id            serial primary key,
  email         varchar(320) not null,
  display_name  varchar(200),
  access_level  varchar(20) not null default 'viewer',
  is_active     boolean not null default true,
  sso_subject   text,
  password_hash text,
  created_at    timestamp not null default now()
);
create table shaman.git_credential (
  credential_id uuid primary key,
  label         text not null,
  service       text not null,
  access_token  text not null,
  created_at    timestamptz not null
);
create table shaman.agent_repository (
  id            bigserial primary key,
  name          text not null unique,
  git_url       text not null,
  default_branch text,
  notes         text,
  credential_id uuid references shaman.git_credential,
  created_at    timestamptz not null
);
create table shaman.git_agent (
  id            bigserial primary key,
  repository_id bigint not null references shaman.agent_repository,
  name          text not null unique,
  description   text,
  created_at    timestamptz not null
);
create table shaman.workflow_run (
  id            text primary key,
  agent_id      bigint,
  started_by    integer,
  state         text not null,
  input         jsonb,
  result        jsonb,
  error_message text,
  tokens        integer not null default 0,
  cost_usd      numeric(12, 6) not null default 0,
  created_at    timestamp not null,
  started_at    timestamp,
  ended_at      timestamp
);

insert into shaman.app_user (id, email, display_name, access_level, is_active, sso_subject, password_hash, created_at) values
  (1, 'Olivia@initech.example', 'Olivia Owner', 'superuser', true, 'sub-olivia', 'x', '2024-01-02 09:00:00'),
  (2, 'adam@initech.example', 'Adam Admin', 'admin', true, 'sub-adam', 'x', '2024-02-02 09:00:00'),
  (3, 'dora@initech.example', 'Dora Developer', 'operator', true, null, 'x', '2024-03-02 09:00:00'),
  (4, 'vic@initech.example', null, 'viewer', true, null, 'x', '2024-04-02 09:00:00'),
  (5, 'gone@initech.example', 'Gina Gone', 'operator', false, 'sub-gina', 'x', '2024-05-02 09:00:00');
insert into shaman.git_credential values
  ('0b6f3a52-2f8e-4c43-9a57-5a0c5a1f0001', 'GitHub deploy key', 'github', 'ghp_singletenant0123456789abcdef', '2024-01-03 10:00:00+00'),
  ('0b6f3a52-2f8e-4c43-9a57-5a0c5a1f0002', 'GitLab', 'gitlab', 'glpat-singletenant-9876543210', '2024-01-04 10:00:00+00');
insert into shaman.agent_repository (id, name, git_url, default_branch, notes, credential_id, created_at) values
  (10, 'support-bots', 'https://git.initech.example/support-bots.git', 'main', 'Answers customers', '0b6f3a52-2f8e-4c43-9a57-5a0c5a1f0001', '2024-01-05 10:00:00+00'),
  (11, 'reports', 'git@git.initech.example:team/reports.git', null, null, null, '2024-01-06 10:00:00+00');
insert into shaman.git_agent (id, repository_id, name, description, created_at) values
  (100, 10, 'CustomerSupport', 'Answers tickets', '2024-01-07 10:00:00+00'),
  (101, 10, 'Triage', null, '2024-01-08 10:00:00+00'),
  (102, 11, 'TpsReport', 'Writes the cover sheet', '2024-01-09 10:00:00+00');
insert into shaman.workflow_run
select 'wf-' || n, case when n % 97 = 0 then 999 else 100 + n % 3 end, case when n % 50 = 0 then null else 1 + n % 4 end,
  case n % 5 when 0 then 'error' when 4 then 'cancelled' else 'completed' end,
  jsonb_build_object('ticket', n, 'nested', jsonb_build_object('b', 1, 'a', 'ü')),
  case when n % 5 in (1, 2, 3) then jsonb_build_array(n, null, true) end,
  case when n % 5 = 0 then 'It broke: ' || n end,
  n * 10, n * 0.000123, timestamp '2024-06-01 00:00:00' + n * interval '1 hour',
  timestamp '2024-06-01 00:00:05' + n * interval '1 hour', timestamp '2024-06-01 00:01:00.123456' + n * interval '1 hour'
from generate_series(1, 1300) as n;
insert into shaman.workflow_run (id, agent_id, started_by, state, tokens, cost_usd, created_at, started_at)
  values ('wf-open', 100, 3, 'running', 0, 0, '2024-09-01 00:00:00', '2024-09-01 00:00:05');
