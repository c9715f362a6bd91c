-- As before; and whose session or key runs out while they wait, or whose session of the organization's own provider is of an earlier stay, is not as
-- they were read either: src/rights/actor.ts refuses them, too.
create or replace function orgate_acts_as_read() returns trigger
language plpgsql
as $$
declare
  actor constant jsonb := nullif(current_setting('app.act', true), '')::jsonb -> 'asRead';
  org constant text := current_setting('app.org_id', true);
  was constant text := current_setting('role');
  is_so boolean;
begin
  if actor is null then return null; end if;
  -- Persons and sessions are the directory's to read.
  perform set_config('role', 'orgate_directory', true);
  is_so := exists (
    select from public.membership m join public.organization o on o.id = m.org_id
      left join public.person p on p.id = m.user_id
      left join public.session s on s.id = actor ->> 'sessionId' and s.ended_at is null and s.expires_at > clock_timestamp()
        and (s.bound_org_id is null or (s.bound_org_id = m.org_id and s.created_at >= m.joined_at))
      left join public.api_key k on k.org_id = m.org_id and k.id = actor ->> 'apiKeyId' and k.revoked_at is null
        and k.expires_at > clock_timestamp() and k.created_at >= m.joined_at
    where m.org_id = org and o.status = 'ACTIVE' and m.user_id = actor ->> 'userId' and m.status = 'ACTIVE' and m.role = actor ->> 'role'
      and to_jsonb(m.granted) = actor -> 'granted' and to_jsonb(m.withheld) = actor -> 'withheld'
      and (m.kind = 'SERVICE_ACCOUNT' or p.status = 'ACTIVE')
      and (actor ->> 'sessionId' is null or s.id is not null)
      and (actor ->> 'apiKeyId' is null or k.id is not null)
      and not (o.membership_rule = 'SET_ONLY' and exists (
        select from public.membership x join public.organization xo on xo.id = x.org_id
        where x.user_id = m.user_id and x.org_id <> m.org_id and x.status = 'ACTIVE' and xo.status <> 'PENDING_DELETION'
          and (o.set_id is null or xo.set_id is distinct from o.set_id))));
  perform set_config('role', was, true);
  if not is_so then
    raise exception using errcode = 'OG005', message = 'whoever acts is not as they were read';
  end if;
  return null;
end $$;
