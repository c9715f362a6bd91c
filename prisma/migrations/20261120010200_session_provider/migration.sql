-- Sessions end with the identity provider that opened them.
create index session_provider_idx on session (provider);
