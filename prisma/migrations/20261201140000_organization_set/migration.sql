-- Organizations of one company, by region x project x environment. They belong together because one person made them, or an OWNER
-- of all of them added to them: never because their names are alike.
create table organization_set (
  id         text primary key,
  name       text not null,
  base       text not null,
  project    text not null,
  made_by    text not null references person (id),
  created_at timestamptz(3) not null default current_timestamp,
  -- Whoever makes one again finds it.
  constraint organization_set_made_by_base_project_key unique (made_by, base, project)
);
grant select, insert on organization_set to orgate_directory;
call orgate_record('organization_set', org_column => '');

-- What of a set is homed in other regions: there it is made, here it is a name. It keeps nobody from anything.
create table organization_elsewhere (
  set_id      text not null references organization_set (id),
  slug        text not null,
  region      text not null,
  environment text,
  made_by     text not null,
  created_at  timestamptz(3) not null default current_timestamp,
  primary key (set_id, slug)
);
create index organization_elsewhere_slug_idx on organization_elsewhere (slug);
grant select, insert on organization_elsewhere to orgate_directory;
call orgate_record('organization_elsewhere', key_column => 'slug', org_column => '', silent => '{set_id}');

-- Where an organization is, and in which set; null of both where nobody said so when it was made.
alter table organization
  add column set_id text, -- of a set, which is never deleted
  add column base text,
  add column project text,
  add column region text,
  add column environment text check (environment in ('PROD', 'STAGING', 'DEV', 'QA', 'PILOT', 'PERF')),
  add constraint organization_set_check check (num_nulls(set_id, base, project) in (0, 3) and (set_id is not null or environment is null));
create unique index organization_set_id_region_environment_idx
  on organization (set_id, region, environment) nulls not distinct where set_id is not null;
comment on index organization_set_id_region_environment_idx is 'across organizations: a set has each place once';
grant select (set_id, base, project, region, environment) on organization to orgate_directory;
call orgate_record('organization', org_column => 'id',
  silent => '{lock_version,default_model,default_provider,external_agent_policy,support_access,purged_to}');

create function orgate_stays() returns trigger
language plpgsql
as $$
begin
  raise insufficient_privilege using message = 'an organization stays in its region, and in its set';
end $$;
create trigger stays before update of set_id, base, project, region, environment on organization for each row
  when (current_user = 'orgate_app' and (new.set_id is distinct from old.set_id or new.base is distinct from old.base
    or new.project is distinct from old.project or new.region is distinct from old.region
    or new.environment is distinct from old.environment))
  execute function orgate_stays();
