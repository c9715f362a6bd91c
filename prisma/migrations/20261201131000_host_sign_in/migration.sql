-- Whoever signs in at the host of an organization is sent to the gateway's own address, and comes back with a code.
alter table sign_in_attempt drop constraint sign_in_attempt_step_check;
alter table sign_in_attempt add constraint sign_in_attempt_step_check
  check (step in ('OIDC', 'SAML', 'SAML_ASSERTED', 'HOST', 'HOST_CODE'));

-- Global: hosts at which somebody said once that they sign in there. Known only by a hash of host and organization, so that
-- nothing of either is left here when it is gone.
create table known_host (
  person_id  text not null references person (id),
  place_hash text not null,
  created_at timestamptz(3) not null default current_timestamp,
  primary key (person_id, place_hash)
);
grant select, insert on known_host to orgate_directory;

-- How an organization looks stands in its settings, and is shown before anybody is known: by the same one statement, whether there
-- is such an organization or not.
grant select (settings) on organization to orgate_directory;
