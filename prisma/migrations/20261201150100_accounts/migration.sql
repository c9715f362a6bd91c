-- Agencies and enterprises, outside any organization: the application's role sees neither of these two tables.
create table account (
  id         text primary key,
  name       text not null,
  created_at timestamptz(3) not null default current_timestamp
);
-- The right to change a row is the right to hold it: whoever counts its administrators, or acts as one, does.
grant select, insert, update (name) on account to orgate_directory;
call orgate_record('account', org_column => '');

create table account_administrator (
  account_id text not null references account (id),
  person_id  text not null references person (id),
  created_at timestamptz(3) not null default current_timestamp,
  primary key (account_id, person_id)
);
create index account_administrator_person_id_account_id_idx on account_administrator (person_id, account_id);
grant select, insert, update (created_at), delete on account_administrator to orgate_directory;
call orgate_record('account_administrator', key_column => 'person_id', org_column => '');

-- That an organization belongs to an account, or is offered to it. It is the organization's: offered and taken back there, by its own;
-- an administrator takes it from outside, by the one statement that finds them to be one. No key of an organization leads out of it;
-- accounts are never deleted.
create table account_organization (
  org_id      text primary key references organization (id) on delete cascade,
  account_id  text not null,
  status      text not null default 'OFFERED' check (status in ('OFFERED', 'ACCEPTED')),
  created_at  timestamptz(3) not null default current_timestamp,
  accepted_at timestamptz(3),
  constraint account_organization_accepted_at_check check ((status = 'ACCEPTED') = (accepted_at is not null))
);
create index account_organization_account_id_org_id_idx on account_organization (account_id, org_id);
call orgate_isolate('account_organization', is_recorded => false);
call orgate_record('account_organization', key_column => 'account_id', silent => '{accepted_at}');
revoke update on account_organization from orgate_app;
create policy only_offers on account_organization as restrictive for insert to orgate_app with check (status = 'OFFERED');
grant select, insert, update (status, accepted_at), delete on account_organization to orgate_directory;
create policy directory_takes on account_organization for all to orgate_directory using (true) with check (true);
