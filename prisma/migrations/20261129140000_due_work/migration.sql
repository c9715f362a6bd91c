-- Work that is done once it is due, beside the requests: one queue in the place of three. Written in the transaction of its
-- reason, run in the frame of its organization.

create table due_work (
  org_id     text not null references organization (id) on delete cascade,
  id         text not null,
  kind       text not null,
  -- What it is about: of each kind there is one for a subject.
  subject    text not null,
  -- JSON. What is secret in it is sealed.
  payload    text not null default '{}',
  attempts   integer not null default 0,
  -- When somebody may take it: while it is done, when whoever does it has to have said that they still do.
  due_at     timestamptz(3) not null,
  taken_at   timestamptz(3),
  -- When it was wanted again while it was done.
  wanted_at  timestamptz(3),
  -- Of an organization that is not active; found out when it is due.
  stopped    boolean not null default false,
  created_at timestamptz(3) not null default current_timestamp,
  primary key (org_id, id),
  constraint due_work_org_id_kind_subject_key unique (org_id, kind, subject)
);
create index due_work_kind_due_at_idx on due_work (kind, due_at) where not stopped;
create index due_work_kind_org_id_due_at_idx on due_work (kind, org_id, due_at) where not stopped;
create index due_work_kind_attempts_idx on due_work (kind, attempts) where attempts > 0;
create index due_work_stopped_org_id_idx on due_work (stopped, org_id) where stopped;
-- Not recorded: what it is the work of is.
call orgate_isolate('due_work', is_recorded => false);
-- The directory shares it out, and reads none of it.
grant select (org_id, id, kind, attempts, due_at, taken_at, wanted_at, stopped),
  update (attempts, due_at, taken_at, wanted_at, stopped) on due_work to orgate_directory;
create policy directory_read on due_work for select to orgate_directory using (true);
create policy directory_share_out on due_work for update to orgate_directory using (true) with check (true);

-- What the deployment owes, whatever becomes of an organization: it names whom it is about, and belongs to nobody.
create table owed_work (
  id         text primary key,
  kind       text not null,
  subject    text not null,
  attempts   integer not null default 0,
  due_at     timestamptz(3) not null,
  taken_at   timestamptz(3),
  wanted_at  timestamptz(3),
  created_at timestamptz(3) not null default current_timestamp,
  constraint owed_work_kind_subject_key unique (kind, subject)
);
create index owed_work_kind_due_at_idx on owed_work (kind, due_at);
create index owed_work_kind_attempts_idx on owed_work (kind, attempts) where attempts > 0;
grant select, insert, update, delete on owed_work to orgate_directory;

-- What waited in the three, and they go. Row-level security would hide it from the owner.
alter table due_work no force row level security;
alter table outgoing_mail no force row level security;
alter table organization_domain no force row level security;
alter table api_key no force row level security;

insert into due_work (org_id, id, kind, subject, payload, attempts, due_at)
select org_id, replace(id, 'mal_', 'due_'), 'mail', coalesce(invitation_id, id),
  jsonb_build_object('id', id, 'sealed', sealed, 'invitationId', invitation_id)::text, attempts, next_attempt_at
from outgoing_mail
order by id desc
on conflict do nothing;
drop table outgoing_mail;

insert into owed_work (id, kind, subject, due_at)
select replace(id, 'dom_', 'owe_'), 'domain-check', org_id || '/' || id, next_check_at
from organization_domain
where status = 'VERIFIED' and next_check_at is not null;
drop policy directory_schedule on organization_domain;
drop index organization_domain_next_check_at_idx;
alter table organization_domain drop column next_check_at;

insert into due_work (org_id, id, kind, subject, due_at)
select org_id, replace(id, 'key_', 'due_'), 'api-key-ends', id, expires_at - interval '7 days'
from api_key
where revoked_at is null and expiry_told_at is null and expires_at > current_timestamp
  and expires_at > created_at + interval '7 days';
drop index api_key_expires_at_idx;
alter table api_key drop column expiry_told_at;

alter table due_work force row level security;
alter table organization_domain force row level security;
alter table api_key force row level security;
