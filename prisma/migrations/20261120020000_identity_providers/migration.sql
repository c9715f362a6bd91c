-- Identity providers of organizations. Those of the whole deployment are configured, and stand in no table.

create table identity_provider (
  org_id        text not null references organization (id) on delete cascade,
  id            text not null,
  name          text not null,
  kind          text not null check (kind in ('OIDC', 'SAML')),
  status        text not null default 'ACTIVE' check (status in ('ACTIVE', 'DISABLED')),
  -- Never changes: people are known by the provider and their subject there.
  issuer        text not null,
  client_id     text,
  -- Sealed, for identity_provider/<org_id>/<id>.
  client_secret text,
  sign_in_url   text,
  certificates  text[] not null default '{}',
  default_role  text not null check (default_role in ('DEVELOPER', 'VIEWER')),
  created_at    timestamptz(3) not null default current_timestamp,
  updated_at    timestamptz(3) not null default current_timestamp,
  primary key (org_id, id),
  constraint oidc_is_whole check (kind <> 'OIDC' or (client_id is not null and sign_in_url is null and certificates = '{}')),
  constraint saml_is_whole check (kind <> 'SAML' or (client_id is null and client_secret is null and sign_in_url is not null
    and certificates <> '{}'))
);
create index identity_provider_id_idx on identity_provider (id);
call orgate_isolate('identity_provider');
-- Whoever signs in has no organization yet: the directory tells which one a provider belongs to, and how it is called.
grant select (org_id, id, name, status) on identity_provider to orgate_directory;
create policy directory_read on identity_provider for select to orgate_directory using (true);

-- Global: someone is on their way through an identity provider. Known only by hashes of what the browser and the
-- provider bring back; taken by deleting it, so that it serves once.
create table sign_in_attempt (
  state_hash   text primary key,
  provider_id  text not null,
  browser_hash text not null,
  sealed       text not null,
  expires_at   timestamptz(3) not null
);
create index sign_in_attempt_expires_at_idx on sign_in_attempt (expires_at);
grant select, insert, delete on sign_in_attempt to orgate_directory;

-- Global: assertions that were used, for as long as they would still be valid.
create table saml_assertion_seen (
  provider_id    text not null,
  assertion_hash text not null,
  expires_at     timestamptz(3) not null,
  primary key (provider_id, assertion_hash)
);
create index saml_assertion_seen_expires_at_idx on saml_assertion_seen (expires_at);
grant select, insert, delete on saml_assertion_seen to orgate_directory;
