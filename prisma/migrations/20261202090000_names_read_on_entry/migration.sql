-- What a key or a directory is called is read with its hash, before it acts: the record names it in every entry, and looked it up
-- with every row that was written.
grant select (name) on api_key to orgate_directory;
grant select (name) on scim_directory to orgate_directory;
