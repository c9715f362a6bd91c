-- Whoever is INVITED has not joined, and no order, filter or cursor may tell that they had: since when they were a member is kept
-- with what they were, and stands again where the invitation comes to nothing.
alter table membership add column left_joined_at timestamptz(3);

alter table membership no force row level security;
update membership set left_joined_at = joined_at, joined_at = null where status = 'INVITED';
alter table membership force row level security;

alter table membership
  drop constraint what_they_left_waits_for_an_answer,
  add constraint what_they_left_waits_for_an_answer
    check ((left_role is null and left_joined_at is null) or status = 'INVITED'),
  add constraint who_is_invited_has_not_joined check (joined_at is null or status <> 'INVITED');
