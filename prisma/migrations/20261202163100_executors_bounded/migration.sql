-- Whether one more executor may be registered, where there are so many at most. Of two that ask at once the second waits for the first, and counts what
-- that made: each statement of a function sees what was committed before it began.
create function executor_has_room(most integer) returns boolean language plpgsql volatile as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('executors', 0));
  return (select count(*) from public.executor where revoked_at is null) < most;
end $$;
