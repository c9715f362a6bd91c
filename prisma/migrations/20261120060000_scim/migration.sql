-- A directory that provisions people of an organization over SCIM. It authenticates by a token of its own.
create table scim_directory (
  org_id          text not null references organization (id) on delete cascade,
  id              text not null,
  name            text not null,
  default_role    text not null check (default_role in ('DEVELOPER', 'VIEWER')),
  token_hash      text not null,
  token_last_four text not null,
  created_by      text not null,
  last_used_at    timestamptz(3),
  created_at      timestamptz(3) not null default current_timestamp,
  updated_at      timestamptz(3) not null default current_timestamp,
  primary key (org_id, id),
  constraint scim_directory_org_id_name_key unique (org_id, name),
  constraint scim_directory_org_id_created_by_fkey foreign key (org_id, created_by) references membership (org_id, user_id)
);
-- A token names its directory before any organization is known.
create index scim_directory_id_idx on scim_directory (id);
call orgate_isolate('scim_directory');
grant select (org_id, id, token_hash, last_used_at) on scim_directory to orgate_directory;
create policy directory_read on scim_directory for select to orgate_directory using (true);

-- A membership that a directory made, and how the directory describes its person. Whoever the directory deleted keeps
-- the row, without a user name and without attributes: it says that the directory may bring them back.
create table scim_user (
  org_id       text not null references organization (id) on delete cascade,
  id           text not null,
  directory_id text not null,
  user_id      text not null,
  user_name    text check (user_name = lower(user_name)),
  external_id  text,
  attributes   jsonb not null default '{}',
  -- The status in which the directory itself left the membership. Any other was set by people of the organization.
  left_as      text check (left_as in ('SUSPENDED', 'REMOVED')),
  created_at   timestamptz(3) not null default current_timestamp,
  updated_at   timestamptz(3) not null default current_timestamp,
  primary key (org_id, id),
  constraint scim_user_org_id_user_id_key unique (org_id, user_id),
  constraint scim_user_org_id_directory_id_user_name_key unique (org_id, directory_id, user_name),
  constraint scim_user_org_id_directory_id_fkey foreign key (org_id, directory_id) references scim_directory (org_id, id),
  constraint scim_user_org_id_user_id_fkey foreign key (org_id, user_id) references membership (org_id, user_id)
);
create index scim_user_org_id_directory_id_external_id_idx on scim_user (org_id, directory_id, external_id);
call orgate_isolate('scim_user');

-- A group of a directory, and the role that it gives its members here, if any.
create table scim_group (
  org_id       text not null references organization (id) on delete cascade,
  id           text not null,
  directory_id text not null,
  display_name text not null,
  external_id  text,
  role         text check (role in ('OWNER', 'ADMIN', 'DEVELOPER', 'VIEWER')),
  created_at   timestamptz(3) not null default current_timestamp,
  updated_at   timestamptz(3) not null default current_timestamp,
  primary key (org_id, id),
  constraint scim_group_org_id_directory_id_fkey foreign key (org_id, directory_id) references scim_directory (org_id, id)
);
create index scim_group_org_id_directory_id_display_name_idx on scim_group (org_id, directory_id, display_name);
call orgate_isolate('scim_group');

create table scim_group_member (
  org_id       text not null references organization (id) on delete cascade,
  group_id     text not null,
  scim_user_id text not null,
  primary key (org_id, group_id, scim_user_id),
  constraint scim_group_member_org_id_group_id_fkey foreign key (org_id, group_id) references scim_group (org_id, id),
  constraint scim_group_member_org_id_scim_user_id_fkey foreign key (org_id, scim_user_id) references scim_user (org_id, id)
);
create index scim_group_member_org_id_scim_user_id_idx on scim_group_member (org_id, scim_user_id);
call orgate_isolate('scim_group_member');
