-- The release before knows no versions: what it changes of the settings makes one all the same, or whoever has seen the version before
-- would overwrite it unseen, and nobody could go back past it. A later release takes this away with `settings_of_before`, after which it
-- comes by its name. Whoever owns the tables mends what no version tells.
create function orgate_settings_version_of_before() returns trigger
language plpgsql
as $$
declare
  act constant jsonb := nullif(current_setting('app.act', true), '');
begin
  if act is null then return new; end if;
  new.settings_version := old.settings_version + 1;
  insert into public.settings_version (org_id, version, at, by_kind, by_id, by_name, changes)
  select new.id, new.settings_version, current_timestamp, act ->> 'kind', act ->> 'id',
    coalesce(act ->> 'name', case act ->> 'kind'
      when 'API_KEY' then (select name from public.api_key where org_id = new.id and id = act ->> 'id')
      else (select name from public.membership where org_id = new.id and user_id = act ->> 'id') end),
    jsonb_object_agg(path, jsonb_build_array(was, became))
  from (values
    ('agentExecution.defaultModel', to_jsonb(old.default_model), to_jsonb(new.default_model)),
    ('agentExecution.defaultProvider', to_jsonb(old.default_provider), to_jsonb(new.default_provider)),
    ('agentExecution.maxConcurrentRuns', to_jsonb(old.max_concurrent_runs), to_jsonb(new.max_concurrent_runs)),
    ('security.externalAgentPolicy', to_jsonb(old.external_agent_policy), to_jsonb(new.external_agent_policy)),
    ('security.allowedDomains', to_jsonb(old.allowed_domains), to_jsonb(new.allowed_domains)),
    ('security.apiKeyMaxDays', to_jsonb(old.api_key_max_days), to_jsonb(new.api_key_max_days)),
    ('featureFlags', old.feature_flags, new.feature_flags)) as settings (path, was, became)
  where was is distinct from became;
  return new;
end $$;
create trigger settings_version_of_before before update on organization for each row
  when (new.settings_version = old.settings_version and (
    new.default_model is distinct from old.default_model or new.default_provider is distinct from old.default_provider
    or new.max_concurrent_runs <> old.max_concurrent_runs or new.external_agent_policy <> old.external_agent_policy
    or new.allowed_domains <> old.allowed_domains or new.api_key_max_days <> old.api_key_max_days
    or new.feature_flags <> old.feature_flags))
  execute function orgate_settings_version_of_before();
