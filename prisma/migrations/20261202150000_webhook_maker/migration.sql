-- Who has the organization's record told to an address. Null of webhooks from before this was kept.
alter table webhook
  add column created_by text,
  add constraint webhook_org_id_created_by_fkey foreign key (org_id, created_by) references membership (org_id, user_id);
call orgate_record('webhook', secret => '{secret,previous_secret}', silent => '{handled_to}');
