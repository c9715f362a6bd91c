-- An agent has one repository, and people mostly run the same agents. PostgreSQL takes columns to be independent unless it is
-- told that they may not be, expects next to nothing of three filters at once, and chooses a plan for that.
create statistics run_belongings (dependencies, ndistinct, mcv) on agent_id, repository_id, created_by from run;
