-- Whose word an identity provider is: it goes on being believed when they are removed, so that whoever removes them is told.
-- Null of those from before this was kept.
alter table identity_provider
  -- Who chose the issuer, which never changes.
  add column created_by text,
  -- Who last set what it is believed by: its client, secret, address or certificates.
  add column keyed_by   text,
  add constraint identity_provider_org_id_created_by_fkey foreign key (org_id, created_by) references membership (org_id, user_id),
  add constraint identity_provider_org_id_keyed_by_fkey foreign key (org_id, keyed_by) references membership (org_id, user_id);
