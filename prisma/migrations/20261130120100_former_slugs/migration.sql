-- A slug that was given up stays its organization's for a while: first it goes on leading there, then it leads nowhere. It is in use
-- while `given_up_at` is null.
alter table address add column given_up_at timestamptz(3);
alter table address add constraint address_given_up_check check (given_up_at is null or kind = 'SLUG');
create index address_given_up_at_idx on address (given_up_at) where given_up_at is not null;

-- An organization takes slugs, too, and gives them back; that it keeps the one that it is called by is a foreign key's matter. It
-- may still rename, as the release before does.
drop policy only_domains_are_taken on address;
drop policy only_domains_are_given_up on address;
create policy only_former_slugs_are_given_back on address as restrictive for delete to orgate_app
  using (kind = 'DOMAIN' or given_up_at is not null);
grant update (given_up_at) on address to orgate_app;

-- The directory frees what nobody holds any more.
grant delete on address to orgate_directory;
create policy directory_free on address for delete to orgate_directory using (given_up_at is not null);
