-- An organization whose deletion was asked for waits until `purge_at`; until then it can be taken back.
alter table organization drop constraint organization_status_check;
alter table organization add constraint organization_status_check
  check (status in ('ACTIVE', 'SUSPENDED', 'PENDING_DELETION'));
alter table organization add column purge_at timestamptz(3);
alter table organization add constraint organization_purge_at_check check ((status = 'PENDING_DELETION') = (purge_at is not null));
-- As before, with the column.
call orgate_record('organization', org_column => 'id', silent => '{lock_version,default_model,default_provider,external_agent_policy}');
