-- Who was made a system administrator, by whom and why. Only the database's owner reads or writes it: there is no way to it
-- through the gateway.
create table system_admin_grant (
  id            text primary key,
  person_id     text not null references person (id),
  granted_by    text not null,
  granted_at    timestamptz(3) not null default current_timestamp,
  reason        text not null,
  revoked_by    text,
  revoked_at    timestamptz(3),
  revoke_reason text
);
create index system_admin_grant_person_id_idx on system_admin_grant (person_id);

-- Nothing that the gateway does makes anyone who is known an administrator.
revoke update on person from orgate_directory;
grant update (email, name, status, default_org_id, email_verified_at, updated_at) on person to orgate_directory;
