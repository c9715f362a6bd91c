-- Work that nobody can read, since what it is sealed under is lost or it was never whole, was tried for ever. It is given up, and stays
-- where it shows; whoever mends it lets it go on.
alter table due_work add column given_up_at timestamptz(3),
  -- Nobody takes what is stopped; it does not go on with its organization.
  add constraint due_work_given_up_check check (given_up_at is null or stopped);
grant select (given_up_at) on due_work to orgate_directory;
drop index due_work_stopped_org_id_idx;
create index due_work_stopped_org_id_idx on due_work (stopped, org_id) where stopped and given_up_at is null;
create index due_work_kind_given_up_at_idx on due_work (kind, given_up_at) where given_up_at is not null;
