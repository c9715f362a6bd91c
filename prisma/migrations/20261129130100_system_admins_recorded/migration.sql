-- Only whoever owns the database writes in the deployment's record who is made a system administrator: what the gateway writes of
-- persons is what its triggers write. No policy names the owner: a copy is restored by another.
create policy directory_grants_nothing on audit_entry as restrictive for insert to orgate_directory
  with check (action not like 'system\_admin.%');

-- What was kept of that so far goes there, too.
alter table audit_entry no force row level security;
alter table audit_unsealed no force row level security;
with kept as (
  select granted_at as at, granted_by as by, 'system_admin.granted' as action, person_id, reason, 'USER' as was, 'SYSTEM_ADMIN' as is
  from system_admin_grant
  union all
  select revoked_at, coalesce(revoked_by, ''), 'system_admin.revoked', person_id, revoke_reason, 'SYSTEM_ADMIN', 'USER'
  from system_admin_grant where revoked_at is not null
), drawn as materialized (
  select nextval('audit_number') as number, kept.* from (select * from kept order by at) as kept
), told as (
  insert into audit_entry (org_id, number, at, actor_kind, actor_name, action, target_type, target_id, target_name, changes, reason)
  select '', d.number, d.at, 'SYSTEM', d.by, d.action, 'person', d.person_id, p.name,
    jsonb_build_object('system_role', jsonb_build_array(d.was, d.is)), d.reason
  from drawn d join person p on p.id = d.person_id
)
insert into audit_unsealed (org_id, number) select '', number from drawn;
alter table audit_entry force row level security;
alter table audit_unsealed force row level security;
drop table system_admin_grant;
