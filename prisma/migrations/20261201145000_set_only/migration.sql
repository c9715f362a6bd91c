-- Whether people may belong outside the set is asked with each of their requests, by a role that reads no other setting.
alter table organization add column membership_rule text not null
  generated always as (coalesce(settings ->> 'security.membership', 'OPEN')) stored
  check (membership_rule in ('OPEN', 'SET_ONLY'));
grant select (membership_rule) on organization to orgate_directory;
call orgate_record('organization', org_column => 'id',
  silent => '{lock_version,default_model,default_provider,external_agent_policy,support_access,membership_rule,purged_to}');
