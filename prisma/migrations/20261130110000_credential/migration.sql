-- Secrets that the work of an organization needs elsewhere.
create table credential (
  org_id       text not null references organization (id) on delete cascade,
  id           text not null,
  kind         text not null check (kind in ('GIT', 'LLM_PROVIDER', 'AGENT', 'INTEGRATION')),
  name         text not null,
  provider     text not null,
  enabled      boolean not null default true,
  config       jsonb not null default '{}',
  -- Sealed under a data key of the organization.
  secret       text not null,
  last_four    text,
  last_used_at timestamptz(3),
  rotated_at   timestamptz(3) not null,
  created_at   timestamptz(3) not null default current_timestamp,
  updated_at   timestamptz(3) not null default current_timestamp,
  primary key (org_id, id),
  constraint credential_org_id_name_key unique (org_id, name)
);
call orgate_isolate('credential', is_recorded => false);
call orgate_record('credential', secret => '{secret}', silent => '{last_used_at}');

-- What a repository is fetched with.
alter table repository
  add column credential_id text,
  add constraint repository_org_id_credential_id_fkey foreign key (org_id, credential_id) references credential (org_id, id);
create index repository_org_id_credential_id_idx on repository (org_id, credential_id);
call orgate_record('repository');

-- It was lent to an address: whoever changes that may be one who must not choose a credential.
create function repository_lends_anew() returns trigger
language plpgsql
as $$
begin
  new.credential_id := null;
  return new;
end $$;
create trigger repository_lends_anew before update of git_url on repository
  for each row when (new.git_url <> old.git_url) execute function repository_lends_anew();
