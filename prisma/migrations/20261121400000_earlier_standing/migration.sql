-- Someone who was removed and is invited again is invited to be one thing, and was another: what they were stays known, for
-- whoever undoes the removal must hold it, and it stands again where the invitation comes to nothing.
alter table membership
  add column left_role text check (left_role in ('OWNER', 'ADMIN', 'DEVELOPER', 'VIEWER')),
  add column left_granted text[] not null default '{}',
  add column left_withheld text[] not null default '{}';

alter table membership no force row level security;
-- An invitation used to forget that someone had been a member. A place that is kept for an address has a made-up id.
update membership set joined_at = created_at
where joined_at is null and kind = 'PERSON' and user_id in (select id from person);
update membership set may_rejoin = false where status <> 'REMOVED';
alter table membership force row level security;

alter table membership
  add constraint what_they_left_waits_for_an_answer check (left_role is null or status = 'INVITED'),
  add constraint who_may_rejoin_is_removed check (not may_rejoin or status = 'REMOVED');
