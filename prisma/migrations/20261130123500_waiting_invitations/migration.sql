-- Whoever is signed in is told what waits for the address that they proved to be theirs. That a place is kept for it the
-- directory role reads of memberships already.
grant select (org_id, id, pending_email, expires_at) on invitation to orgate_directory;
create policy directory_read on invitation for select to orgate_directory using (true);
create index membership_invited_email_idx on membership (email) where status = 'INVITED';
