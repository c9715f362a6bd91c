-- As before; and whom it is escalated to counts as those who are asked: where they cannot decide any more, OWNERs may, and are told.
create or replace function member_decides_otherwise() returns trigger language plpgsql as $$
begin
  if current_user <> 'orgate_app' then return null; end if;
  update public.due_work w set
    due_at = case when w.taken_at is null then least(w.due_at, clock_timestamp()) else w.due_at end,
    wanted_at = case when w.taken_at is null then w.wanted_at else clock_timestamp() end
  from public.approval a
  where a.org_id = new.org_id and a.status = 'PENDING' and (new.user_id = any (a.approvers) or new.user_id = a.escalation_to)
    and w.org_id = new.org_id and w.kind = 'approval' and w.subject = a.id;
  return null;
end $$;
