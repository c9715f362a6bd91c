-- What an organization's secrets are sealed under: a key of its own, which lies here sealed under a secret key of the deployment.
-- Where the organization goes the key goes, and what was sealed under it is lost in every copy.
create table data_key (
  org_id     text not null references organization (id) on delete cascade,
  id         text not null,
  wrapped    text not null,
  -- Which secret key it is sealed under: how the SHA-256 of that begins.
  secret_key text not null,
  created_at timestamptz(3) not null default current_timestamp,
  primary key (org_id, id)
);
call orgate_isolate('data_key', is_recorded => false);
call orgate_record('data_key', secret => '{wrapped}');

-- `npm run rotate-keys` seals them under the first of the secret keys.
grant update (private_key) on signing_key to orgate_directory;
