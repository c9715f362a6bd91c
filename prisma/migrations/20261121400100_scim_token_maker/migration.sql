-- To whom the token of a directory was shown: it goes on working when they are removed, so that whoever removes them is told.
alter table scim_directory add column token_made_by text;

alter table scim_directory no force row level security;
update scim_directory set token_made_by = created_by;
alter table scim_directory force row level security;

alter table scim_directory
  alter column token_made_by set not null,
  add constraint scim_directory_org_id_token_made_by_fkey foreign key (org_id, token_made_by) references membership (org_id, user_id);
