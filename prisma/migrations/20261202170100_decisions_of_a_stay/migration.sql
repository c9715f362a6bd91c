-- Who was removed and is back says anew what they think. That nobody says it twice in one stay is seen to where it is said, under the organization's lock.
alter table approval_decision drop constraint approval_decision_org_id_approval_id_decided_by_input_hash_key;
