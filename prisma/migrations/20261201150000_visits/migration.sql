-- What is seen of an organization from outside is told in its record once a day: whoever writes that reads which of those entries
-- are there, and nothing else of any organization's record.
create policy directory_reads_visits on audit_entry for select to orgate_directory
  using (action in ('organization.seen', 'organization.usage_seen'));
-- Once nothing of an organization is kept any more, no entry brings a name back.
grant select (purge_began_at) on organization to orgate_directory;
