-- What comes back answers one step of signing in and no other.
delete from sign_in_attempt;
alter table sign_in_attempt add column step text not null check (step in ('OIDC', 'SAML', 'SAML_ASSERTED'));
