-- A target may have a million entries: what was done to it by somebody who hardly ever touched it, or what hardly ever becomes of it, was
-- looked for among all of them.
create index audit_entry_org_id_target_id_action_at_idx on audit_entry (org_id, target_id, action, at);
create index audit_entry_org_id_target_id_actor_id_at_idx on audit_entry (org_id, target_id, actor_id, at);
