-- A domain that is proved serves as a host of its organization once that is switched on. What lapses or is removed serves no
-- more, and that is the database's to see to.
alter table organization_domain
  add column serving boolean not null default false,
  add column serving_found text[] not null default '{}',
  add constraint serves_while_verified check (not serving or status = 'VERIFIED');
create index organization_domain_serving_idx on organization_domain (name) where serving;

-- Whoever asks at a host is led to its organization before anybody is known.
grant select (serving) on organization_domain to orgate_directory;

call orgate_record('organization_domain', 'domain',
  silent => '{held_name,checked_at,check_found,check_problem,misses,serving_found}');
