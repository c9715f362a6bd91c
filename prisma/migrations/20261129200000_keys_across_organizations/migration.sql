-- Which keys are unique across organizations, and why, stands beside them: a release reads it there, of keys that it does not know, too.
comment on index address_pkey is
  'across organizations: slugs are host names and a domain has one holder, so both are claimed here';
