-- Links to a record were kept for ever. They go a day after they are over; what they were stands in the record.
alter table audit_export no force row level security;
alter table due_work no force row level security;
insert into due_work (org_id, id, kind, subject, due_at)
select org_id, replace(id, 'exp_', 'due_'), 'audit-export-lapses', id, expires_at + interval '1 day' from audit_export;
alter table audit_export force row level security;
alter table due_work force row level security;
