-- When an organization is deleted is agreed with whoever asked for it. Nothing that serves requests brings that forward, or begins before.
create function purge_is_guarded() returns trigger language plpgsql as $$
begin
  if current_user <> 'orgate_app' then return new; end if;
  if old.purge_began_at is not null and new.purge_began_at is distinct from old.purge_began_at then
    raise insufficient_privilege using message = 'a purge that began goes on';
  end if;
  if new.purge_began_at is not null
    and (new.purge_at is distinct from old.purge_at or new.purge_at is null or new.purge_at > clock_timestamp()) then
    raise insufficient_privilege using message = 'a purge begins when its time has come';
  end if;
  -- The shortest grace is a day; clocks are no hour apart.
  if new.purge_at < coalesce(old.purge_at, clock_timestamp() + interval '23 hours') then
    raise insufficient_privilege using message = 'a purge is not brought forward';
  end if;
  return new;
end $$;
create trigger purge_is_guarded before update of purge_at, purge_began_at on organization for each row
  when ((old.purge_at, old.purge_began_at) is distinct from (new.purge_at, new.purge_began_at))
  execute function purge_is_guarded();

-- Whether an organization still takes entries of its record that no row of it stands behind. Whoever deletes it waits for whoever was told so, and
-- whoever comes later is told the truth: nobody's name is left behind.
create function orgate_takes_entries(org text) returns boolean
language plpgsql
as $$
begin
  perform pg_advisory_xact_lock_shared(hashtext('orgate entries'), hashtext(org));
  perform from public.organization where id = org;
  return found;
end $$;
