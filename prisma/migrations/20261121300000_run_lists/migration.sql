-- Lists of runs go by (created_at, id), and every filter has an index that is in that order: a page is read from where it
-- begins, whatever the window of time, and never by passing over what does not match. The columns behind the order are not
-- ordered by; a filter that names them too is decided within the index, without a look at the rows.
drop index run_org_id_created_at_idx;
drop index run_org_id_status_id_idx;
drop index run_org_id_agent_id_id_idx;
drop index run_org_id_repository_id_id_idx;

create index run_org_id_created_at_id_idx on run (org_id, created_at, id);
create index run_org_id_status_created_at_id_idx on run (org_id, status, created_at, id);
create index run_agent_idx on run (org_id, agent_id, created_at, id);
create index run_agent_status_idx on run (org_id, agent_id, status, created_at, id);
create index run_agent_created_by_idx on run (org_id, agent_id, created_by, created_at, id, status);
create index run_repository_idx on run (org_id, repository_id, created_at, id, agent_id);
create index run_repository_status_idx on run (org_id, repository_id, status, created_at, id);
create index run_repository_created_by_idx on run (org_id, repository_id, created_by, created_at, id, status);
-- Alone, a creator is looked for in all statuses, which are merged: one index for both.
create index run_created_by_status_idx on run (org_id, created_by, status, created_at, id);
