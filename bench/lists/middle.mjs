const RECORD = {
  from: 'audit_entry',
  by: 'at, id',
  columns: {
    actorId: 'actor_id =',
    action: 'action =',
    targetId: 'target_id =',
    outcome: 'outcome =',
    from: 'at >=',
    before: 'at <',
  },
};
const RUNS = {
  from: 'run',
  by: 'created_at, id',
  columns: {
    status: 'status = any',
    agentId: 'agent_id =',
    repositoryId: 'repository_id =',
    createdById: 'created_by =',
    createdFrom: 'created_at >=',
    createdBefore: 'created_at <',
  },
};
/** Lists that are very long: in which order their rows come, and by which columns they are filtered. */
const LONG = {
  'Query.approvals': { from: 'approval', by: 'id', columns: { status: 'status = any', subjectId: 'subject_id =' } },
  'Query.auditLog': RECORD,
  'Query.deploymentLog': RECORD,
  'Query.usageEvents': { from: 'usage_event', by: 'day, id', columns: { from: 'day >=', to: 'day <=' } },
  'Query.runs': RUNS,
  'Organization.runs': RUNS,
  'AgentRepository.runs': RUNS,
  'Agent.runs': RUNS,
};

/** What finds the place of the row in the middle of those that a filter finds, of lists that are very long; null of others. */
export function middleOf(name, filter = {}, count, { organization, largeAgent, largeRepository }) {
  if (!LONG[name]) return null;
  const { from, by, columns } = LONG[name];
  const of = { 'Agent.runs': { agentId: largeAgent }, 'AgentRepository.runs': { repositoryId: largeRepository } }[name];
  const literal = (value) => (Array.isArray(value) ? `'{${value.join(',')}}'` : `'${value.enum ?? value}'`);
  const conditions = Object.entries({ ...filter, ...of }).map(
    ([key, value]) => `and ${columns[key]} (${literal(value)})`,
  );
  return `select ${by} from ${from} where org_id = '${name === 'Query.deploymentLog' ? '' : organization}'
    ${conditions.join(' ')} order by ${by} offset ${Math.floor(count / 2)} limit 1`;
}
