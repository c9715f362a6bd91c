-- Whether the person's e-mail address was ever proved to be theirs. Everyone so far was admitted by an issuer that said so.
alter table person add column email_verified_at timestamptz(3) default current_timestamp;

-- Someone was asked to join. What they are to be stands in the INVITED membership that is kept for their address. EXPIRED is
-- not stored: a PENDING invitation is expired when its time is over, and PENDING again when it is renewed.
create table invitation (
  org_id                text not null references organization (id) on delete cascade,
  id                    text not null,
  email                 text not null check (email = lower(email)),
  status                text not null default 'PENDING' check (status in ('PENDING', 'ACCEPTED', 'REVOKED', 'DECLINED')),
  -- So that an address has one that is PENDING, whatever races.
  pending_email         text generated always as (case when status = 'PENDING' then email end) stored,
  expires_at            timestamptz(3) not null,
  mail_status           text not null default 'QUEUED' check (mail_status in ('QUEUED', 'SENT', 'FAILED')),
  mail_problem          text,
  renewal_requested_at  timestamptz(3),
  ended_at              timestamptz(3),
  created_at            timestamptz(3) not null default current_timestamp,
  updated_at            timestamptz(3) not null default current_timestamp,
  primary key (org_id, id),
  constraint invitation_org_id_pending_email_key unique (org_id, pending_email)
);
call orgate_isolate('invitation');
revoke delete on invitation from orgate_app;

-- The hash of every secret that was mailed for an invitation. Whoever follows a link has named no organization: the
-- directory finds the one that it came from, and reads nothing else of it.
create table invitation_secret (
  org_id        text not null references organization (id) on delete cascade,
  hash          text not null,
  invitation_id text not null,
  created_at    timestamptz(3) not null default current_timestamp,
  primary key (org_id, hash),
  constraint invitation_secret_org_id_invitation_id_fkey foreign key (org_id, invitation_id) references invitation (org_id, id)
);
create index invitation_secret_hash_idx on invitation_secret (hash);
create index invitation_secret_org_id_invitation_id_idx on invitation_secret (org_id, invitation_id);
call orgate_isolate('invitation_secret');
revoke update, delete on invitation_secret from orgate_app;
grant select (org_id, hash, invitation_id) on invitation_secret to orgate_directory;
create policy directory_read on invitation_secret for select to orgate_directory using (true);

-- Mail that is still to be sent, sealed. Written in the transaction that is its reason, and gone once it was sent. The
-- directory finds what is due, and reads none of it.
create table outgoing_mail (
  org_id          text not null references organization (id) on delete cascade,
  id              text not null,
  sealed          text not null,
  invitation_id   text,
  attempts        integer not null default 0,
  next_attempt_at timestamptz(3) not null,
  created_at      timestamptz(3) not null default current_timestamp,
  primary key (org_id, id),
  constraint outgoing_mail_org_id_invitation_id_fkey foreign key (org_id, invitation_id) references invitation (org_id, id)
);
create index outgoing_mail_next_attempt_at_idx on outgoing_mail (next_attempt_at);
create index outgoing_mail_org_id_invitation_id_idx on outgoing_mail (org_id, invitation_id);
call orgate_isolate('outgoing_mail');
grant select (org_id, id, next_attempt_at) on outgoing_mail to orgate_directory;
create policy directory_read on outgoing_mail for select to orgate_directory using (true);
