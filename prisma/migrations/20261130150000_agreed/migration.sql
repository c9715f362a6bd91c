-- What is agreed with whoever runs the deployment is written by the directory, for a SYSTEM_ADMIN, and by nothing that an organization
-- asks for: no request of its own gives it a seat more.
grant update (status, plan, subscription_status, seat_limit, entitlements) on organization to orgate_directory;
grant select (subscription_status, seat_limit) on organization to orgate_directory;
create policy directory_decides on organization for update to orgate_directory using (true) with check (true);

create function orgate_agreed() returns trigger
language plpgsql
as $$
begin
  if current_user = 'orgate_app' then
    raise insufficient_privilege using message = 'what is agreed with an organization is not its own to write';
  end if;
  return new;
end $$;
create trigger agreed before update of plan, subscription_status, seat_limit, entitlements on organization for each row
  when (new.plan <> old.plan or new.subscription_status <> old.subscription_status
    or new.seat_limit is distinct from old.seat_limit or new.entitlements <> old.entitlements)
  execute function orgate_agreed();
