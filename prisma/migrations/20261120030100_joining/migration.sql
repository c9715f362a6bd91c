-- Joining by domain: whoever has an e-mail of a held domain asks to join, or joins.

create table join_request (
  org_id     text not null references organization (id) on delete cascade,
  id         text not null,
  person_id  text not null,
  email      text not null check (email = lower(email)),
  name       text not null,
  domain     text not null,
  status     text not null check (status in ('PENDING', 'APPROVED', 'DECLINED')),
  decided_by text,
  decided_at timestamptz(3),
  created_at timestamptz(3) not null default current_timestamp,
  updated_at timestamptz(3) not null default current_timestamp,
  primary key (org_id, id),
  constraint join_request_org_id_person_id_key unique (org_id, person_id),
  constraint join_request_org_id_decided_by_fkey foreign key (org_id, decided_by) references membership (org_id, user_id)
);
create index join_request_org_id_status_id_idx on join_request (org_id, status, id);
call orgate_isolate('join_request');

-- Who was removed stays out until this says otherwise; it counts once.
alter table membership add column may_rejoin boolean not null default false;

-- The directory tells a person which organization their e-mail's domain leads to, and what became of their own request.
grant select (org_id, person_id, status) on join_request to orgate_directory;
create policy directory_read on join_request for select to orgate_directory using (true);
