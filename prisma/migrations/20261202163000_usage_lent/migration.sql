-- Whom a run calls that asked nobody: the first of its organization's list that its executor may have a credential for, or its usual one where
-- there is no list. A machine of the deployment is lent those alone that say so. As src/domains/run/claimed-credentials.ts answers it.
create function usage_provider(org text, of_run text) returns text
language sql stable
as $$
  select case when jsonb_array_length(list) = 0 then settings ->> 'agentExecution.defaultProvider' else (
    select listed.name from jsonb_array_elements_text(list) with ordinality as listed (name, place)
    where exists (select from public.credential c
      where c.org_id = org and c.kind = 'LLM_PROVIDER' and c.provider = listed.name and c.enabled
        and (c.shared_executors or not is_shared))
    order by listed.place limit 1) end
  from public.organization cross join lateral (select
    case when settings ->> 'providerRouting.llmPreference' is not null
      then jsonb_build_array(settings -> 'providerRouting.llmPreference') else '[]' end
    || case when settings -> 'providerRouting.fallbackEnabled' = 'false' then '[]'
      else coalesce(nullif(settings -> 'providerRouting.llmFallback', 'null'), '[]') end as list) as wanted
  cross join lateral (select exists (
    select from public.run r join public.run_claim c on c.org_id = r.org_id and c.id = r.claim_id
    where r.org_id = org and r.id = of_run and c.executor_id is not null) as is_shared) as claimed
  where id = org
$$;

-- `usage_provider(org)` stays: whoever adds an event meanwhile may still be about to call it.
create or replace function usage_event_is_whose() returns trigger language plpgsql as $$
begin
  new.provider := coalesce(
    (select p.name from public.provider_resolution p join public.run r on r.org_id = p.org_id and r.id = p.run_id and r.attempts = p.attempt
      where p.org_id = new.org_id and p.run_id = new.run_id and p.kind = 'LLM' and p.name is not null
      order by p.number desc limit 1),
    public.usage_provider(new.org_id, new.run_id));
  return new;
end $$;
