-- What one organization may use, where that is not what its plan says: { features: { name: boolean }, limits: { name: number or null } }.
alter table organization add column entitlements jsonb not null default '{}' check (jsonb_typeof(entitlements) = 'object');

-- What was switched by names of which none did anything. From here on they do.
alter table organization no force row level security;
update organization set feature_flags = '{}' where feature_flags <> '{}';
alter table organization force row level security;

-- What decides of features comes with whoever asks, in the statement that every request begins with.
grant select (plan, feature_flags, entitlements) on organization to orgate_directory;
call orgate_record('organization', org_column => 'id', silent => '{lock_version,default_model,default_provider,external_agent_policy}');
