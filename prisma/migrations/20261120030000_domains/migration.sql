-- Domains that organizations claim. Several may claim one; the one that proved it holds it, by a row of `address`, whose
-- key is unique across organizations.

create table organization_domain (
  org_id        text not null references organization (id) on delete cascade,
  id            text not null,
  name          text not null check (name = lower(name)),
  status        text not null default 'PENDING' check (status in ('PENDING', 'VERIFIED', 'LAPSED')),
  challenge     text not null,
  held_name     text,
  verified_at   timestamptz(3),
  checked_at    timestamptz(3),
  check_found   text[] not null default '{}',
  check_problem text check (check_problem in
    ('NO_SUCH_NAME', 'NO_TXT_RECORD', 'OTHER_VALUE', 'SERVER_FAILURE', 'TIMEOUT', 'HELD_BY_ANOTHER')),
  misses        integer not null default 0,
  next_check_at timestamptz(3),
  joining       text not null default 'MANUAL' check (joining in ('MANUAL', 'SUGGEST', 'AUTO')),
  joining_role  text not null default 'VIEWER' check (joining_role in ('VIEWER', 'DEVELOPER')),
  created_at    timestamptz(3) not null default current_timestamp,
  updated_at    timestamptz(3) not null default current_timestamp,
  primary key (org_id, id),
  constraint organization_domain_org_id_name_key unique (org_id, name),
  constraint held_while_verified check (held_name is not distinct from case when status = 'VERIFIED' then name end),
  constraint organization_domain_org_id_held_name_fkey
    foreign key (org_id, held_name) references address (org_id, name) deferrable initially deferred
);
create index organization_domain_next_check_at_idx on organization_domain (next_check_at) where status = 'VERIFIED';
call orgate_isolate('organization_domain');

-- The directory finds those whose daily check is due, and says when the next one is; what was found is the organization's.
grant select (org_id, id, name, status, next_check_at, joining), update (next_check_at) on organization_domain
  to orgate_directory;
create policy directory_read on organization_domain for select to orgate_directory using (true);
create policy directory_schedule on organization_domain for update to orgate_directory using (true) with check (true);

-- A slug is a single label, a domain has several: the two kinds of names never meet.
alter table address drop constraint address_kind_check;
alter table address add constraint address_kind_check check (kind in ('SLUG', 'DOMAIN'));
alter table address add constraint address_kind_name_check check ((kind = 'DOMAIN') = (name like '%.%'));

-- An organization takes and gives up domains; slugs it only renames.
grant insert (name, kind, org_id), delete on address to orgate_app;
create policy only_domains_are_taken on address as restrictive for insert to orgate_app with check (kind = 'DOMAIN');
create policy only_domains_are_given_up on address as restrictive for delete to orgate_app using (kind = 'DOMAIN');
create policy only_slugs_are_renamed on address as restrictive for update to orgate_app using (kind = 'SLUG');
