-- Whether the deployment's own executors get it.
alter table credential add column shared_executors boolean not null default false;
call orgate_record('credential', secret => '{secret}', silent => '{last_used_at}');

-- What its runs are given, beside what their provider and repository need.
alter table agent add column credential_ids text[] not null default '{}';
call orgate_record('agent');

-- What is deleted is named no more.
create function credential_is_named_no_more() returns trigger language plpgsql as $$
begin
  update public.agent set credential_ids = array_remove(credential_ids, old.id), updated_at = clock_timestamp()
    where org_id = old.org_id and old.id = any (credential_ids);
  return old;
end $$;
create trigger credential_is_named_no_more before delete on credential for each row
  when (pg_trigger_depth() = 0 and current_user <> 'orgate_purger') execute function credential_is_named_no_more();

-- They were lent to what the agent's repository has: whoever moves it may be one who must not lend any.
create function agent_lends_anew() returns trigger language plpgsql as $$
begin
  new.credential_ids := '{}';
  return new;
end $$;
create trigger agent_lends_anew before update of repository_id on agent
  for each row when (new.repository_id <> old.repository_id) execute function agent_lends_anew();
-- The same where the repository has another address.
create function repository_lends_no_more() returns trigger language plpgsql as $$
begin
  update public.agent set credential_ids = '{}', updated_at = clock_timestamp()
    where org_id = new.org_id and repository_id = new.id and credential_ids <> '{}';
  return null;
end $$;
create trigger repository_lends_no_more after update of git_url on repository
  for each row when (new.git_url <> old.git_url) execute function repository_lends_no_more();
