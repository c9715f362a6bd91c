-- Links to a record, as somebody asked for them. They are kept: each says what was taken away, by whom, and whether it came whole.
create table audit_export (
  org_id        text not null references organization (id) on delete cascade,
  id            text not null,
  format        text not null check (format in ('NDJSON', 'CSV')),
  filter        jsonb not null default '{}',
  -- Who may follow the link, and nobody else.
  maker_kind    text not null check (maker_kind in ('PERSON', 'API_KEY', 'SERVICE_ACCOUNT', 'DIRECTORY', 'EXECUTOR', 'SYSTEM')),
  maker_id      text not null,
  -- The newest place of the chain when it was asked for: what came later is not in it.
  last_sequence bigint not null,
  expires_at    timestamptz(3) not null,
  -- When it had been read to its end; from then on it leads nowhere.
  read_at       timestamptz(3),
  created_at    timestamptz(3) not null default current_timestamp,
  primary key (org_id, id)
);
call orgate_isolate('audit_export');
